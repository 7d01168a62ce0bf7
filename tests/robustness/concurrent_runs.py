"""Two processes on one folder, and a run whose latest checkpoint is damaged while it is away."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aejax.config import CheckpointConfig
from tests.robustness.interruptions import RUN_TIMEOUT_SECONDS, Counts, ReferenceRun, saved_checkpoints, wait_for_exit
from tests.robustness.training_process import run_fingerprint, start_training


def race_for_run_dir(references: Sequence[ReferenceRun], folder: Path, n_races: int) -> Counts:
    """Start two processes on the same new folder at once. One fills it; the other is refused, or finds it finished."""
    folder.mkdir(parents=True, exist_ok=True)
    survived, noticed, faults = 0, 0, []
    for number in range(n_races):
        reference, out = references[number % len(references)], folder / f"run-{number}"
        logs = [folder / f"run-{number}-{rival}.log" for rival in (1, 2)]
        processes = [start_training(reference.kind, out, log) for log in logs]
        ends = sorted(map(wait_for_exit, processes, logs))
        refused = ends[1][0] == 2 and ends[1][1].startswith("error: ") and "process" in ends[1][1]
        answered = ends[0][0] == 0 and (refused or ends[1][0] == 0)
        same = ends[0][0] == 0 and run_fingerprint(out) == reference.fingerprint
        noticed += answered
        survived += same
        faults += [] if answered and same else [f"{reference.kind}: ended with {ends}"]
    return Counts(n_races, survived, noticed, tuple(faults))


def resume_with_fallback(references: Sequence[ReferenceRun], folder: Path, seed: int) -> Counts:
    """Kill a run after three saves, flip a bit of its last checkpoint, and go on: refused, and from the one before if
    that is allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    survived, noticed, faults = 0, 0, []
    for number, reference in enumerate(references):
        out, log, rng = folder / f"run-{number}", folder / f"run-{number}.log", np.random.default_rng([seed, number])
        _kill_after_saves(reference.kind, out, log)
        _flip_bit_in_latest(out, rng)
        status, said = wait_for_exit(start_training(reference.kind, out, log), log)
        answered = status == 2 and "--allow-fallback goes on from epoch" in said
        allowed = CheckpointConfig(save_every=0, allow_fallback=True)
        status, said = wait_for_exit(start_training(reference.kind, out, log, allowed), log)
        same = status == 0 and run_fingerprint(out) == reference.fingerprint
        noticed += answered
        survived += same
        faults += [] if answered and same else [f"{reference.kind}: {said}"]
    return Counts(len(references), survived, noticed, tuple(faults))


def _kill_after_saves(kind: str, folder: Path, log: Path) -> None:
    process, began, seen = start_training(kind, folder, log), time.perf_counter(), set[Path]()
    while process.is_alive() and time.perf_counter() - began < RUN_TIMEOUT_SECONDS:
        seen |= saved_checkpoints(folder)
        if len(seen) >= 3:
            break
        time.sleep(0.001)
    process.kill()
    process.join()


def _flip_bit_in_latest(folder: Path, rng: np.random.Generator) -> None:
    """Of the largest file of the last checkpoint of the training that came last."""
    latest = max(saved_checkpoints(folder), key=lambda path: (path.stat().st_mtime_ns, int(path.name)))
    largest = max((path for path in latest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    largest.write_bytes(content)
