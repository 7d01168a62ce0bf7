"""Kills and signals at random times: an interrupted run must end like an uninterrupted one."""

import dataclasses
import itertools
import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aejax.experiments.environment import usable_cores
from tests.robustness.training_process import run_fingerprint, start_training

RUN_TIMEOUT_SECONDS = 600.0  # after which an uninterrupted run counts as hanging
MAX_RESTARTS = 200


class ReferenceRun(NamedTuple):
    """An uninterrupted run of a kind."""

    kind: str
    folder: Path
    fingerprint: dict[str, str]
    seconds: float


@dataclasses.dataclass
class Counts:
    """Outcomes of the disturbances of a scenario."""

    tried: int = 0
    survived: int = 0  # the run ended like the reference
    noticed: int = 0  # the run responded as promised
    faults: list[str] = dataclasses.field(default_factory=list)

    def add(self, *, survived: bool, noticed: bool, fault: str) -> None:
        """Counts one disturbance; `fault` describes it if a promise was broken."""
        self.tried += 1
        self.survived += survived
        self.noticed += noticed
        if not (survived and noticed):
            self.faults.append(fault)

    def merge(self, other: "Counts") -> None:
        """Adds other counts to these."""
        self.tried += other.tried
        self.survived += other.survived
        self.noticed += other.noticed
        self.faults += other.faults


class Interruption(NamedTuple):
    """A way to interrupt a process, and the exit statuses that it may lead to."""

    interrupt: Callable[[ForkServerProcess, np.random.Generator], None]
    statuses: tuple[int, ...]


def run_reference(kind: str, folder: Path) -> ReferenceRun:
    """Runs a kind without interruption."""
    began = time.perf_counter()
    status, message = run_to_exit(kind, folder, folder.with_suffix(".log"))
    if status != 0:
        raise RuntimeError(f"{kind}: ended with {status}: {message}")
    return ReferenceRun(kind, folder, run_fingerprint(folder), time.perf_counter() - began)


def _send_sigkill(process: ForkServerProcess, rng: np.random.Generator) -> None:
    process.kill()


def _send_signal_burst(process: ForkServerProcess, rng: np.random.Generator) -> None:
    """Sends one to six SIGTERM and SIGINT within a tenth of a second."""
    for _ in range(rng.integers(1, 7)):
        if process.is_alive() and process.pid is not None:
            os.kill(process.pid, rng.choice([signal.SIGTERM, signal.SIGINT]))
        time.sleep(rng.uniform(0, 0.02))


SIGKILL = Interruption(_send_sigkill, (-signal.SIGKILL,))
SIGNAL_BURST = Interruption(_send_signal_burst, (75,))


def wait_random_time(process: ForkServerProcess, folder: Path, seconds: float, rng: np.random.Generator) -> None:
    """Waits for a random time of the whole run of `seconds`, or for one after its next checkpoint."""
    if rng.uniform() < 0.5:
        process.join(rng.uniform(0, 1.1 * seconds))
        return
    known, began = saved_checkpoints(folder), time.perf_counter()
    while (
        process.is_alive() and saved_checkpoints(folder) == known and time.perf_counter() - began < RUN_TIMEOUT_SECONDS
    ):
        time.sleep(0.002)
    process.join(rng.uniform(0, 0.3 * seconds))


def saved_checkpoints(folder: Path) -> set[Path]:
    """Returns the checkpoints that a run has now."""
    return {path for path in folder.glob("checkpoints/*/*") if path.name.isdecimal()}


def interrupt_runs(
    references: Sequence[ReferenceRun], folder: Path, interruption: Interruption, min_interruptions: int, seed: int
) -> Counts:
    """Interrupts runs of these kinds, several at once, until enough interruptions have hit or a promise was broken."""
    folder.mkdir(parents=True, exist_ok=True)
    results: list[Counts] = []
    runs = iter(enumerate(itertools.cycle(references)))

    def work(_: int) -> None:
        while sum(one.tried for one in results) < min_interruptions and not any(one.faults for one in results):
            number, reference = next(runs)
            rng = np.random.default_rng([seed, number])
            results.append(interrupt_until_finished(reference, folder / f"run-{number}", interruption, rng))

    with ThreadPoolExecutor(usable_cores()) as threads:
        list(threads.map(work, range(usable_cores())))
    counts = Counts()
    for one in results:
        counts.merge(one)
    return counts


def interrupt_until_finished(
    reference: ReferenceRun, folder: Path, interruption: Interruption, rng: np.random.Generator
) -> Counts:
    """Interrupts and restarts one run until it finishes."""
    hits, status, log, faults = 0, -1, folder.with_suffix(".log"), []
    for _ in range(MAX_RESTARTS):
        process = start_training(reference.kind, folder, log)
        wait_random_time(process, folder, reference.seconds, rng)
        interruption.interrupt(process, rng)
        status, message = wait_for_exit(process, log)
        if status == 0:
            break
        hits += 1
        if status not in interruption.statuses:
            faults.append(f"{reference.kind}: ended with {status}: {message}")
            break
    noticed, survived = hits - len(faults), hits
    if status == 0 and run_fingerprint(folder) == reference.fingerprint:
        shutil.rmtree(folder)
    else:
        survived = 0
        faults.append(f"{reference.kind}: its results differ after {hits} interruptions")
    return Counts(hits, survived, noticed, faults)


def run_to_exit(kind: str, folder: Path, log: Path) -> tuple[int, str]:
    """Runs a training; returns its exit status and the last line of its output."""
    log.unlink(missing_ok=True)
    return wait_for_exit(start_training(kind, folder, log), log)


def wait_for_exit(process: ForkServerProcess, log: Path) -> tuple[int, str]:
    """Returns the exit status of a run and the last line of its output. A run that hangs is killed."""
    process.join(RUN_TIMEOUT_SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()
    assert process.exitcode is not None
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return process.exitcode, lines[-1] if lines else "no output"
