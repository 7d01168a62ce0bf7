"""Theorems about memory where data are large: what is freed goes back to the system, and a save has it alone."""

import threading

import numpy as np
import psutil
import pytest

from aejax.config import CheckpointConfig
from aejax.experiments import checkpointing
from aejax.experiments.compilation import MIN_BYTES_TO_TRIM, _c_library, malloc_trim
from aejax.storage.checkpoint_manager import AsyncSaver, CheckpointManager

MIB = 1 << 20


@pytest.mark.skipif(_c_library() is None, reason="the C library is not glibc")
def test_freed_memory_goes_back_to_the_system_beside_large_data_only():
    large, small = np.empty(MIN_BYTES_TO_TRIM, np.uint8), np.empty(MIN_BYTES_TO_TRIM - 1, np.uint8)
    blocks = [np.ones(64 * 1024, np.uint8) for _ in range(4000)]  # too small to be mapped each by itself
    last = blocks[-1]
    full = psutil.Process().memory_info().rss
    blocks.clear()
    malloc_trim(small)
    kept = psutil.Process().memory_info().rss
    malloc_trim({"first": large[: MIN_BYTES_TO_TRIM // 2], "second": (large[MIN_BYTES_TO_TRIM // 2 :], None)})
    assert psutil.Process().memory_info().rss < kept - 200 * MIB
    assert kept > full - 50 * MIB
    assert last.all()


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
