"""Interleaved timing, A B C A B C, so that other load on the machine slows all contenders alike.

Each contender, a library in one setting, has its seeds divided over processes; all are alive at the same time, and only
the one that is timed is busy.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple
from unittest import mock

from benchmark import worker
from benchmark.memory import machine_cpu_seconds
from benchmark.training_job import UnsupportedJobError

Log = Callable[[str], None]
Entry = Mapping[str, Any]  # a record of `results.json`


class Contender(NamedTuple):
    """One way to run a workload for some seeds."""

    name: str
    library: str  # `aejax`, `command`, or a name in `peers.PEERS`
    seeds_per_process: tuple[tuple[int, ...], ...]
    threads: int  # of each process
    env_vars: tuple[tuple[str, str], ...] = ()  # with which its processes start
    options: tuple[tuple[str, Any], ...] = ()  # of its runner
    note: str = ""  # how its work differs from that of aejax

    @property
    def seeds(self) -> int:
        """Number of seeds over all processes."""
        return sum(map(len, self.seeds_per_process))


class TimedTask(NamedTuple):
    """A contender with its job."""

    contender: Contender
    kind: str  # of its runner
    job: Any
    units: int = 1  # of work in one repetition: epochs, rounds, fits
    label: str = ""  # distinguishes several jobs in the log


@dataclasses.dataclass
class Timing:
    """What was measured of one task."""

    task: TimedTask
    wall_seconds: list[float] = dataclasses.field(default_factory=list)  # of each repetition
    other_cores: list[float] = dataclasses.field(default_factory=list)  # processor cores that other programs used
    answers: list[dict[str, Any]] = dataclasses.field(default_factory=list)  # of each process to the last repetition
    facts: list[dict[str, Any]] = dataclasses.field(default_factory=list)  # of each process, at the end
    unsupported_reason: str | None = None  # why the contender cannot do the job

    def to_record(self, seconds_key: str, units: int = 1) -> dict[str, Any]:
        """Returns an entry of `contenders` in `results.json`, with the spread of the seconds per unit of work."""
        one, facts = self.task.contender, self.facts[0]
        return {
            "name": one.name,
            "library": one.library,
            "options": dict(one.options),
            "seeds": one.seeds,
            "processes": len(one.seeds_per_process),
            "threads": one.threads,
            "variables": dict(one.env_vars),
            "note": one.note,
            seconds_key: summarize([seconds / units for seconds in self.wall_seconds]),
            "cores_used_by_others": self.other_cores,
            "compile_seconds": None,
            **{key: value for key, value in facts.items() if key != "environment"},
            "peak_memory_bytes": sum(facts["peak_memory_bytes"] for facts in self.facts),
        }


def summarize(values: Sequence[float]) -> dict[str, Any]:
    """Returns median, minimum, maximum and all values."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "each": list(values)}


def summarize_ratio(numerator: Entry, denominator: Entry) -> dict[str, Any]:
    """Returns the spread of the ratio of two interleaved measurements, repetition by repetition."""
    return summarize([a / b for a, b in zip(numerator["each"], denominator["each"], strict=True)])


def time_interleaved(
    name: str, tasks: Sequence[TimedTask], repeats: int, log: Log, *, warm_up: bool = True
) -> list[Timing]:
    """Starts the processes of all tasks, warms each task up, then times the repetitions interleaved.

    Args:
        name: of the workload, for the log.
        tasks: what to time.
        repeats: timed repetitions of each task.
        log: receives lines of progress.
        warm_up: run one repetition of each task before the timed ones.
    """
    with contextlib.ExitStack() as stack:
        running = [(Timing(task), stack.enter_context(start_processes(task))) for task in tasks]
        for repeat in range(0 if warm_up else 1, repeats + 1):
            for timing, processes in running:
                if timing.unsupported_reason is None:
                    seconds, other_cores = _run_once(timing, processes)
                    if repeat:
                        timing.wall_seconds.append(seconds)
                        timing.other_cores.append(other_cores)
                    turn = f"repetition {repeat} of {repeats}" if repeat else "warm-up"
                    title = ": ".join(filter(None, (timing.task.label, timing.task.contender.name)))
                    reason = timing.unsupported_reason
                    log(f"{name}: {turn}: {title}: {f'takes no part: {reason}' if reason else f'{seconds:.2f} s'}")
        for timing, processes in running:
            if timing.unsupported_reason is None:
                timing.facts = [process.submit(worker.facts).result() for process in processes]
        return [timing for timing, _ in running]


def _run_once(timing: Timing, processes: Sequence[ProcessPoolExecutor]) -> tuple[float, float]:
    """Runs one repetition in all processes of a task at once; returns its seconds and the cores used by others.

    A runner may say itself how many seconds of its work count.
    """
    busy_before, began = machine_cpu_seconds(), time.perf_counter()
    futures = [process.submit(worker.run, timing.task.units) for process in processes]
    try:
        results = [future.result() for future in futures]
    except UnsupportedJobError as reason:
        timing.unsupported_reason, results = str(reason), []
    seconds, busy = time.perf_counter() - began, machine_cpu_seconds() - busy_before
    timing.answers = [answer for answer, _ in results]
    others = max(0.0, busy - sum(cpu_seconds for _, cpu_seconds in results)) / seconds
    return max((answer.get("seconds", seconds) for answer in timing.answers), default=seconds), others


@contextlib.contextmanager
def start_processes(task: TimedTask) -> Iterator[list[ProcessPoolExecutor]]:
    """Yields the processes of a task with their models built; they end with the block."""
    one, context = task.contender, multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        cache = stack.enter_context(tempfile.TemporaryDirectory(prefix="aejax-benchmark-"))
        processes = [stack.enter_context(ProcessPoolExecutor(1, context)) for _ in one.seeds_per_process]
        # An empty cache: nothing from an earlier run. Several JAX processes are alive at the same time: none may
        # reserve most of an accelerator's memory.
        variables = {"TORCHINDUCTOR_CACHE_DIR": cache, "XLA_PYTHON_CLIENT_PREALLOCATE": "false", **dict(one.env_vars)}
        with mock.patch.dict(os.environ, variables):
            loads = [  # the first call starts a process
                process.submit(worker.load, one.library, task.kind, task.job, seeds, one.threads, dict(one.options))
                for process, seeds in zip(processes, one.seeds_per_process, strict=True)
            ]
        for load in loads:
            load.result()
        yield processes
