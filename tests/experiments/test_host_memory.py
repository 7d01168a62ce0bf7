"""A save of a large checkpoint has the memory alone."""

import threading

import numpy as np
import pytest

from aejax.config import CheckpointConfig
from aejax.experiments import checkpointing
from aejax.storage.checkpoint_manager import AsyncSaver, CheckpointManager


@pytest.mark.parametrize("limit", [0, 1 << 30])
def test_only_a_large_checkpoint_is_written_before_the_training_goes_on(limit, monkeypatch, tmp_path):
    monkeypatch.setattr(checkpointing, "MAX_BACKGROUND_BYTES", limit)
    written, trained, saver = [], threading.Event(), AsyncSaver()

    def save(manager, epoch, tree, meta):
        trained.wait(0.5)
        written.append(epoch)

    monkeypatch.setattr(CheckpointManager, "save", save)
    config = CheckpointConfig(save_every=0)
    checkpointer = checkpointing.Checkpointer(CheckpointManager(tmp_path, 1), config, saver, print)
    history = checkpointing.TrainingHistory({"train_loss": np.ones((1, 3))}, np.zeros(1, np.int32), 1.0)
    checkpointer.maybe_save(history, lambda: {"w": np.ones(9)}, force=False)
    assert written == ([3] if limit == 0 else [])
    trained.set()
    saver.wait()
