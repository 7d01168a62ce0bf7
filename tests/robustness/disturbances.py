"""What disturbs runs: kills and signals, damaged files, full disks, a second process on the same folder."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aejax.config import CheckpointConfig
from aejax.errors import InputError
from aejax.experiments.environment import usable_cores
from tests.robustness.training_process import (
    ReferenceRun,
    run_fingerprint,
    run_to_exit,
    saved_checkpoints,
    start_training,
    wait_for_checkpoints,
    wait_for_exit,
)

MAX_RESTARTS = 200
DISK_SIZES_KIB = (20, 60, 140, 200, 320, 400, 520, 640)  # an undisturbed run takes 500 to 900 KiB
ENLARGED_DISK_SIZE = "200m"


class Outcome(NamedTuple):
    """What one disturbance led to."""

    survived: bool  # the run ended like the reference
    noticed: bool  # the run responded as promised
    fault: str  # describes it if a promise was broken


class Interruption(NamedTuple):
    """A way to interrupt a process, and the exit status that it must lead to."""

    interrupt: Callable[[ForkServerProcess, np.random.Generator], None]
    status: int


def _send_signal_burst(process: ForkServerProcess, rng: np.random.Generator) -> None:
    """Sends one to six SIGTERM and SIGINT within a tenth of a second."""
    for _ in range(rng.integers(1, 7)):
        if process.is_alive() and process.pid is not None:
            os.kill(process.pid, rng.choice([signal.SIGTERM, signal.SIGINT]))
        time.sleep(rng.uniform(0, 0.02))


SIGKILL = Interruption(lambda process, rng: process.kill(), -signal.SIGKILL)
SIGNAL_BURST = Interruption(_send_signal_burst, 75)


def interrupt_runs(
    references: Sequence[ReferenceRun], folder: Path, interruption: Interruption, min_interruptions: int, seed: int
) -> Iterator[Outcome]:
    """Interrupts runs of these kinds, one per core at once, until enough interruptions have hit or one broke a
    promise."""
    folder.mkdir(parents=True, exist_ok=True)
    runs, hits, broken = enumerate(itertools.cycle(references)), 0, False

    def interrupt(run: tuple[int, ReferenceRun]) -> list[Outcome]:
        number, reference = run
        rng = np.random.default_rng([seed, number])
        return interrupt_until_finished(reference, folder / f"run-{number}", interruption, rng)

    with ThreadPoolExecutor(usable_cores()) as threads:
        while hits < min_interruptions and not broken:
            for outcomes in threads.map(interrupt, itertools.islice(runs, usable_cores())):
                hits += len(outcomes)
                broken |= not all(one.survived and one.noticed for one in outcomes)
                yield from outcomes


def interrupt_until_finished(
    reference: ReferenceRun, folder: Path, interruption: Interruption, rng: np.random.Generator
) -> list[Outcome]:
    """Interrupts and restarts one run until it finishes; returns an outcome for each interruption that hit."""
    exits, log = [], folder.with_suffix(".log")
    for _ in range(MAX_RESTARTS):
        process = start_training(reference.kind, folder, log)
        wait_random_time(process, folder, reference.seconds, rng)
        interruption.interrupt(process, rng)
        exits.append(wait_for_exit(process, log))
        if exits[-1].status != interruption.status:
            break
    last = exits[-1]
    survived = last.status == 0 and run_fingerprint(folder) == reference.fingerprint
    if survived:
        shutil.rmtree(folder)
        return [Outcome(True, True, "")] * (len(exits) - 1)
    reason = "its results differ" if last.status == 0 else f"ended with {last.status}: {last.message}"
    return [Outcome(False, last.status == 0, f"{reference.kind}: {reason} after {len(exits) - 1} interruptions")]


def wait_random_time(process: ForkServerProcess, folder: Path, seconds: float, rng: np.random.Generator) -> None:
    """Waits for a random time of the whole run of `seconds`, or for one after its next checkpoint."""
    if rng.uniform() < 0.5:
        process.join(rng.uniform(0, 1.1 * seconds))
    else:
        wait_for_checkpoints(process, folder, 1)
        process.join(rng.uniform(0, 0.3 * seconds))


def race_for_run_dir(references: Sequence[ReferenceRun], folder: Path, n_races: int) -> Iterator[Outcome]:
    """Starts two processes in the same new folder: one fills it, the other is rejected or finds it finished."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, reference in zip(range(n_races), itertools.cycle(references), strict=False):
        run = folder / f"run-{number}"
        logs = [folder / f"run-{number}-{racer}.log" for racer in (1, 2)]
        processes = [start_training(reference.kind, run, log) for log in logs]
        (first, _), (second, message) = ends = sorted(map(wait_for_exit, processes, logs))
        rejected = second == 2 and message.startswith("error: ") and "process" in message
        survived = first == 0 and run_fingerprint(run) == reference.fingerprint
        yield Outcome(survived, first == 0 and (rejected or second == 0), f"{reference.kind}: ended with {ends}")


