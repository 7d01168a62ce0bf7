"""Interleaved timing, A B C A B C, so that other load on the machine slows all contenders alike."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from benchmark.contenders import Contender
from benchmark.worker_process import WorkerProcess, WorkerResponses, request_all, start_workers

Log = Callable[[str], None]


@runtime_checkable
class SavableJob(Protocol):
    """A job: it writes itself to a folder that the workers read."""

    def save(self, folder: Path) -> None: ...


class TimingBudget(NamedTuple):
    """How much is timed."""

    seeds: int
    epochs: int | None  # in one repetition, and once before as warm-up; None: the workload's own number
    repeats: int
    cores: int


class TimedTask(NamedTuple):
    """A contender with its job."""

    contender: Contender
    job: SavableJob
    epochs: int = 1  # in one repetition
    label: str = ""  # distinguishes several jobs in the log

    @property
    def title(self) -> str:
        """Name in the log."""
        return f"{self.label}: {self.contender.name}" if self.label else self.contender.name


class Timing(NamedTuple):
    """What was measured of one task."""

    wall_seconds: list[float]  # of each repetition
    last_messages: list[dict[str, Any]]  # answer of each process to the last repetition
    facts: list[dict[str, Any]]  # of each process, at the end
    other_cores: list[float]  # of each repetition: processor cores that other programs used
    unsupported_reason: str | None = None  # why the contender cannot do the job; the lists are then empty


def time_interleaved(
    name: str, tasks: Sequence[TimedTask], repeats: int, log: Log, *, warm_up: bool = True
) -> list[Timing]:
    """Starts the processes of all tasks, warms each task up, then times the repetitions interleaved.

    Args:
        name: of the workload, for the log.
        tasks: all are alive at the same time; only the one that is timed is busy.
        repeats: timed repetitions of each task.
        log: receives lines of progress.
        warm_up: run one repetition of each task before the timed ones.
    """
    with contextlib.ExitStack() as stack:
        folders = stack.enter_context(_job_folders([task.job for task in tasks]))
        active = []
        for task in tasks:
            active.append(_ActiveTask(task, stack.enter_context(start_workers(task.contender, folders[id(task.job)]))))
            log(f"{name}: {task.title}: {active[-1].warm_up() if warm_up else 'ready'}")
        for repeat in range(repeats):
            for one in active:
                if one.unsupported_reason is None:
                    log(f"{name}: repetition {repeat + 1} of {repeats}: {one.task.title}: {one.run_once()}")
        return [one.to_timing() for one in active]


@dataclasses.dataclass
class _ActiveTask:
    """A task with its running processes."""

    task: TimedTask
    workers: list[WorkerProcess]
    responses: list[WorkerResponses] = dataclasses.field(default_factory=list)
    unsupported_reason: str | None = None

    def warm_up(self) -> str:
        """Runs one repetition that does not count; returns how it went."""
        seconds = self.run_once()
        self.responses.clear()
        return seconds if self.unsupported_reason else f"ready after {seconds} of warm-up"

    def run_once(self) -> str:
        """Runs one repetition; returns how it went."""
        answers = request_all(self.workers, {"epochs": self.task.epochs})
        self.responses.append(answers)
        self.unsupported_reason = next((one["refused"] for one in answers.messages if "refused" in one), None)
        return f"takes no part: {self.unsupported_reason}" if self.unsupported_reason else f"{answers.seconds:.2f} s"

    def to_timing(self) -> Timing:
        """Returns all repetitions, with the facts that the processes report at the end."""
        if self.unsupported_reason is not None:
            return Timing([], [], [], [], self.unsupported_reason)
        runs = self.responses
        facts = request_all(self.workers, {}).messages
        return Timing([run.seconds for run in runs], runs[-1].messages, facts, [run.other_cores for run in runs])


@contextlib.contextmanager
def _job_folders(jobs: Sequence[SavableJob]) -> Iterator[dict[int, Path]]:
    """Yields a folder with each distinct job, by `id`; they are deleted at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="aejax-benchmark-") as parent:
        folders: dict[int, Path] = {}
        for job in jobs:
            if id(job) not in folders:
                folders[id(job)] = Path(parent) / str(len(folders))
                folders[id(job)].mkdir()
                job.save(folders[id(job)])
        yield folders
