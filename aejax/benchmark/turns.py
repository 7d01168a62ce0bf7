"""Entrants timed in turn, A B C A B C, so that a noisy machine is noisy to all of them."""

import contextlib
import dataclasses
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from aejax.benchmark.contenders import Contender
from aejax.benchmark.processes import Answers, Worker, ask_all, started

Say = Callable[[str], None]


@runtime_checkable
class Work(Protocol):
    """What contenders are given: it writes itself into a folder that their processes read."""

    def save(self, folder: Path) -> None: ...


class Effort(NamedTuple):
    """How much is timed."""

    seeds: int
    epochs: int | None  # in one repetition; as many go first, untimed; None: the workload's own number
    repeats: int


class Entrant(NamedTuple):
    """A contender at some work."""

    contender: Contender
    work: Work
    epochs: int = 1  # rounds of that work in one repetition
    where: str = ""  # which of several works, for a person who waits

    @property
    def title(self) -> str:
        """As in progress lines."""
        return f"{self.where}: {self.contender.name}" if self.where else self.contender.name


class Timing(NamedTuple):
    """What one entrant did."""

    wall: list[float]  # seconds of each repetition
    last: list[dict[str, Any]]  # what each process said of the last repetition
    facts: list[dict[str, Any]]  # of each process, at the end
    others: list[float | None]  # of each repetition: processor cores that other programs used meanwhile
    refused: str | None = None  # why it cannot do this work; then all else is empty


def take_turns(name: str, entrants: Sequence[Entrant], repeats: int, say: Say, *, warm_up: bool = True) -> list[Timing]:
    """Start everyone, let each warm up untimed, then time the repetitions in turn.

    Args:
        name: of the whole, for progress lines.
        entrants: all are alive at the same time, and idle but for the one whose turn it is.
        repeats: timed repetitions of each.
        say: where progress goes.
        warm_up: do one repetition untimed. Without it, work must be ready once its process is.
    """
    courses = [_Course() for _ in entrants]
    with contextlib.ExitStack() as stack:
        folders = stack.enter_context(_folders([one.work for one in entrants]))
        for one, course in zip(entrants, courses, strict=True):
            course.workers = stack.enter_context(started(one.contender, folders[id(one.work)]))
            warm = course.ask(one) if warm_up else None
            say(f"{name}: {one.title}: {course.standing(warm)}")
        for repeat in range(repeats):
            for one, course in zip(entrants, courses, strict=True):
                if course.refused is None:
                    answers = course.ask(one)
                    course.runs += [answers]
                    then = course.refused or f"{answers.seconds:.2f} s"
                    say(f"{name}: repetition {repeat + 1} of {repeats}: {one.title}: {then}")
        return [course.timing() for course in courses]


@dataclasses.dataclass
class _Course:
    """How it goes for one entrant."""

    workers: list[Worker] = dataclasses.field(default_factory=list)
    runs: list[Answers] = dataclasses.field(default_factory=list)
    refused: str | None = None

    def ask(self, one: Entrant) -> Answers:
        """One repetition."""
        answers = ask_all(self.workers, {"epochs": one.epochs})
        self.refused = next((said["refused"] for said in answers.said if "refused" in said), None)
        return answers

    def standing(self, warm: Answers | None) -> str:
        """Whether it is ready."""
        if self.refused is not None:
            return f"takes no part: {self.refused}"
        return "ready" + (f" after {warm.seconds:.1f} s of warm-up" if warm else "")

    def timing(self) -> Timing:
        """All of it, with the facts that its processes give at the end."""
        if self.refused is not None:
            return Timing([], [], [], [], self.refused)
        facts = ask_all(self.workers, {}).said
        runs = self.runs
        return Timing([run.seconds for run in runs], runs[-1].said, facts, [run.others for run in runs])


@contextlib.contextmanager
def _folders(works: Sequence[Work]) -> Iterator[dict[int, Path]]:
    """A folder for each work, by its `id`; they go with the block."""
    with tempfile.TemporaryDirectory(prefix="aejax-benchmark-") as above:
        found: dict[int, Path] = {}
        for work in works:
            if id(work) not in found:
                found[id(work)] = Path(above) / str(len(found))
                found[id(work)].mkdir()
                work.save(found[id(work)])
        yield found


def peak_memory(timing: Timing) -> int:
    """The largest resident sets of all its processes together, in bytes."""
    return sum(facts["peak_memory_bytes"] for facts in timing.facts)


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, extremes, and all."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "each": list(values)}


def ratio(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The spread of `one / other`, repetition by repetition: what was taken in turn is compared in turn."""
    return spread([a / b for a, b in zip(one["each"], other["each"], strict=True)])


def ratios(pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], quantity: str) -> list[dict[str, Any]]:
    """One described contender's `quantity` over another's, for each pair."""
    return [
        {"contender": one["name"], "peer": other["name"], **ratio(one[quantity], other[quantity])}
        for one, other in pairs
    ]


def beside_peers(described: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each contender of this project with each of the others."""
    return [
        (own, peer)
        for own in described
        if own["library"] == "aejax"
        for peer in described
        if peer["library"] != "aejax"
    ]


def taking_part(contenders: Sequence[Contender], timings: Sequence[Timing]) -> list[tuple[Contender, Timing]]:
    """Those that did not refuse."""
    return [(one, timing) for one, timing in zip(contenders, timings, strict=True) if timing.refused is None]


def refusals(contenders: Sequence[Contender], timings: Sequence[Timing]) -> list[dict[str, str]]:
    """The others, with their reasons."""
    pairs = zip(contenders, timings, strict=True)
    return [{"name": one.name, "reason": timing.refused} for one, timing in pairs if timing.refused is not None]
