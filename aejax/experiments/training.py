"""The training loop on the host: several epochs per call of a compiled program, checkpoints, progress."""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from aejax.config import OptimizerConfig
from aejax.data.batching import Examples, gather_batch
from aejax.data.scalers import Scaler
from aejax.data.shuffling import shuffle_epochs, steps_per_epoch
from aejax.experiments.checkpointing import Checkpointer, TrainingCheckpoint, TrainingHistory, concatenate_histories
from aejax.experiments.compilation import Stopwatch, cached_jit
from aejax.experiments.experiment import Experiment, shard_rows
from aejax.experiments.preemption import defer_signals
from aejax.experiments.schedule import epoch_budget, epochs_per_call, select_validation_rows
from aejax.experiments.work import require_training_memory
from aejax.methods.method import Method
from aejax.models.submodules import Variables
from aejax.objectives.objective import Objective
from aejax.train.epoch import Metrics, SeedData, make_train_epochs
from aejax.train.keys import KeyUse
from aejax.train.lapack import single_threaded_lapack
from aejax.train.optimizers import make_optimizer, make_traced_optimizer, train_selected
from aejax.train.plan import Plan
from aejax.train.state import TrainProgress, init_progress


class TrainingResult(NamedTuple):
    """A training that has ended."""

    progress: TrainProgress  # of every seed, on the devices
    history: TrainingHistory


class TrainingSpec(NamedTuple):
    """What a training minimizes, on which rows, and for how long."""

    objective: Objective
    make_optimizer: Callable[[int], optax.GradientTransformation]  # from the steps of one epoch
    train_rows: Int[np.ndarray, "entries n"]  # of every seed; or of every seed for one setting after the other
    validation_rows: Int[np.ndarray, "entries m"]  # of the `valid_*` metrics; m may be 0
    epochs: int
    batch_size: int
    key_use: KeyUse = "noise"  # of the keys that the steps receive
    passes: int = 1  # epochs that the progress display counts as one
    last_epoch: Int[np.ndarray, " seeds"] | None = None  # a seed keeps its state after this one; None: of all epochs
    is_finished: Callable[[TrainingHistory], bool] = lambda history: False  # whether to end before the last epoch


@cached_jit
def _init_program(plan: Plan, init: Callable[..., Variables]) -> Callable[..., Variables]:
    def init_seed(key: Array, rows: Array, scaler: Scaler, examples: Examples) -> Variables:
        return init(key, gather_batch(examples, scaler, rows).inputs)

    return plan.map_seeds(init_seed, replicated_argnums=(3,))


def init_variables(experiment: Experiment, method: Method) -> Variables:
    """Returns every seed's variables before training; for a closed form these are final."""
    require_training_memory(experiment, {"this training": method})
    program = _init_program(experiment.plan, method.init)
    rows = experiment.split.check_training_rows(experiment.split.train, "a closed form or a start")
    keys, train_rows = experiment.keys("init"), shard_rows(experiment, rows)
    with single_threaded_lapack():
        return jax.block_until_ready(program(keys, train_rows, experiment.device_scaler, experiment.examples))


@cached_jit
def _init_progress_program(
    plan: Plan, optimizer: optax.GradientTransformation, step: int
) -> Callable[..., TrainProgress]:
    return plan.map_seeds(lambda variables, diverged: init_progress(variables, optimizer, step, diverged))


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
    """Returns a training before its first step, or its latest checkpoint, on the devices and as it was saved.

    `steps` is the number of steps taken in earlier trainings of the same method, `diverged_epoch` the epoch in which
    each seed diverged there; 0: it did not.
    """
    plan = experiment.plan
    diverged = plan.shard(np.zeros(plan.seeds, np.int32) if diverged_epoch is None else diverged_epoch)
    init = _init_progress_program(plan, optimizer, steps)
    checkpoint = checkpointer.restore_latest(plan.host_shapes(jax.eval_shape(init, variables, diverged)))
    if checkpoint is None:
        return init(variables, diverged), None
    return plan.shard(checkpoint.progress), checkpoint