def resume_with_fallback(references: Sequence[ReferenceRun], folder: Path, seed: int) -> Iterator[Outcome]:
    """Kills a run, flips a bit of its last checkpoint and resumes: rejected, then allowed by `--allow-fallback`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, reference in enumerate(references):
        run, log, rng = folder / f"run-{number}", folder / f"run-{number}.log", np.random.default_rng([seed, number])
        process = start_training(reference.kind, run, log)
        wait_for_checkpoints(process, run, 3)
        process.kill()
        process.join()
        latest = max(saved_checkpoints(run), key=lambda path: (path.stat().st_mtime_ns, int(path.name)))
        largest = max((path for path in latest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
        largest.write_bytes(flip_bit(largest.read_bytes(), rng))
        status, message = run_to_exit(reference.kind, run, log)
        noticed = status == 2 and "--allow-fallback continues from epoch" in message
        allowed = CheckpointConfig(save_every=0, allow_fallback=True)
        status, message = run_to_exit(reference.kind, run, log, allowed)
        survived = status == 0 and run_fingerprint(run) == reference.fingerprint
        yield Outcome(survived, noticed, f"{reference.kind}: {message}")


class MountNotPermittedError(Exception):
    """This process may not mount a file system."""


@contextlib.contextmanager
def limited_disk(mount_point: Path, size_kib: int) -> Iterator[Path]:
    """Yields a file system in memory of a size; raises MountNotPermittedError if mounting is not allowed."""
    mount_point.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(mount_point))
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", str(mount_point)], check=True)


def mount(*words: str) -> None:
    """Calls `mount`; raises MountNotPermittedError if that is not allowed."""
    try:
        subprocess.run(["mount", *words], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise MountNotPermittedError(str(getattr(error, "stderr", None) or error).strip()) from None


def run_on_full_disks(references: Sequence[ReferenceRun], folder: Path, sizes_kib: Sequence[int]) -> Iterator[Outcome]:
    """Runs each kind on disks of every size, then again with more space; raises MountNotPermittedError."""
    for reference, size in itertools.product(references, sizes_kib):
        log = folder / f"{reference.kind}-{size}.log"
        with limited_disk(folder / "disk", size) as disk:
            first = run_to_exit(reference.kind, disk / "run", log)
            if first.status == 0:
                continue
            mount("-o", f"remount,size={ENLARGED_DISK_SIZE}", str(disk))
            then = run_to_exit(reference.kind, disk / "run", log)
            noticed = first.status == 2 and first.message.startswith("error: ")
            yield Outcome(
                then.status == 0 and run_fingerprint(disk / "run") == reference.fingerprint,
                noticed and "No space left on device" in first.message,
                f"{reference.kind} in {size} KiB: ended with {first}, then with {then}",
            )


def flip_bit(content: bytes, rng: np.random.Generator) -> bytes:
    """Returns content with one bit flipped."""
    flipped = bytearray(content)
    flipped[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    return bytes(flipped)


def corruptions(content: bytes, rng: np.random.Generator) -> dict[str, bytes | None]:
    """Returns corrupted contents by name; None for a deleted file."""
    damaged: dict[str, bytes | None] = {"deleted": None, "grown": content + b"\0"}
    if content:
        damaged |= {"flipped": flip_bit(content, rng), "cut in half": content[: len(content) // 2], "emptied": b""}
    return damaged


def corrupt_each_file(
    folder: Path, subdir: str, read: Callable[[Path], object], rng: np.random.Generator
) -> Iterator[Outcome]:
    """Corrupts every file in `folder/subdir`, one at a time, and reads a copy of the folder.

    Args:
        folder: an intact artifact.
        subdir: the part of it that is corrupted.
        read: must raise `InputError` with one line for a corrupted folder, and return for an intact one.
        rng: draws the bits.
    """
    copy = folder.with_name(f"{folder.name}-copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    read(copy)
    for path in sorted(path for path in (copy / subdir).rglob("*") if path.is_file()):
        content = path.read_bytes()
        for name, corrupted in corruptions(content, rng).items():
            if corrupted is None:
                path.unlink()
            else:
                path.write_bytes(corrupted)
            fault = read_fault(read, copy, if_read="not noticed")
            yield Outcome(not fault, not fault, f"{path.relative_to(copy)} {name}: {fault}")
            path.write_bytes(content)
    read(copy)  # intact again
    shutil.rmtree(copy)


def read_fault(read: Callable[[Path], object], path: Path, if_read: str = "") -> str:
    """Returns what is wrong with how a damaged path is read; empty if it is rejected with one line."""
    try:
        read(path)
    except InputError as error:
        return "rejected with more than one line" if "\n" in str(error) else ""
    except Exception as error:  # what the test looks for
        return f"{type(error).__name__}: {error}"
    return if_read
