"""How long a method is trained, on which rows, and with which optimizer."""

from typing import NamedTuple

import numpy as np
import optax
from jaxtyping import Int

from aejax.config import ExperimentConfig, PretrainConfig
from aejax.data.shuffling import steps_per_epoch
from aejax.experiments.experiment import Experiment
from aejax.methods.method import Method
from aejax.train.optimizers import make_optimizer, make_traced_optimizer

EXAMPLES_PER_CALL = 400_000  # examples of all seeds in one call of a program: a second or less on two cores
MIN_CALLS = 20  # calls per training, so that the progress display moves


class EpochBudget(NamedTuple):
    """How a method's epochs are divided."""

    per_stage: int
    end_to_end: int


def epoch_budget(config: ExperimentConfig, method: Method) -> EpochBudget:
    """Returns `--layer-epochs` for each stage, by default half of `--epochs` for all; at least one per training."""
    stages = len(method.stages)
    if stages == 0:
        return EpochBudget(0, config.train.epochs)
    per_stage = config.objective.layer_epochs or max(1, config.train.epochs // (2 * stages))
    return EpochBudget(per_stage, max(1, config.train.epochs - stages * per_stage))


def total_epochs(config: ExperimentConfig, method: Method) -> int:
    """Returns the epochs of all of a method's trainings."""
    if method.objective is None:
        return 0
    epochs = epoch_budget(config, method)
    return len(method.stages) * epochs.per_stage + epochs.end_to_end


def epochs_per_call(epochs: int, examples_per_epoch: int) -> int:
    """Returns the largest divisor of `epochs` that keeps calls short; a divisor, so that one program serves all."""
    most = max(1, min(epochs // MIN_CALLS, EXAMPLES_PER_CALL // examples_per_epoch))
    return next(count for count in range(most, 0, -1) if epochs % count == 0)


def select_rows(
    experiment: Experiment, method: Method
) -> tuple[Int[np.ndarray, "seeds n"], Int[np.ndarray, "seeds m"]]:
    """Returns training and validation rows: classifiers see labelled rows, autoencoders all."""
    split = experiment.split
    if method.supervised:
        return split.labelled_train, split.labelled_valid
    return split.train, select_validation_rows(experiment)


def select_validation_rows(experiment: Experiment) -> Int[np.ndarray, "seeds m"]:
    """Returns the rows of an autoencoder's validation curve: the test rows if `--monitor test` asks for them."""
    config = experiment.config
    if isinstance(config, PretrainConfig) and config.monitor == "test":
        return experiment.split.test
    return experiment.split.valid


def passes_per_epoch(experiment: Experiment, method: Method) -> int:
    """Returns the passes over its rows that a method makes for one epoch of `--epochs`.

    One, except for a classifier with few labels: it makes more passes, so that it takes about as many steps as methods
    that train on all rows. Its best pass is kept.
    """
    rows, _ = select_rows(experiment, method)
    return max(1, experiment.split.train.shape[1] // rows.shape[1]) if method.supervised else 1


def optimizer_for(experiment: Experiment, method: Method) -> optax.GradientTransformation:
    """Returns the config's optimizer with its schedule over the method's steps.

    Raises:
        InputError: the schedule is longer than the training.
    """
    config = experiment.config
    rows, _ = select_rows(experiment, method)
    steps = steps_per_epoch(rows.shape[1], config.train.batch_size)
    make = make_traced_optimizer if method.traced else make_optimizer
    return make(config.optimizer, steps, passes_per_epoch(experiment, method) * epoch_budget(config, method).end_to_end)
