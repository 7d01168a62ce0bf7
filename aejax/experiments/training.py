"""The host loop: epochs in portions, a clock, a report. No mathematics."""

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from aejax.config import ExperimentConfig
from aejax.data.batching import Examples, gather_batch
from aejax.data.scalers import Scaler
from aejax.data.shuffling import shuffle_epochs, steps_per_epoch
from aejax.experiments.checkpointing import Checkpointer, TrainingCheckpoint, TrainingHistory, concatenate_histories
from aejax.experiments.compilation import cached_jit
from aejax.experiments.experiment import Experiment, shard_rows
from aejax.experiments.preemption import defer_signals
from aejax.methods import Method
from aejax.models.submodules import Variables
from aejax.objectives.objective import Objective
from aejax.train.epoch import Metrics, SeedData, make_train_epochs
from aejax.train.keys import KeyUse
from aejax.train.optimizers import make_optimizer, make_traced_optimizer, train_selected
from aejax.train.plan import Plan
from aejax.train.state import TrainProgress, init_progress

EXAMPLES_PER_CALL = 400_000  # examples, over all seeds, after which the host looks up: a second or less on two cores
MIN_CALLS = 20  # the display moves at least this often


class TrainingResult(NamedTuple):
    """A training that has ended."""

    progress: TrainProgress  # of every seed, on the devices
    history: TrainingHistory


