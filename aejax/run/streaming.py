"""The host loop of a stream: chunks to the device while it works on the one before, a look up after each round."""

import functools
import time
from collections import deque
from typing import Any

import jax
import numpy as np
import optax

from aejax.data.stream.loader import Loader, grain
from aejax.data.stream.pace import Pace, pace_of
from aejax.errors import require
from aejax.methods import Method
from aejax.models.parts import Variables
from aejax.objectives.objective import Objective
from aejax.run.experiment import Experiment, rows_on_device
from aejax.run.keeping import Course, longer
from aejax.run.signals import saving_first
from aejax.run.training import Trained, begun, latest_loss, monitor_rows
from aejax.train.epoch import Metrics, SeedData
from aejax.train.optimizers import make_optimizer
from aejax.train.plan import Plan
from aejax.train.rounds import Rounds, Running, make_rounds
from aejax.train.state import Fit

QUEUED = 3  # chunks that a device may have yet to train on; several devices need not keep step
WITHOUT_SEEDS = {"begin": (1,), "advance": (1, 2), "end": (2, 3, 5)}  # positions of arguments that all seeds share


def pace_for(experiment: Experiment) -> Pace:
    """How this experiment's passes are divided. Raises InputError where its batches are too large."""
    stream = experiment.dataset.stream
    assert stream is not None
    return pace_of(stream, experiment.config.train.batch_size)


def stream_optimizer(experiment: Experiment, method: Method) -> optax.GradientTransformation:
    """The config's optimizer, with its schedule laid over all steps of all passes.

    Raises:
        InputError: the schedule does not fit, the method cannot be trained on a stream, or Grain is not installed.
    """
    grain()
    require(
        not method.stages,
        "--stream: this kind is trained in stages, each of which needs the data in memory; choose another --method",
    )
    train = experiment.config.train
    return make_optimizer(experiment.config.optimizer, pace_for(experiment).steps, train.epochs)


def describe_stream(experiment: Experiment, course: Course) -> dict[str, Any]:
    """The `dataset.stream` of a `results.json`."""
    stream, pace = experiment.dataset.stream, pace_for(experiment)
    assert stream is not None
    return {
        **stream.describe(),
        "order": "shared",  # by all seeds, which differ in what they start from and in their noise
        "steps_per_pass": pace.steps,
        "steps_per_round": pace.per_round,
        "steps_per_chunk": pace.per_chunk,
        "rounds_per_pass": pace.rounds,
        "rounds": course.epochs,
        "passes": course.epochs / pace.rounds,
    }


@functools.lru_cache(maxsize=64)
def _programs(plan: Plan, objective: Objective, optimizer: optax.GradientTransformation) -> Rounds:
    made = make_rounds(objective, optimizer)
    return Rounds(**{name: plan.over(getattr(made, name), shared=shared) for name, shared in WITHOUT_SEEDS.items()})


def train_streamed(
    experiment: Experiment,
    name: str,
    method: Method,
    optimizer: optax.GradientTransformation,
    variables: Variables,
) -> Trained:
    """Train every seed from `variables` on the stream, for as many passes as the config has epochs.

    All seeds see the same batches. A course counts rounds where that of `train` counts epochs. A training that the
    experiment's run has checkpoints of goes on from the last: bit for bit what it would have been.

    Args:
        experiment: where to.
        name: of the training within the run.
        method: an autoencoder.
        optimizer: from `stream_optimizer`.
        variables: of every seed, on the devices.

    Raises:
        InputError: the source cannot be read, or is not what it was when the training was begun.
        Stopped: a signal came; where the training stands is saved.
    """
    stream, plan, config = experiment.dataset.stream, experiment.plan, experiment.config
    assert stream is not None
    pace, passes, batch = pace_for(experiment), config.train.epochs, config.train.batch_size
    put = functools.partial(plan.put_batches, batch=batch)
    loader = Loader(stream, pace, batch, passes, put, plan.places(batch))
    try:
        return _train(experiment, name, method, optimizer, variables, loader, pace, passes * pace.rounds)
    finally:
        loader.close()


def _train(
    experiment: Experiment,
    name: str,
    method: Method,
    optimizer: optax.GradientTransformation,
    variables: Variables,
    loader: Loader,
    pace: Pace,
    rounds: int,
) -> Trained:
    plan, compiler = experiment.plan, experiment.compiler
    trail = experiment.keeper.trail(name)
    fit, stand = begun(experiment, trail, variables, optimizer)
    course = None
    if stand is not None:
        loader.restore(stand.loader, name)
        course = stand.course
        experiment.reporter.epochs(course.epochs / pace.rounds, latest_loss(course.history))
    assert method.objective is not None
    programs = _programs(plan, method.objective, optimizer)
    monitor = rows_on_device(experiment, monitor_rows(experiment))
    data = SeedData(experiment.keys("noise"), experiment.seed_scaler, monitor)
    with saving_first() as stopping:
        while course is None or (course.epochs < rounds and not np.all(course.diverged_epoch)):
            number = 0 if course is None else course.epochs
            compiled_before, began = compiler.seconds, time.perf_counter()
            fit, metrics = _round(experiment, programs, fit, data, loader, pace.round(number).steps, number + 1)
            metrics, diverged_epoch = plan.fetch(metrics), plan.fetch(fit.diverged_epoch)
            seconds = time.perf_counter() - began - (compiler.seconds - compiled_before)
            course = longer(
                course, Course({key: own[:, None] for key, own in metrics.items()}, diverged_epoch, seconds)
            )
            experiment.reporter.epochs(1 / pace.rounds, latest_loss(course.history))
            stop = stopping()
            trail.offer(course, functools.partial(plan.fetch, fit), now=stop, loader=loader.state())
            if stop:
                break
    return Trained(fit, course)


def _round(
    experiment: Experiment, programs: Rounds, fit: Fit, data: SeedData, loader: Loader, steps: int, number: int
) -> tuple[Fit, Metrics]:
    """One round. At most `QUEUED` chunks and one more are on the device."""
    compiler, done = experiment.compiler, 0
    running: Running | None = None
    queued: deque[Running] = deque()
    while done < steps:
        chunk = loader.next()
        if running is None:
            running = compiler(programs.begin, fit, chunk.inputs, data)
        if len(queued) == QUEUED:
            jax.block_until_ready(queued.popleft())
        filled = experiment.plan.put_shared(np.int32(chunk.steps))
        running = compiler(programs.advance, running, chunk.inputs, filled, data)
        queued.append(running)
        done += chunk.steps
    counted = experiment.plan.put_shared((np.int32(steps), np.int32(number)))
    return compiler(programs.end, fit, running, *counted, data, experiment.examples)
