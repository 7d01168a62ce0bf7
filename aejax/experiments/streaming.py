"""The training loop of a stream: chunks are copied to the devices while earlier ones train."""

import contextlib
import functools
from collections import deque
from typing import Any

import jax
import numpy as np
import optax

from aejax.data.stream.loader import StreamLoader, import_grain
from aejax.data.stream.schedule import StreamSchedule, make_stream_schedule
from aejax.data.stream.source import Stream
from aejax.errors import require
from aejax.experiments.checkpointing import TrainingHistory, concatenate_histories
from aejax.experiments.compilation import Stopwatch
from aejax.experiments.experiment import Experiment, shard_rows
from aejax.experiments.preemption import defer_signals
from aejax.experiments.schedule import select_validation_rows
from aejax.experiments.training import TrainingResult, init_or_restore, latest_loss
from aejax.methods.method import Method
from aejax.models.submodules import Variables
from aejax.objectives.objective import Objective
from aejax.train.epoch import Metrics, SeedData
from aejax.train.optimizers import make_optimizer
from aejax.train.plan import Plan
from aejax.train.rounds import RoundFunctions, RoundState, make_round_functions
from aejax.train.state import TrainProgress

MAX_QUEUED_CHUNKS = 3  # chunks dispatched to the devices and not yet trained on
REPLICATED_ARGUMENTS = {"begin": (1,), "advance": (1, 2), "end": (2, 3, 5)}  # positions without a seed axis


def _stream_of(experiment: Experiment) -> Stream:
    stream = experiment.dataset.stream
    assert stream is not None
    return stream


def stream_schedule(experiment: Experiment) -> StreamSchedule:
    """Returns the division of the experiment's passes. Raises InputError where its batches are too large."""
    return make_stream_schedule(_stream_of(experiment), experiment.config.train.batch_size)


def stream_optimizer(experiment: Experiment, method: Method) -> optax.GradientTransformation:
    """Returns the config's optimizer; its schedule covers the steps of all passes.

    Raises:
        InputError: the schedule is invalid, the method trains in stages, or Grain is not installed.
    """
    import_grain()
    require(
        not method.stages,
        "--stream: this kind is trained in stages, each of which needs the data in memory; choose another --method",
    )
    config = experiment.config
    return make_optimizer(config.optimizer, stream_schedule(experiment).steps_per_pass, config.train.epochs)


def describe_stream(experiment: Experiment, history: TrainingHistory) -> dict[str, Any]:
    """Returns `dataset.stream` of `results.json`."""
    schedule = stream_schedule(experiment)
    return {
        **_stream_of(experiment).describe(),
        "order": "shared",  # by all seeds, which differ in initialization and noise
        "steps_per_pass": schedule.steps_per_pass,
        "steps_per_round": schedule.steps_per_round,
        "steps_per_chunk": schedule.steps_per_chunk,
        "rounds_per_pass": schedule.rounds_per_pass,
        "rounds": history.epochs,
        "passes": history.epochs / schedule.rounds_per_pass,
    }


@functools.lru_cache(maxsize=64)
def _compiled_round_functions(
    plan: Plan, objective: Objective, optimizer: optax.GradientTransformation
) -> RoundFunctions:
    of_one_seed = make_round_functions(objective, optimizer)
    mapped = {
        name: plan.map_seeds(getattr(of_one_seed, name), replicated_argnums=positions)
        for name, positions in REPLICATED_ARGUMENTS.items()
    }
    return RoundFunctions(**mapped)


def train_stream(
    experiment: Experiment,
    name: str,
    method: Method,
    optimizer: optax.GradientTransformation,
    variables: Variables,
) -> TrainingResult:
    """Trains every seed on the stream, for as many passes as the config has epochs.

    All seeds see the same batches. The history counts rounds where that of `train_method` counts epochs. If the run has
    checkpoints of this training, it continues from the last one with bit-equal results. `optimizer` is from
    `stream_optimizer`; the initial variables of every seed are on the devices.

    Raises:
        InputError: the source cannot be read, or has changed since the checkpoint.
        Preempted: a signal arrived; the progress is saved.
    """
    plan, schedule, reporter = experiment.plan, stream_schedule(experiment), experiment.reporter
    assert method.objective is not None
    functions = _compiled_round_functions(plan, method.objective, optimizer)
    validation_rows = shard_rows(experiment, select_validation_rows(experiment))
    data = SeedData(experiment.keys("noise"), experiment.device_scaler, validation_rows)
    rounds = experiment.config.train.epochs * schedule.rounds_per_pass
    with contextlib.closing(_make_loader(experiment)) as loader:
        checkpointer = experiment.result_cache.checkpointer(name)
        progress, checkpoint = init_or_restore(experiment, checkpointer, variables, optimizer)
        history = None
        if checkpoint is not None:
            loader.set_state(checkpoint.loader_state, name)
            history = checkpoint.history
            reporter.advance(history.epochs / schedule.rounds_per_pass, latest_loss(history.metrics))
        with defer_signals() as stop_requested:
            while history is None or (history.epochs < rounds and not np.all(history.diverged_epoch)):
                watch = Stopwatch()
                round_index = 0 if history is None else history.epochs
                progress, metrics = _run_round(experiment, functions, progress, data, loader, round_index)
                metrics, diverged_epoch = plan.to_host(metrics), plan.to_host(progress.diverged_epoch)
                of_round = {key: values[:, None] for key, values in metrics.items()}
                history = concatenate_histories(history, TrainingHistory(of_round, diverged_epoch, watch.run_seconds))
                reporter.advance(1 / schedule.rounds_per_pass, latest_loss(history.metrics))
                stop = stop_requested()
                fetch = functools.partial(plan.to_host, progress)
                checkpointer.maybe_save(history, fetch, force=stop, loader_state=loader.get_state())
                if stop:
                    break
    return TrainingResult(progress, history)


def _make_loader(experiment: Experiment) -> StreamLoader:
    plan, train = experiment.plan, experiment.config.train
    return StreamLoader(
        _stream_of(experiment),
        stream_schedule(experiment),
        train.batch_size,
        train.epochs,
        functools.partial(plan.shard_batches, batch=train.batch_size),
        plan.local_slice(train.batch_size),
    )


def _run_round(
    experiment: Experiment,
    functions: RoundFunctions,
    progress: TrainProgress,
    data: SeedData,
    loader: StreamLoader,
    round_index: int,
) -> tuple[TrainProgress, Metrics]:
    """Runs one round, with a bounded number of chunks on the devices."""
    plan = experiment.plan
    rounds, steps_done = stream_schedule(experiment).rounds, 0
    n_steps = len(rounds[round_index % len(rounds)])
    state: RoundState | None = None
    queued: deque[RoundState] = deque()
    while steps_done < n_steps:
        chunk = loader.next_chunk()
        if state is None:
            state = functions.begin(progress, chunk.inputs, data)
        if len(queued) == MAX_QUEUED_CHUNKS:
            jax.block_until_ready(queued.popleft())
        state = functions.advance(state, chunk.inputs, plan.replicate(np.int32(chunk.n_steps)), data)
        queued.append(state)
        steps_done += chunk.n_steps
    counts = plan.replicate((np.int32(n_steps), np.int32(round_index + 1)))
    return functions.end(progress, state, *counts, data, experiment.examples)