def epochs_per_call(epochs: int, examples_per_epoch: int) -> int:
    """The largest divisor of `epochs` that keeps calls short, so that one program serves them all."""
    wanted = max(1, min(epochs // MIN_CALLS, EXAMPLES_PER_CALL // examples_per_epoch))
    return next(count for count in range(wanted, 0, -1) if epochs % count == 0)


@cached_jit
def _init_program(plan: Plan, start_one: Callable[..., Variables]) -> Callable[..., Variables]:
    def of_seed(key: Array, rows: Array, scaler: Scaler, examples: Examples) -> Variables:
        return start_one(key, gather_batch(examples, scaler, rows).inputs)

    return plan.map_seeds(of_seed, replicated_argnums=(3,))


def init_variables(experiment: Experiment, method: Method) -> Variables:
    """Every seed's variables before training, which for a closed form are its last."""
    program = _init_program(experiment.plan, method.init)
    own = experiment.split.check_training_rows(experiment.split.train, "a closed form or a start")
    rows = shard_rows(experiment, own)
    return experiment.compiler(program, experiment.keys("init"), rows, experiment.device_scaler, experiment.examples)


@cached_jit
def _init_progress_program(
    plan: Plan, optimizer: optax.GradientTransformation, step: int
) -> Callable[..., TrainProgress]:
    """From variables, and the epoch in which each seed has diverged already, to a training before its first step."""
    return plan.map_seeds(lambda own, failed: init_progress(own, optimizer, step, failed))


@cached_jit
def _epochs_program(
    plan: Plan, objective: Objective, optimizer: optax.GradientTransformation
) -> Callable[..., tuple[TrainProgress, Metrics]]:
    return plan.map_seeds(make_train_epochs(objective, optimizer), replicated_argnums=(3,), donate_argnums=(0,))


def init_or_restore(
    experiment: Experiment,
    checkpointer: Checkpointer,
    variables: Variables,
    optimizer: optax.GradientTransformation,
    steps: int = 0,
    diverged_epoch: Int[np.ndarray, " seeds"] | None = None,
) -> tuple[TrainProgress, TrainingCheckpoint | None]:
    """A training before its first step, or where its checkpoints left it, and then what they say of it.

    Args:
        experiment: where to.
        trail: its checkpoints.
        variables: what it starts from, of every seed, on the devices.
        optimizer: an optax gradient transformation.
        steps: that were taken before it began.
        diverged_epoch: of each seed before it began; 0 where it had not.
    """
    plan = experiment.plan
    failed = plan.shard(np.zeros(plan.seeds, np.int32) if diverged_epoch is None else diverged_epoch)
    begin = _init_progress_program(plan, optimizer, steps)
    stand = checkpointer.restore_latest(plan.host_shapes(jax.eval_shape(begin, variables, failed)))
    if stand is None:
        return experiment.compiler(begin, variables, failed), None
    return plan.shard(stand.progress), stand


def train(
    experiment: Experiment,
    name: str,
    variables: Variables,
    objective: Objective,
    optimizer: optax.GradientTransformation,
    *,
    train_rows: Int[np.ndarray, "seeds n"],
    validation_rows: Int[np.ndarray, "seeds m"],
    epochs: int,
    batch_size: int,
    key_use: KeyUse = "noise",
    previous: TrainingResult | None = None,
    passes: int = 1,
) -> TrainingResult:
    """Train every seed from `variables` on its own `rows`, watching its own `monitor` rows.

    A training that the experiment's run has checkpoints of goes on from the last: bit for bit what it would have been.

    Args:
        experiment: where to.
        name: of the training within the run.
        variables: of every seed, on the devices.
        objective: what is minimised.
        optimizer: an optax gradient transformation.
        rows: training rows of each seed.
        monitor: rows behind the `valid_*` metrics; may be none.
        epochs: how many.
        batch_size: examples per step.
        noise: which keys serve the steps.
        before: the training that led to `variables`: epochs and steps are counted on, its history comes first, and
            seeds that diverged in it stay where they were.
        passes: how many of these epochs the display counts as one.

    Raises:
        LeakError: among `rows` is a seed's validation row, or a test row.
        DamagedError: so is the last checkpoint.
        Stopped: a signal came; where the training stands is saved.
    """
    train_rows = experiment.split.check_training_rows(train_rows, "a model")
    plan, compiler = experiment.plan, experiment.compiler
    earlier = 0 if previous is None else previous.history.epochs
    trail = experiment.result_cache.checkpointer(name)
    steps = earlier * steps_per_epoch(train_rows.shape[1], batch_size)
    fit, stand = init_or_restore(
        experiment, trail, variables, optimizer, steps, previous and previous.history.diverged_epoch
    )
    course = None if stand is None else stand.history
    if course is not None:
        experiment.reporter.advance(course.epochs / passes, latest_loss(course.metrics))
    program = _epochs_program(plan, objective, optimizer)
    data = SeedData(experiment.keys(key_use), experiment.device_scaler, shard_rows(experiment, validation_rows))
    portion = epochs_per_call(epochs, train_rows.size)
    with defer_signals() as stopping:
        while course is None or (course.epochs < epochs and not np.all(course.diverged_epoch)):
            first = earlier + (0 if course is None else course.epochs)
            order = shuffle_epochs(train_rows[: experiment.config.seeds], first, portion, batch_size)
            order = plan.shard(experiment.tile_seeds(order))
            compiled_before, began = compiler.seconds, time.perf_counter()
            fit, metrics = compiler(program, fit, order, data, experiment.examples)
            metrics, diverged_epoch = plan.to_host(metrics), plan.to_host(fit.diverged_epoch)
            seconds = time.perf_counter() - began - (compiler.seconds - compiled_before)
            course = concatenate_histories(course, TrainingHistory(metrics, diverged_epoch, seconds))
            experiment.reporter.advance(portion / passes, latest_loss(metrics))
            stop = stopping()
            trail.maybe_save(course, functools.partial(plan.to_host, fit), force=stop)
            if stop:
                break
    return TrainingResult(fit, course if previous is None else concatenate_histories(previous.history, course))


def _select_rows(
    experiment: Experiment, method: Method
) -> tuple[Int[np.ndarray, "seeds n"], Int[np.ndarray, "seeds m"]]:
    """Training and monitored rows: classifiers see labelled ones, autoencoders all that are not held out."""
    split = experiment.split
    if method.supervised:
        return split.labelled_train, split.labelled_valid
    return split.train, select_validation_rows(experiment)


def passes_per_epoch(experiment: Experiment, method: Method) -> int:
    """Passes over its rows that a method makes for one epoch of `--epochs`.

    One, but for a classifier that sees few labels: it passes over them as often as the others' rows outnumber them, so
    that it may take about as many steps as they do. Its best pass is kept.
    """
    rows, _ = _select_rows(experiment, method)
    return max(1, experiment.split.train.shape[1] // rows.shape[1]) if method.supervised else 1


class EpochBudget(NamedTuple):
    """How a method's epochs are divided."""

    per_stage: int
    end_to_end: int


def epoch_budget(config: ExperimentConfig, method: Method) -> EpochBudget:
    """Half of `--epochs` for the stages, unless `--layer-epochs` says how many, and at least one for each training."""
    stages = len(method.stages)
    if stages == 0:
        return EpochBudget(0, config.train.epochs)
    each = config.objective.layer_epochs or max(1, config.train.epochs // (2 * stages))
    return EpochBudget(each, max(1, config.train.epochs - stages * each))


def total_epochs(config: ExperimentConfig, method: Method) -> int:
    """Epochs of all of a method's trainings."""
    if method.objective is None:
        return 0
    epochs = epoch_budget(config, method)
    return len(method.stages) * epochs.per_stage + epochs.end_to_end


def optimizer_for(experiment: Experiment, method: Method) -> optax.GradientTransformation:
    """The config's optimizer, with its schedule laid over the method's steps.

    Raises:
        InputError: the schedule does not fit.
    """
    config = experiment.config
    rows, _ = _select_rows(experiment, method)
    steps = steps_per_epoch(rows.shape[1], config.train.batch_size)
    make = make_traced_optimizer if method.traced else make_optimizer
    return make(config.optimizer, steps, passes_per_epoch(experiment, method) * epoch_budget(config, method).end_to_end)


def train_method(
    experiment: Experiment,
    name: str,
    method: Method,
    optimizer: optax.GradientTransformation,
    variables: Variables,
) -> TrainingResult:
    """Train a method for as long as the experiment's config says, stage after stage and then as a whole.

    A stage has the config's optimizer at its constant peak rate. `name` is that of the training within its run.
    """
    config = experiment.config
    assert method.objective is not None
    rows, monitor = _select_rows(experiment, method)
    epochs = epoch_budget(config, method)
    settings: dict[str, Any] = {"train_rows": rows, "validation_rows": monitor, "batch_size": config.train.batch_size}
    before = None
    constant = dataclasses.replace(config.optimizer, schedule="constant", warmup_epochs=0.0)
    make = make_traced_optimizer if method.traced else make_optimizer
    settings["epochs"] = epochs.per_stage
    for number, stage in enumerate(method.stages, 1):
        only = train_selected(make(constant, 1, 1), _has_prefix(stage.trainable_paths))
        own_name = f"{name}-stage-{number}"
        before = train(experiment, own_name, variables, stage.objective, only, previous=before, **settings)
        variables = before.progress.state.variables
    passes = passes_per_epoch(experiment, method)
    settings |= {"epochs": passes * epochs.end_to_end, "passes": passes}
    return train(experiment, name, variables, method.objective, optimizer, previous=before, **settings)


def _has_prefix(chosen: tuple[tuple[str, ...], ...]) -> Callable[[tuple[str, ...]], bool]:
    return lambda path: any(path[: len(prefix)] == prefix for prefix in chosen)


def select_validation_rows(experiment: Experiment) -> Int[np.ndarray, "seeds m"]:
    """The rows behind an autoencoder's validation curve."""
    if getattr(experiment.config, "monitor", "valid") == "test":
        return np.tile(experiment.split.test, (experiment.config.seeds, 1))
    return experiment.split.valid


def latest_loss(metrics: dict[str, Float[np.ndarray, "seeds epochs"]]) -> float:
    """What the display shows: the last epoch's validation or training loss, mean over the seeds that have one."""
    last = metrics.get("valid_loss", metrics["train_loss"])[:, -1]
    finite = last[np.isfinite(last)]
    return float(finite.mean()) if finite.size else float("nan")


def count_parameters(variables: Variables) -> int:
    """Trainable numbers of one seed, from stacked variables."""
    return sum(leaf.size // leaf.shape[0] for leaf in jax.tree.leaves(variables["params"]))
