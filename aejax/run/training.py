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
from aejax.data.examples import Examples, take
from aejax.data.order import orders, steps_per_epoch
from aejax.data.scalers import Scaler
from aejax.methods import Method
from aejax.models.parts import Variables
from aejax.objectives.objective import Objective
from aejax.run.compiler import program_maker
from aejax.run.experiment import Experiment, rows_on_device
from aejax.run.keeping import Course, Stand, Trail, longer
from aejax.run.signals import saving_first
from aejax.train.epoch import Metrics, SeedData, make_epochs
from aejax.train.keys import Use
from aejax.train.optimizers import carried_optimizer, make_optimizer, train_only
from aejax.train.plan import Plan
from aejax.train.state import Fit, init_fit

EXAMPLES_PER_CALL = 400_000  # examples, over all seeds, after which the host looks up: a second or less on two cores
MIN_CALLS = 20  # the display moves at least this often


class Trained(NamedTuple):
    """A training that has ended."""

    fit: Fit  # of every seed, on the devices
    course: Course


def epochs_per_call(epochs: int, examples_per_epoch: int) -> int:
    """The largest divisor of `epochs` that keeps calls short, so that one program serves them all."""
    wanted = max(1, min(epochs // MIN_CALLS, EXAMPLES_PER_CALL // examples_per_epoch))
    return next(count for count in range(wanted, 0, -1) if epochs % count == 0)


@program_maker
def _start_program(plan: Plan, start_one: Callable[..., Variables]) -> Callable[..., Variables]:
    def of_seed(key: Array, rows: Array, scaler: Scaler, examples: Examples) -> Variables:
        return start_one(key, take(examples, scaler, rows).inputs)

    return plan.over(of_seed, shared=(3,))


def start(experiment: Experiment, method: Method) -> Variables:
    """Every seed's variables before training, which for a closed form are its last."""
    program = _start_program(experiment.plan, method.start)
    own = experiment.split.only_training(experiment.split.train, "a closed form or a start")
    rows = rows_on_device(experiment, own)
    return experiment.compiler(program, experiment.keys("init"), rows, experiment.seed_scaler, experiment.examples)


@program_maker
def _begin_program(plan: Plan, optimizer: optax.GradientTransformation, step: int) -> Callable[..., Fit]:
    """From variables, and the epoch in which each seed has diverged already, to a training before its first step."""
    return plan.over(lambda own, failed: init_fit(own, optimizer, step, failed))


@program_maker
def _epochs_program(
    plan: Plan, objective: Objective, optimizer: optax.GradientTransformation
) -> Callable[..., tuple[Fit, Metrics]]:
    return plan.over(make_epochs(objective, optimizer), shared=(3,), donate=(0,))


def begun(
    experiment: Experiment,
    trail: Trail,
    variables: Variables,
    optimizer: optax.GradientTransformation,
    steps: int = 0,
    diverged_epoch: Int[np.ndarray, " seeds"] | None = None,
) -> tuple[Fit, Stand | None]:
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
    failed = plan.put_seeded(np.zeros(plan.seeds, np.int32) if diverged_epoch is None else diverged_epoch)
    begin = _begin_program(plan, optimizer, steps)
    stand = trail.latest(plan.shapes_of_fetched(jax.eval_shape(begin, variables, failed)))
    if stand is None:
        return experiment.compiler(begin, variables, failed), None
    return plan.put_seeded(stand.fit), stand


def train(
    experiment: Experiment,
    name: str,
    variables: Variables,
    objective: Objective,
    optimizer: optax.GradientTransformation,
    *,
    rows: Int[np.ndarray, "seeds n"],
    monitor: Int[np.ndarray, "seeds m"],
    epochs: int,
    batch_size: int,
    noise: Use = "noise",
    before: Trained | None = None,
    passes: int = 1,
) -> Trained:
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
    rows = experiment.split.only_training(rows, "a model")
    plan, compiler = experiment.plan, experiment.compiler
    earlier = 0 if before is None else before.course.epochs
    trail = experiment.keeper.trail(name)
    steps = earlier * steps_per_epoch(rows.shape[1], batch_size)
    fit, stand = begun(experiment, trail, variables, optimizer, steps, before and before.course.diverged_epoch)
    course = None if stand is None else stand.course
    if course is not None:
        experiment.reporter.epochs(course.epochs / passes, latest_loss(course.history))
    program = _epochs_program(plan, objective, optimizer)
    data = SeedData(experiment.keys(noise), experiment.seed_scaler, rows_on_device(experiment, monitor))
    portion = epochs_per_call(epochs, rows.size)
    with saving_first() as stopping:
        while course is None or (course.epochs < epochs and not np.all(course.diverged_epoch)):
            first = earlier + (0 if course is None else course.epochs)
            order = orders(rows[: experiment.config.seeds], first, portion, batch_size)
            order = plan.put_seeded(experiment.laid(order))
            compiled_before, began = compiler.seconds, time.perf_counter()
            fit, metrics = compiler(program, fit, order, data, experiment.examples)
            metrics, diverged_epoch = plan.fetch(metrics), plan.fetch(fit.diverged_epoch)
            seconds = time.perf_counter() - began - (compiler.seconds - compiled_before)
            course = longer(course, Course(metrics, diverged_epoch, seconds))
            experiment.reporter.epochs(portion / passes, latest_loss(metrics))
            stop = stopping()
            trail.offer(course, functools.partial(plan.fetch, fit), now=stop)
            if stop:
                break
    return Trained(fit, course if before is None else longer(before.course, course))


def _rows_of(experiment: Experiment, method: Method) -> tuple[Int[np.ndarray, "seeds n"], Int[np.ndarray, "seeds m"]]:
    """Training and monitored rows: classifiers see labelled ones, autoencoders all that are not held out."""
    split = experiment.split
    if method.labelled:
        return split.labelled_train, split.labelled_valid
    return split.train, monitor_rows(experiment)


def passes_of(experiment: Experiment, method: Method) -> int:
    """Passes over its rows that a method makes for one epoch of `--epochs`.

    One, but for a classifier that sees few labels: it passes over them as often as the others' rows outnumber them, so
    that it may take about as many steps as they do. Its best pass is kept.
    """
    rows, _ = _rows_of(experiment, method)
    return max(1, experiment.split.train.shape[1] // rows.shape[1]) if method.labelled else 1


class Epochs(NamedTuple):
    """How a method's epochs are divided."""

    each_stage: int
    whole: int


def epochs_of(config: ExperimentConfig, method: Method) -> Epochs:
    """Half of `--epochs` for the stages, unless `--layer-epochs` says how many, and at least one for each training."""
    stages = len(method.stages)
    if stages == 0:
        return Epochs(0, config.train.epochs)
    each = config.objective.layer_epochs or max(1, config.train.epochs // (2 * stages))
    return Epochs(each, max(1, config.train.epochs - stages * each))


def total_epochs(config: ExperimentConfig, method: Method) -> int:
    """Epochs of all of a method's trainings."""
    if method.objective is None:
        return 0
    epochs = epochs_of(config, method)
    return len(method.stages) * epochs.each_stage + epochs.whole


def optimizer_for(experiment: Experiment, method: Method) -> optax.GradientTransformation:
    """The config's optimizer, with its schedule laid over the method's steps.

    Raises:
        InputError: the schedule does not fit.
    """
    config = experiment.config
    rows, _ = _rows_of(experiment, method)
    steps = steps_per_epoch(rows.shape[1], config.train.batch_size)
    make = carried_optimizer if method.carries else make_optimizer
    return make(config.optimizer, steps, passes_of(experiment, method) * epochs_of(config, method).whole)


def train_method(
    experiment: Experiment,
    name: str,
    method: Method,
    optimizer: optax.GradientTransformation,
    variables: Variables,
) -> Trained:
    """Train a method for as long as the experiment's config says, stage after stage and then as a whole.

    A stage has the config's optimizer at its constant peak rate. `name` is that of the training within its run.
    """
    config = experiment.config
    assert method.objective is not None
    rows, monitor = _rows_of(experiment, method)
    epochs = epochs_of(config, method)
    settings: dict[str, Any] = {"rows": rows, "monitor": monitor, "batch_size": config.train.batch_size}
    before = None
    constant = dataclasses.replace(config.optimizer, schedule="constant", warmup_epochs=0.0)
    make = carried_optimizer if method.carries else make_optimizer
    settings["epochs"] = epochs.each_stage
    for number, stage in enumerate(method.stages, 1):
        only = train_only(make(constant, 1, 1), _is_in(stage.trained))
        own_name = f"{name}-stage-{number}"
        before = train(experiment, own_name, variables, stage.objective, only, before=before, **settings)
        variables = before.fit.state.variables
    passes = passes_of(experiment, method)
    settings |= {"epochs": passes * epochs.whole, "passes": passes}
    return train(experiment, name, variables, method.objective, optimizer, before=before, **settings)


def _is_in(chosen: tuple[tuple[str, ...], ...]) -> Callable[[tuple[str, ...]], bool]:
    return lambda path: any(path[: len(prefix)] == prefix for prefix in chosen)


def monitor_rows(experiment: Experiment) -> Int[np.ndarray, "seeds m"]:
    """The rows behind an autoencoder's validation curve."""
    if getattr(experiment.config, "monitor", "valid") == "test":
        return np.tile(experiment.split.test, (experiment.config.seeds, 1))
    return experiment.split.valid


def latest_loss(metrics: dict[str, Float[np.ndarray, "seeds epochs"]]) -> float:
    """What the display shows: the last epoch's validation or training loss, mean over the seeds that have one."""
    last = metrics.get("valid_loss", metrics["train_loss"])[:, -1]
    finite = last[np.isfinite(last)]
    return float(finite.mean()) if finite.size else float("nan")


def parameters(variables: Variables) -> int:
    """Trainable numbers of one seed, from stacked variables."""
    return sum(leaf.size // leaf.shape[0] for leaf in jax.tree.leaves(variables["params"]))
