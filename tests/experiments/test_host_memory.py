"""A save of a large checkpoint has the memory alone, and all seeds share the numbers of all rows."""

import threading

import jax
import numpy as np
import pytest
from preparing import configure, prepare

from aejax.config import CheckpointConfig
from aejax.experiments import checkpointing
from aejax.experiments.feature_extraction import extract_features
from aejax.experiments.training import init_variables
from aejax.methods.registry import METHODS
from aejax.storage.checkpoint_manager import AsyncSaver, CheckpointManager
from aejax.train.plan import Plan


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


def test_features_of_every_row_need_no_row_numbers_of_each_seed(monkeypatch):
    experiment = prepare(configure(dataset="wine", hidden=(4,), latent_dim=2, seeds=2))
    method = METHODS["undercomplete"](experiment.problem)
    variables = experiment.plan.to_host(init_variables(experiment, method))
    shard, of_seeds = Plan.shard, []
    monkeypatch.setattr(Plan, "shard", lambda plan, tree: of_seeds.extend(jax.tree.leaves(tree)) or shard(plan, tree))
    for chunk in experiment.plan.chunks():
        extract_features(experiment, chunk, method, variables)
    assert of_seeds
    assert not [leaf for leaf in of_seeds if len(experiment.dataset.labels) in leaf.shape]
