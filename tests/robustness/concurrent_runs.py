"""Two processes in one folder, and a run whose latest checkpoint is damaged between two commands."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aejax.config import CheckpointConfig
from tests.robustness.interruptions import (
    RUN_TIMEOUT_SECONDS,
    Counts,
    ReferenceRun,
    run_to_exit,
    saved_checkpoints,
    wait_for_exit,
)
from tests.robustness.training_process import run_fingerprint, start_training


def race_for_run_dir(references: Sequence[ReferenceRun], folder: Path, n_races: int) -> Counts:
    """Starts two processes in the same new folder: one fills it, the other is rejected or finds it finished."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = Counts()
    for number in range(n_races):
        reference, run = references[number % len(references)], folder / f"run-{number}"
        logs = [folder / f"run-{number}-{racer}.log" for racer in (1, 2)]
        processes = [start_training(reference.kind, run, log) for log in logs]
        (first, _), (second, message) = ends = sorted(map(wait_for_exit, processes, logs))
        rejected = second == 2 and message.startswith("error: ") and "process" in message
        counts.add(
            survived=first == 0 and run_fingerprint(run) == reference.fingerprint,
            noticed=first == 0 and (rejected or second == 0),
            fault=f"{reference.kind}: ended with {ends}",
        )
    return counts


def resume_with_fallback(references: Sequence[ReferenceRun], folder: Path, seed: int) -> Counts:
    """Kills a run, flips a bit of its last checkpoint and resumes: rejected, then allowed by `--allow-fallback`."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = Counts()
    for number, reference in enumerate(references):
        run, log, rng = folder / f"run-{number}", folder / f"run-{number}.log", np.random.default_rng([seed, number])
        _kill_after_saves(reference.kind, run, log)
        _flip_bit_in_latest(run, rng)
        status, message = run_to_exit(reference.kind, run, log)
        noticed = status == 2 and "--allow-fallback continues from epoch" in message
        allowed = CheckpointConfig(save_every=0, allow_fallback=True)
        status, message = wait_for_exit(start_training(reference.kind, run, log, allowed), log)
        survived = status == 0 and run_fingerprint(run) == reference.fingerprint
        counts.add(survived=survived, noticed=noticed, fault=f"{reference.kind}: {message}")
    return counts


def _kill_after_saves(kind: str, folder: Path, log: Path, n_saves: int = 3) -> None:
    process, began, seen = start_training(kind, folder, log), time.perf_counter(), set[Path]()
    while process.is_alive() and len(seen) < n_saves and time.perf_counter() - began < RUN_TIMEOUT_SECONDS:
        seen |= saved_checkpoints(folder)
        time.sleep(0.001)
    process.kill()
    process.join()


def _flip_bit_in_latest(folder: Path, rng: np.random.Generator) -> None:
    """Flips a bit in the largest file of the newest checkpoint."""
    latest = max(saved_checkpoints(folder), key=lambda path: (path.stat().st_mtime_ns, int(path.name)))
    largest = max((path for path in latest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    largest.write_bytes(content)
