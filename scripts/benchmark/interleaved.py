"""Entrants timed in turn, A B C A B C, so that a noisy machine is noisy to all of them."""

import contextlib
import dataclasses
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from benchmark.contenders import Contender
from benchmark.worker_process import WorkerProcess, WorkerResponses, request_all, start_workers

Log = Callable[[str], None]


@runtime_checkable
class SavableJob(Protocol):
    """What contenders are given: it writes itself into a folder that their processes read."""

    def save(self, folder: Path) -> None: ...


class TimingBudget(NamedTuple):
    """How much is timed."""

    seeds: int
    epochs: int | None  # in one repetition; as many go first, untimed; None: the workload's own number
    repeats: int


class TimedTask(NamedTuple):
    """A contender at some work."""

    contender: Contender
    job: SavableJob
    epochs: int = 1  # rounds of that work in one repetition
    label: str = ""  # which of several works, for a person who waits

    @property
    def title(self) -> str:
        """As in progress lines."""
        return f"{self.label}: {self.contender.name}" if self.label else self.contender.name


class Timing(NamedTuple):
    """What one entrant did."""

    wall_seconds: list[float]  # seconds of each repetition
    last_messages: list[dict[str, Any]]  # what each process said of the last repetition
    facts: list[dict[str, Any]]  # of each process, at the end
    other_cores: list[float | None]  # of each repetition: processor cores that other programs used meanwhile
    unsupported_reason: str | None = None  # why it cannot do this work; then all else is empty


def time_interleaved(
    name: str, tasks: Sequence[TimedTask], repeats: int, log: Log, *, warm_up: bool = True
) -> list[Timing]:
    """Start everyone, let each warm up untimed, then time the repetitions in turn.

    Args:
        name: of the whole, for progress lines.
        entrants: all are alive at the same time, and idle but for the one whose turn it is.
        repeats: timed repetitions of each.
        say: where progress goes.
        warm_up: do one repetition untimed. Without it, work must be ready once its process is.
    """
    courses = [_TaskProgress() for _ in tasks]
    with contextlib.ExitStack() as stack:
        folders = stack.enter_context(_job_folders([one.job for one in tasks]))
        for one, course in zip(tasks, courses, strict=True):
            course.workers = stack.enter_context(start_workers(one.contender, folders[id(one.job)]))
            warm = course.run_once(one) if warm_up else None
            log(f"{name}: {one.title}: {course.status(warm)}")
        for repeat in range(repeats):
            for one, course in zip(tasks, courses, strict=True):
                if course.unsupported_reason is None:
                    answers = course.run_once(one)
                    course.responses += [answers]
                    then = course.unsupported_reason or f"{answers.seconds:.2f} s"
                    log(f"{name}: repetition {repeat + 1} of {repeats}: {one.title}: {then}")
        return [course.to_timing() for course in courses]


@dataclasses.dataclass
class _TaskProgress:
    """How it goes for one entrant."""

    workers: list[WorkerProcess] = dataclasses.field(default_factory=list)
    responses: list[WorkerResponses] = dataclasses.field(default_factory=list)
    unsupported_reason: str | None = None

    def run_once(self, one: TimedTask) -> WorkerResponses:
        """One repetition."""
        answers = request_all(self.workers, {"epochs": one.epochs})
        self.unsupported_reason = next((said["refused"] for said in answers.messages if "refused" in said), None)
        return answers

    def status(self, warm: WorkerResponses | None) -> str:
        """Whether it is ready."""
        if self.unsupported_reason is not None:
            return f"takes no part: {self.unsupported_reason}"
        return "ready" + (f" after {warm.seconds:.1f} s of warm-up" if warm else "")

    def to_timing(self) -> Timing:
        """All of it, with the facts that its processes give at the end."""
        if self.unsupported_reason is not None:
            return Timing([], [], [], [], self.unsupported_reason)
        facts = request_all(self.workers, {}).messages
        runs = self.responses
        return Timing([run.seconds for run in runs], runs[-1].messages, facts, [run.other_cores for run in runs])


@contextlib.contextmanager
def _job_folders(jobs: Sequence[SavableJob]) -> Iterator[dict[int, Path]]:
    """A folder for each work, by its `id`; they go with the block."""
    with tempfile.TemporaryDirectory(prefix="aejax-benchmark-") as above:
        found: dict[int, Path] = {}
        for work in jobs:
            if id(work) not in found:
                found[id(work)] = Path(above) / str(len(found))
                found[id(work)].mkdir()
                work.save(found[id(work)])
        yield found


def total_peak_memory(timing: Timing) -> int:
    """The largest resident sets of all its processes together, in bytes."""
    return sum(facts["peak_memory_bytes"] for facts in timing.facts)


def summarize(values: Sequence[float]) -> dict[str, Any]:
    """Median, extremes, and all."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "each": list(values)}


def summarize_ratio(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The spread of `one / other`, repetition by repetition: what was taken in turn is compared in turn."""
    return summarize([a / b for a, b in zip(one["each"], other["each"], strict=True)])


def pairwise_ratios(
    pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], quantity: str
) -> list[dict[str, Any]]:
    """One described contender's `quantity` over another's, for each pair."""
    return [
        {"contender": one["name"], "peer": other["name"], **summarize_ratio(one[quantity], other[quantity])}
        for one, other in pairs
    ]


def pair_with_peers(described: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each contender of this project with each of the others."""
    return [
        (own, peer)
        for own in described
        if own["library"] == "aejax"
        for peer in described
        if peer["library"] != "aejax"
    ]


def supported_contenders(contenders: Sequence[Contender], timings: Sequence[Timing]) -> list[tuple[Contender, Timing]]:
    """Those that did not refuse."""
    return [(one, timing) for one, timing in zip(contenders, timings, strict=True) if timing.unsupported_reason is None]


def unsupported_contenders(contenders: Sequence[Contender], timings: Sequence[Timing]) -> list[dict[str, str]]:
    """The others, with their reasons."""
    pairs = zip(contenders, timings, strict=True)
    return [
        {"name": one.name, "reason": timing.unsupported_reason}
        for one, timing in pairs
        if timing.unsupported_reason is not None
    ]
