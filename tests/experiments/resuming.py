"""A small run that is killed and goes on: its settings, its death, and what it trains."""

import dataclasses
import io

from rich.console import Console

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
from aejax.data.registry import load_dataset
from aejax.experiments import experiment, training
from aejax.experiments.progress import SilentReporter
from aejax.experiments.resolve import resolve_config
from aejax.experiments.run_dir import open_run_dir
from aejax.experiments.schedule import optimizer_for
from aejax.methods import METHODS

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
    """What a kill is to the code around it."""


def quiet():
    return Console(file=io.StringIO(), width=200)


def trained(config, folder, made={}):  # noqa: B006 -- the same method and optimizer for every training of a test
    """Train into a run folder; what the training leaves, on the host."""
    dataset = load_dataset(config.data)
    config = resolve_config(config, dataset)
    own = experiment.prepare_experiment(config, dataset, SilentReporter())
    if config not in made:
        method = METHODS[config.method](own.problem)
        made[config] = method, optimizer_for(own, method)
    method, optimizer = made[config]
    with open_run_dir(folder, to_dict(config), EACH, quiet(), 0.0) as (_, keeper):
        own = dataclasses.replace(own, result_cache=keeper)
        left = training.train_method(own, config.method, method, optimizer, training.init_variables(own, method))
    return own.plan.to_host(left.progress), left.history._replace(seconds=0.0)
