"""The host loop of a stream: chunks to the device while it works on the one before, a look up after each round."""

import functools
import time
from collections import deque
from typing import Any

import jax
import numpy as np
import optax

from aejax.data.stream.loader import StreamLoader, import_grain
from aejax.data.stream.schedule import StreamSchedule, make_stream_schedule
from aejax.errors import require
from aejax.experiments.checkpointing import TrainingHistory, concatenate_histories
from aejax.experiments.experiment import Experiment, shard_rows
from aejax.experiments.preemption import defer_signals
from aejax.experiments.training import TrainingResult, init_or_restore, latest_loss, select_validation_rows
from aejax.methods import Method
from aejax.models.submodules import Variables
from aejax.objectives.objective import Objective
from aejax.train.epoch import Metrics, SeedData
from aejax.train.optimizers import make_optimizer
from aejax.train.plan import Plan
from aejax.train.rounds import RoundFunctions, RoundState, make_round_functions
from aejax.train.state import TrainProgress

MAX_QUEUED_CHUNKS = 3  # chunks that a device may have yet to train on; several devices need not keep step
SHARED_ARGUMENTS = {"begin": (1,), "advance": (1, 2), "end": (2, 3, 5)}  # positions of arguments that all seeds share


def stream_schedule(experiment: Experiment) -> StreamSchedule:
    """How this experiment's passes are divided. Raises InputError where its batches are too large."""
    stream = experiment.dataset.stream
    assert stream is not None
    return make_stream_schedule(stream, experiment.config.train.batch_size)


def stream_optimizer(experiment: Experiment, method: Method) -> optax.GradientTransformation:
    """The config's optimizer, with its schedule laid over all steps of all passes.

    Raises:
        InputError: the schedule does not fit, the method cannot be trained on a stream, or Grain is not installed.
    """
    import_grain()
    require(
        not method.stages,
        "--stream: this kind is trained in stages, each of which needs the data in memory; choose another --method",
    )
    train = experiment.config.train
    return make_optimizer(experiment.config.optimizer, stream_schedule(experiment).steps_per_pass, train.epochs)


def describe_stream(experiment: Experiment, history: TrainingHistory) -> dict[str, Any]:
    """The `dataset.stream` of a `results.json`."""
    stream, pace = experiment.dataset.stream, stream_schedule(experiment)
    assert stream is not None
    return {
        **stream.describe(),
        "order": "shared",  # by all seeds, which differ in what they start from and in their noise
        "steps_per_pass": pace.steps_per_pass,
        "steps_per_round": pace.steps_per_round,
        "steps_per_chunk": pace.steps_per_chunk,
        "rounds_per_pass": pace.rounds_per_pass,
        "rounds": history.epochs,
        "passes": history.epochs / pace.rounds_per_pass,
    }


@functools.lru_cache(maxsize=64)
def _round_programs(plan: Plan, objective: Objective, optimizer: optax.GradientTransformation) -> RoundFunctions:
    made = make_round_functions(objective, optimizer)
    return RoundFunctions(
        **{
            name: plan.map_seeds(getattr(made, name), replicated_argnums=shared)
            for name, shared in SHARED_ARGUMENTS.items()
        }
    )


def train_stream(
    experiment: Experiment,
    name: str,
    method: Method,
    optimizer: optax.GradientTransformation,
    variables: Variables,
) -> TrainingResult:
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
    pace, passes, batch = stream_schedule(experiment), config.train.epochs, config.train.batch_size
    put = functools.partial(plan.shard_batches, batch=batch)
    loader = StreamLoader(stream, pace, batch, passes, put, plan.local_slice(batch))
    try:
        return _train_rounds(
            experiment, name, method, optimizer, variables, loader, pace, passes * pace.rounds_per_pass
        )
    finally:
        loader.close()


def _train_rounds(
    experiment: Experiment,
    name: str,
    method: Method,
    optimizer: optax.GradientTransformation,
    variables: Variables,
    loader: StreamLoader,
    pace: StreamSchedule,
    rounds: int,
) -> TrainingResult:
    plan, compiler = experiment.plan, experiment.compiler
    trail = experiment.result_cache.checkpointer(name)
    fit, stand = init_or_restore(experiment, trail, variables, optimizer)
    course = None
    if stand is not None:
        loader.set_state(stand.loader_state, name)
        course = stand.history
        experiment.reporter.advance(course.epochs / pace.rounds_per_pass, latest_loss(course.metrics))
    assert method.objective is not None
    programs = _round_programs(plan, method.objective, optimizer)
    monitor = shard_rows(experiment, select_validation_rows(experiment))
    data = SeedData(experiment.keys("noise"), experiment.device_scaler, monitor)
    with defer_signals() as stopping:
        while course is None or (course.epochs < rounds and not np.all(course.diverged_epoch)):
            number = 0 if course is None else course.epochs
            compiled_before, began = compiler.seconds, time.perf_counter()
            fit, metrics = _run_round(
                experiment, programs, fit, data, loader, pace.round_steps(number).n_steps, number + 1
            )
            metrics, diverged_epoch = plan.to_host(metrics), plan.to_host(fit.diverged_epoch)
            seconds = time.perf_counter() - began - (compiler.seconds - compiled_before)
            course = concatenate_histories(
                course, TrainingHistory({key: own[:, None] for key, own in metrics.items()}, diverged_epoch, seconds)
            )
            experiment.reporter.advance(1 / pace.rounds_per_pass, latest_loss(course.metrics))
            stop = stopping()
            trail.maybe_save(course, functools.partial(plan.to_host, fit), force=stop, loader_state=loader.get_state())
            if stop:
                break
    return TrainingResult(fit, course)


def _run_round(
    experiment: Experiment,
    programs: RoundFunctions,
    fit: TrainProgress,
    data: SeedData,
    loader: StreamLoader,
    steps: int,
    round_index: int,
) -> tuple[TrainProgress, Metrics]:
    """One round. At most `QUEUED` chunks and one more are on the device."""
    compiler, done = experiment.compiler, 0
    running: RoundState | None = None
    queued: deque[RoundState] = deque()
    while done < steps:
        chunk = loader.next_chunk()
        if running is None:
            running = compiler(programs.begin, fit, chunk.inputs, data)
        if len(queued) == MAX_QUEUED_CHUNKS:
            jax.block_until_ready(queued.popleft())
        filled = experiment.plan.replicate(np.int32(chunk.n_steps))
        running = compiler(programs.advance, running, chunk.inputs, filled, data)
        queued.append(running)
        done += chunk.n_steps
    counted = experiment.plan.replicate((np.int32(steps), np.int32(round_index)))
    return compiler(programs.end, fit, running, *counted, data, experiment.examples)