def train(
    experiment: Experiment,
    name: str,
    variables: Variables,
    spec: TrainingSpec,
    previous: TrainingResult | None = None,
) -> TrainingResult:
    """Trains every seed on its own rows.

    A training that the run has checkpoints of continues from the latest, bit for bit as if it had not stopped.

    Args:
        experiment: the data, the plan and the checkpoints.
        name: of the training within the run.
        variables: initial variables of every seed, on the devices; their memory is freed.
        spec: objective, optimizer, rows and epochs.
        previous: the training that led to `variables`: epochs and steps continue its count, its history comes first,
            and seeds that diverged in it stay as they are.

    Raises:
        LeakageError: the training rows contain a validation row of the same entry, or a test row.
        CorruptedFileError: the latest checkpoint is damaged.
        Preempted: a signal came; the training's state is saved.
    """
    rows = experiment.split.check_training_rows(spec.train_rows, "a model", spec.validation_rows)
    plan, reporter = experiment.plan, experiment.reporter
    first_epoch = 0 if previous is None else previous.history.epochs
    checkpointer = experiment.result_cache.checkpointer(name)
    steps = steps_per_epoch(rows.shape[1], spec.batch_size)
    optimizer, diverged = spec.make_optimizer(steps), previous and previous.history.diverged_epoch
    progress, checkpoint = init_or_restore(
        experiment, checkpointer, variables, optimizer, first_epoch * steps, diverged
    )
    jax.tree.map(lambda leaf: leaf.delete(), variables)  # callers hold references
    history = None if checkpoint is None else checkpoint.history
    if history is not None:
        reporter.advance(history.epochs / spec.passes, latest_loss(history.metrics))
    program = _epochs_program(plan, spec.objective, optimizer)
    data = SeedData(
        experiment.keys(spec.key_use),
        experiment.device_scaler,
        shard_rows(experiment, spec.validation_rows),
        None if spec.last_epoch is None else shard_rows(experiment, spec.last_epoch),
    )
    n_epochs = epochs_per_call(spec.epochs, plan.seeds * rows.shape[1])
    with defer_signals() as stop_requested:
        while history is None or not _is_finished(spec, history):
            epoch = first_epoch + (0 if history is None else history.epochs)
            order = shuffle_epochs(rows, epoch, n_epochs, spec.batch_size, experiment.config.seeds)
            order = plan.shard(experiment.tile_rows(order))
            watch = Stopwatch()
            progress, metrics = program(progress, order, data, experiment.examples)
            metrics, diverged_epoch = plan.to_host(metrics), plan.to_host(progress.diverged_epoch)
            history = concatenate_histories(history, TrainingHistory(metrics, diverged_epoch, watch.run_seconds))
            reporter.advance(n_epochs / spec.passes, latest_loss(metrics))
            stop = stop_requested()
            checkpointer.maybe_save(history, functools.partial(plan.to_host, progress), force=stop)
            if stop:
                break
    return TrainingResult(progress, history if previous is None else concatenate_histories(previous.history, history))


def _is_finished(spec: TrainingSpec, history: TrainingHistory) -> bool:
    return history.epochs >= spec.epochs or bool(np.all(history.diverged_epoch)) or spec.is_finished(history)


def train_method(
    experiment: Experiment,
    name: str,
    method: Method,
    optimizer: optax.GradientTransformation,
    variables: Variables,
    is_finished: Callable[[TrainingHistory], bool] = lambda history: False,
) -> TrainingResult:
    """Trains an autoencoder for the epochs of the config: its stages one after the other, then end to end.

    A stage has the config's optimizer at a constant learning rate, and the training end to end has `optimizer`, from
    `optimizer_for`; `is_finished` may end the latter before its last epoch. The memory of the initial variables is
    freed.
    """
    config = experiment.config
    assert method.objective is not None
    epochs = epoch_budget(config, method)
    end_to_end = TrainingSpec(
        method.objective,
        lambda _: optimizer,
        experiment.split.train,
        select_validation_rows(experiment),
        epochs=epochs.end_to_end,
        batch_size=config.train.batch_size,
    )
    previous = None
    for number, stage in enumerate(method.stages, 1):
        make = functools.partial(_stage_optimizer, config.optimizer, stage.trainable_paths, method.traced)
        spec = end_to_end._replace(objective=stage.objective, make_optimizer=make, epochs=epochs.per_stage)
        previous = train(experiment, f"{name}-stage-{number}", variables, spec, previous)
        variables = previous.progress.state.variables
    return train(experiment, name, variables, end_to_end._replace(is_finished=is_finished), previous)


@functools.lru_cache(maxsize=32)
def _stage_optimizer(
    config: OptimizerConfig, paths: tuple[tuple[str, ...], ...], traced: bool, _steps: int
) -> optax.GradientTransformation:
    """Returns the same object for equal settings, so that they share compiled programs; steps do not matter."""
    constant = dataclasses.replace(config, schedule="constant", warmup_epochs=0.0)
    optimizer = (make_traced_optimizer if traced else make_optimizer)(constant, 1, 1)
    return train_selected(optimizer, lambda path: any(path[: len(prefix)] == prefix for prefix in paths))


def latest_loss(metrics: dict[str, Float[np.ndarray, "seeds epochs"]]) -> float:
    """Returns the last epoch's validation or else training loss, mean over the seeds whose loss is finite."""
    last = metrics.get("valid_loss", metrics["train_loss"])[:, -1]
    finite = last[np.isfinite(last)]
    return float(finite.mean()) if finite.size else float("nan")


def count_parameters(variables: Variables) -> int:
    """Returns the number of trainable parameters of one seed, from variables with a seed axis."""
    return sum(leaf.size // leaf.shape[0] for leaf in jax.tree.leaves(variables["params"]))


def tile_experiment(experiment: Experiment, n_settings: int) -> Experiment:
    """Repeats every seed for each of `n_settings` settings: row r has seed r % seeds and setting r // seeds.

    Keys and scaler are those of the seed, so that settings are paired and each equals its own run; a training repeats
    the rows of the split itself. The examples are not moved: both plans use the same devices.
    """
    plan = dataclasses.replace(experiment.plan, seeds=n_settings * experiment.config.seeds)
    tiled = dataclasses.replace(experiment, plan=plan)
    scaler: Scaler = tiled.tile_rows(experiment.scaler)
    return dataclasses.replace(tiled, scaler=scaler, device_scaler=plan.shard(scaler))
