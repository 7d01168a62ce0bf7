"""Kills and signals at random moments: a run that is disturbed again and again must end as one that was not."""

import itertools
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aejax.faults.job import fingerprint, start
from aejax.run.environment import usable_cores

LONGEST = 600.0  # seconds after which a run that nothing disturbs is taken to hang
Disturb = Callable[[ForkServerProcess, Path, float, np.random.Generator], None]


class Undisturbed(NamedTuple):
    """How a kind's run ends if it is left alone."""

    kind: str
    fingerprint: dict[str, str]
    seconds: float


class Tally(NamedTuple):
    """What became of some disturbances."""

    tried: int  # that hit a run under way
    survived: int  # after which the run came to the same end
    noticed: int  # that the run answered as it promises to
    faults: tuple[str, ...]  # what did not hold


def undisturbed(kind: str, folder: Path) -> Undisturbed:
    """Run a kind alone."""
    began = time.perf_counter()
    process = start(kind, folder, folder.with_suffix(".log"))
    status, said = ended(process, folder.with_suffix(".log"))
    if status != 0:
        raise RuntimeError(f"{kind}: ended with {status}: {said}")
    return Undisturbed(kind, fingerprint(folder), time.perf_counter() - began)


def kill(process: ForkServerProcess, folder: Path, seconds: float, rng: np.random.Generator) -> None:
    """SIGKILL, now and then at any moment of the run, else at any moment since it began to train."""
    _wait(process, folder, seconds, rng)
    process.kill()


def storm(process: ForkServerProcess, folder: Path, seconds: float, rng: np.random.Generator) -> None:
    """One to six SIGTERM and SIGINT within a tenth of a second."""
    _wait(process, folder, seconds, rng)
    for _ in range(rng.integers(1, 7)):
        if process.is_alive() and process.pid is not None:
            os.kill(process.pid, rng.choice([signal.SIGTERM, signal.SIGINT]))
        time.sleep(rng.uniform(0, 0.02))


def _wait(process: ForkServerProcess, folder: Path, seconds: float, rng: np.random.Generator) -> None:
    began = time.perf_counter()
    if rng.uniform() < 0.5:
        process.join(rng.uniform(0, 1.1 * seconds))
        return
    known = saves(folder)
    while process.is_alive() and saves(folder) == known and time.perf_counter() - began < LONGEST:
        time.sleep(0.002)
    process.join(rng.uniform(0, 0.3 * seconds))


def saves(folder: Path) -> set[Path]:
    """The checkpoints that a run has now."""
    return {path for path in folder.glob("checkpoints/*/*") if path.name.isdecimal()}


def disturbed(
    undisturbed_runs: Sequence[Undisturbed],
    folder: Path,
    disturb: Disturb,
    answers: Sequence[int],
    tries: int,
    seed: int,
) -> Tally:
    """Disturb runs of these kinds in turn, several at once, until so many disturbances have hit.

    Args:
        undisturbed_runs: how each should end.
        folder: to work in.
        disturb: what is done to a process that fills a run folder.
        answers: exit statuses that a disturbance may lead to.
        tries: disturbances, at least; none more after one that broke a promise.
        seed: of the moments.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tallies: list[Tally] = []
    chains = iter(enumerate(itertools.cycle(undisturbed_runs)))

    def work(_: int) -> None:
        while sum(tally.tried for tally in tallies) < tries and not any(tally.faults for tally in tallies):
            number, reference = next(chains)
            rng = np.random.default_rng([seed, number])
            tallies.append(_chain(reference, folder / f"run-{number}", disturb, answers, rng))

    with ThreadPoolExecutor(usable_cores()) as threads:
        list(threads.map(work, range(usable_cores())))
    return total(tallies)


def _chain(
    reference: Undisturbed, folder: Path, disturb: Disturb, answers: Sequence[int], rng: np.random.Generator
) -> Tally:
    """One run, disturbed until it has come to its end in spite of it."""
    hits, status, log, faults = 0, -1, folder.with_suffix(".log"), []
    for _ in range(200):
        process = start(reference.kind, folder, log)
        disturb(process, folder, reference.seconds, rng)
        status, said = ended(process, log)
        if status == 0:
            break
        hits += 1
        if status not in answers:
            faults.append(f"{reference.kind}: ended with {status}: {said}")
            break
    same = status == 0 and fingerprint(folder) == reference.fingerprint
    if not same:
        faults.append(f"{reference.kind}: came to another end after {hits}")
    else:
        shutil.rmtree(folder)
    return Tally(hits, hits if same else 0, hits - sum("ended with" in fault for fault in faults), tuple(faults))


def total(tallies: Sequence[Tally]) -> Tally:
    """All together."""
    fields: Iterator[tuple[int, ...]] = zip(*((t.tried, t.survived, t.noticed) for t in tallies), strict=True)
    tried, survived, noticed = (sum(values) for values in fields)
    return Tally(tried, survived, noticed, tuple(fault for tally in tallies for fault in tally.faults))


def ended(process: ForkServerProcess, log: Path) -> tuple[int, str]:
    """Exit status of a run, and what it said last. One that hangs is killed."""
    process.join(LONGEST)
    if process.exitcode is None:
        process.kill()
        process.join()
    assert process.exitcode is not None
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return process.exitcode, lines[-1] if lines else "it said nothing"
