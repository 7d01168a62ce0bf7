"""A small run that is killed and continues: its settings, the kill, and its training."""

import contextlib
import dataclasses
import functools

from preparing import prepare

from aejax.config import (
    CheckpointConfig,
    DataConfig,
    ModelConfig,
    ObjectiveConfig,
    PretrainConfig,
    SplitConfig,
    TrainConfig,
    to_dict,
)
from aejax.errors import Preempted
from aejax.experiments import training
from aejax.experiments.job import open_run_dir
from aejax.experiments.schedule import optimizer_for
from aejax.methods.registry import METHODS
from aejax.storage.run_identity import RunIdentity
from tests.consoles import quiet

EACH = CheckpointConfig(save_every=0)
SMALL = PretrainConfig(
    data=DataConfig(dataset="digits"),
    split=SplitConfig(valid_fraction=0.5),
    model=ModelConfig(hidden=(8,), latent_dim=4, channels=(2,), batch_norm=True, sparse_dim=12),
    objective=ObjectiveConfig(k=2, layer_epochs=2),
    train=TrainConfig(epochs=5, batch_size=256),
    seeds=3,
)


class Killed(BaseException):
    """Simulates a kill: no handler of `Exception` catches it."""


def stop_after(calls):
    """Replaces `defer_signals`: a signal arrives in the call of a training program after `calls` calls."""

    @contextlib.contextmanager
    def defer_signals():
        answers = iter([False] * calls)
        yield lambda: next(answers, True)
        raise Preempted

    return defer_signals


@functools.lru_cache(maxsize=1)
def method_and_optimizer(config):
    """Returns the same objects for every training of a test, which share their compiled programs."""
    prepared = prepare(config)
    method = METHODS[config.method](prepared.problem)
    return method, optimizer_for(prepared, method)


def trained(config, folder):
    """Trains into a run folder and returns the progress, on the host, and the history without its seconds."""
    prepared = prepare(config)
    method, optimizer = method_and_optimizer(config)
    with open_run_dir(folder, RunIdentity(to_dict(prepared.config)), EACH, quiet(), 0.0) as (_, cache):
        prepared = dataclasses.replace(prepared, result_cache=cache)
        variables = training.init_variables(prepared, method)
        result = training.train_method(prepared, config.method, method, optimizer, variables)
    return prepared.plan.to_host(result.progress), result.history._replace(seconds=0.0)
