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

from aejax.experiments.environment import usable_cores
from tests.robustness.training_process import run_fingerprint, start_training

RUN_TIMEOUT_SECONDS = 600.0  # seconds after which a run that nothing disturbs is taken to hang
Interrupt = Callable[[ForkServerProcess, Path, float, np.random.Generator], None]


class ReferenceRun(NamedTuple):
    """How a kind's run ends if it is left alone."""

    kind: str
    fingerprint: dict[str, str]
    seconds: float


class Counts(NamedTuple):
    """What became of some disturbances."""

    tried: int  # that hit a run under way
    survived: int  # after which the run came to the same end
    noticed: int  # that the run answered as it promises to
    faults: tuple[str, ...]  # what did not hold


def run_reference(kind: str, folder: Path) -> ReferenceRun:
    """Run a kind alone."""
    began = time.perf_counter()
    process = start_training(kind, folder, folder.with_suffix(".log"))
    status, said = wait_for_exit(process, folder.with_suffix(".log"))
    if status != 0:
        raise RuntimeError(f"{kind}: ended with {status}: {said}")
    return ReferenceRun(kind, run_fingerprint(folder), time.perf_counter() - began)


def send_sigkill(process: ForkServerProcess, folder: Path, seconds: float, rng: np.random.Generator) -> None:
    """SIGKILL, now and then at any moment of the run, else at any moment since it began to train."""
    _wait_random_time(process, folder, seconds, rng)
    process.kill()


def send_signal_burst(process: ForkServerProcess, folder: Path, seconds: float, rng: np.random.Generator) -> None:
    """One to six SIGTERM and SIGINT within a tenth of a second."""
    _wait_random_time(process, folder, seconds, rng)
    for _ in range(rng.integers(1, 7)):
        if process.is_alive() and process.pid is not None:
            os.kill(process.pid, rng.choice([signal.SIGTERM, signal.SIGINT]))
        time.sleep(rng.uniform(0, 0.02))


def _wait_random_time(process: ForkServerProcess, folder: Path, seconds: float, rng: np.random.Generator) -> None:
    began = time.perf_counter()
    if rng.uniform() < 0.5:
        process.join(rng.uniform(0, 1.1 * seconds))
        return
    known = saved_checkpoints(folder)
    while (
        process.is_alive() and saved_checkpoints(folder) == known and time.perf_counter() - began < RUN_TIMEOUT_SECONDS
    ):
        time.sleep(0.002)
    process.join(rng.uniform(0, 0.3 * seconds))


def saved_checkpoints(folder: Path) -> set[Path]:
    """The checkpoints that a run has now."""
    return {path for path in folder.glob("checkpoints/*/*") if path.name.isdecimal()}


def interrupt_runs(
    references: Sequence[ReferenceRun],
    folder: Path,
    interrupt: Interrupt,
    expected_statuses: Sequence[int],
    min_interruptions: int,
    seed: int,
) -> Counts:
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
    tallies: list[Counts] = []
    chains = iter(enumerate(itertools.cycle(references)))

    def work(_: int) -> None:
        while sum(tally.tried for tally in tallies) < min_interruptions and not any(tally.faults for tally in tallies):
            number, reference = next(chains)
            rng = np.random.default_rng([seed, number])
            tallies.append(
                _interrupt_until_finished(reference, folder / f"run-{number}", interrupt, expected_statuses, rng)
            )

    with ThreadPoolExecutor(usable_cores()) as threads:
        list(threads.map(work, range(usable_cores())))
    return sum_counts(tallies)


def _interrupt_until_finished(
    reference: ReferenceRun,
    folder: Path,
    interrupt: Interrupt,
    expected_statuses: Sequence[int],
    rng: np.random.Generator,
) -> Counts:
    """One run, disturbed until it has come to its end in spite of it."""
    hits, status, log, faults = 0, -1, folder.with_suffix(".log"), []
    for _ in range(200):
        process = start_training(reference.kind, folder, log)
        interrupt(process, folder, reference.seconds, rng)
        status, said = wait_for_exit(process, log)
        if status == 0:
            break
        hits += 1
        if status not in expected_statuses:
            faults.append(f"{reference.kind}: ended with {status}: {said}")
            break
    same = status == 0 and run_fingerprint(folder) == reference.fingerprint
    if not same:
        faults.append(f"{reference.kind}: came to another end after {hits}")
    else:
        shutil.rmtree(folder)
    return Counts(hits, hits if same else 0, hits - sum("ended with" in fault for fault in faults), tuple(faults))


def sum_counts(counts: Sequence[Counts]) -> Counts:
    """All together."""
    fields: Iterator[tuple[int, ...]] = zip(*((t.tried, t.survived, t.noticed) for t in counts), strict=True)
    tried, survived, noticed = (sum(values) for values in fields)
    return Counts(tried, survived, noticed, tuple(fault for tally in counts for fault in tally.faults))


def wait_for_exit(process: ForkServerProcess, log: Path) -> tuple[int, str]:
    """Exit status of a run, and what it said last. One that hangs is killed."""
    process.join(RUN_TIMEOUT_SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()
    assert process.exitcode is not None
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return process.exitcode, lines[-1] if lines else "it said nothing"
