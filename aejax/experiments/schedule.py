"""How long a method is trained, on which rows, and with which optimizer."""

import functools
from typing import NamedTuple

import numpy as np
import optax
from jaxtyping import Int

from aejax.config import ExperimentConfig, OptimizerConfig, PretrainConfig
from aejax.data.shuffling import steps_per_epoch
from aejax.experiments.experiment import Experiment
from aejax.methods.method import Method
from aejax.train.optimizers import freeze, make_optimizer, make_traced_optimizer

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
    """Returns the epochs of all of a method's trainings, of which those of a classifier may end earlier."""
    if method.supervised:
        return 2 * config.train.epochs  # selection and refit
    finetuning = 2 * config.probe.finetune_epochs if is_finetuned(config, method) else 0  # selection and refit
    if method.objective is None:
        return finetuning
    epochs = epoch_budget(config, method)
    return len(method.stages) * epochs.per_stage + epochs.end_to_end + finetuning


def is_finetuned(config: ExperimentConfig, method: Method) -> bool:
    """Returns whether `--probe finetune` trains a method's encoder further."""
    has_encoder = method.model is not None and method.log_probs is None and method.features_of is None
    return config.probe.probe == "finetune" and has_encoder


def epochs_per_call(epochs: int, examples_per_epoch: int) -> int:
    """Returns the largest divisor of `epochs` that keeps calls short; a divisor, so that one program serves all."""
    most = max(1, min(epochs // MIN_CALLS, EXAMPLES_PER_CALL // examples_per_epoch))
    return next(count for count in range(most, 0, -1) if epochs % count == 0)


def select_validation_rows(experiment: Experiment) -> Int[np.ndarray, "seeds m"]:
    """Returns the rows of an autoencoder's validation curve: the test rows if `--monitor test` asks for them."""
    config = experiment.config
    if isinstance(config, PretrainConfig) and config.monitor == "test":
        return experiment.split.test
    return experiment.split.valid


def optimizer_for(experiment: Experiment, method: Method) -> optax.GradientTransformation:
    """Returns the config's optimizer with its schedule over an autoencoder's steps.

    Raises:
        InputError: the schedule is longer than the training.
    """
    config = experiment.config
    steps = steps_per_epoch(experiment.split.train.shape[1], config.train.batch_size)
    return _make_optimizer(
        config.optimizer, steps, epoch_budget(config, method).end_to_end, method.traced, method.frozen_part
    )


@functools.lru_cache(maxsize=64)
def _make_optimizer(
    config: OptimizerConfig, steps: int, epochs: int, traced: bool, frozen_part: str | None
) -> optax.GradientTransformation:
    """Returns the same object for equal settings, so that they share compiled programs."""
    optimizer = (make_traced_optimizer if traced else make_optimizer)(config, steps, epochs)
    return optimizer if frozen_part is None else freeze(optimizer, [frozen_part])
