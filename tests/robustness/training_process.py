"""The run that is disturbed: a small training of any kind in a separate process, with a checkpoint after every call."""

import hashlib
import multiprocessing
import os
import sys
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.console import Console

from aejax.cli import run_main
from aejax.config import (
    CheckpointConfig,
    DataConfig,
    ModelConfig,
    ObjectiveConfig,
    PretrainConfig,
    SplitConfig,
    TrainConfig,
)
from aejax.experiments.pretrain import pretrain
from aejax.storage.atomic_io import read_json
from aejax.storage.pytree_io import load_tree, named_leaves
from aejax.storage.results_file import read_results

RUN_TIMEOUT_SECONDS = 600.0  # after which a run counts as hanging
VOLATILE_FIELDS = ("seconds", "seconds_per_seed_and_epoch", "command", "attempts")  # that differ between equal runs
SAVE_EVERY_CALL = CheckpointConfig(save_every=0)


class Exit(NamedTuple):
    """How a run ended."""

    status: int
    message: str  # the last line of its output


class ReferenceRun(NamedTuple):
    """An uninterrupted run of a kind."""

    kind: str
    folder: Path
    fingerprint: dict[str, str]
    seconds: float


def small_config(kind: str) -> PretrainConfig:
    """Returns a training of a second or two on digits, in about twenty calls."""
    return PretrainConfig(
        data=DataConfig(dataset="digits"),
        split=SplitConfig(valid_fraction=0.2),
        model=ModelConfig(hidden=(8,), latent_dim=3, channels=(2,), sparse_dim=12),
        objective=ObjectiveConfig(k=2, layer_epochs=10),
        train=TrainConfig(epochs=40, batch_size=256),
        method=kind,
        seeds=2,
    )


def start_training(
    kind: str, folder: Path, log: Path, checkpoint: CheckpointConfig = SAVE_EVERY_CALL
) -> ForkServerProcess:
    """Starts a process that fills a run folder and ends as a script would; its output goes to `log`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # importing takes longer than training
    process = context.Process(target=_run_in_child, args=(kind, folder, log, checkpoint))
    process.start()
    return process


def _run_in_child(kind: str, folder: Path, log: Path, checkpoint: CheckpointConfig) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    jax.config.update("jax_num_cpu_devices", 1)
    run_main(lambda argv: pretrain(small_config(kind), folder, Console(width=200), checkpoint) and None)


def wait_for_exit(process: ForkServerProcess, log: Path, timeout: float | None = None) -> Exit:
    """Returns how a run ended. A run that hangs is killed, after `RUN_TIMEOUT_SECONDS` if no other time is given."""
    process.join(RUN_TIMEOUT_SECONDS if timeout is None else timeout)
    if process.exitcode is None:
        process.kill()
        process.join()
    assert process.exitcode is not None
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return Exit(process.exitcode, lines[-1] if lines else "no output")


def run_to_exit(kind: str, folder: Path, log: Path, checkpoint: CheckpointConfig = SAVE_EVERY_CALL) -> Exit:
    """Runs a training until it ends."""
    log.unlink(missing_ok=True)
    return wait_for_exit(start_training(kind, folder, log, checkpoint), log)


def run_reference(kind: str, folder: Path) -> ReferenceRun:
    """Runs a kind without interruption; raises RuntimeError if it fails."""
    began = time.perf_counter()
    status, message = run_to_exit(kind, folder, folder.with_suffix(".log"))
    if status != 0:
        raise RuntimeError(f"{kind}: ended with {status}: {message}")
    return ReferenceRun(kind, folder, run_fingerprint(folder), time.perf_counter() - began)


def saved_checkpoints(folder: Path) -> set[Path]:
    """Returns the checkpoints that a run has now."""
    return {path for path in folder.glob("checkpoints/*/*") if path.name.isdecimal()}


def wait_for_checkpoints(process: ForkServerProcess, folder: Path, count: int) -> None:
    """Waits until a run has saved further checkpoints, or has ended."""
    known, seen, began = saved_checkpoints(folder), set[Path](), time.perf_counter()
    while process.is_alive() and len(seen) < count and time.perf_counter() - began < RUN_TIMEOUT_SECONDS:
        seen |= saved_checkpoints(folder) - known
        time.sleep(0.001)


def run_fingerprint(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of each part of a run that must be equal in two runs of a config. Times are not included."""
    parts = {
        name: repr(drop_volatile_fields(read(folder / name))).encode()
        for name, read in (("config.json", read_json), ("results.json", read_results))
    }
    if (folder / "metrics.jsonl").exists():
        parts["metrics.jsonl"] = (folder / "metrics.jsonl").read_bytes()
    for name in ("checkpoint", "best"):
        if (folder / name).exists():
            leaves = named_leaves(load_tree(folder / name).tree)
            parts |= {f"{name} {path}": _leaf_bytes(leaf) for path, leaf in leaves.items()}
    if (folder / "scores.npz").exists():
        with np.load(folder / "scores.npz", allow_pickle=False) as scores:
            parts |= {f"scores.npz {path}": _leaf_bytes(scores[path]) for path in scores}
    return {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}


def _leaf_bytes(leaf: np.ndarray) -> bytes:
    return f"{leaf.dtype} {leaf.shape} ".encode() + np.ascontiguousarray(leaf).tobytes()


def drop_volatile_fields(value: Any) -> Any:
    """Returns JSON without the fields that differ between equal runs."""
    if isinstance(value, dict):
        return {name: drop_volatile_fields(item) for name, item in value.items() if name not in VOLATILE_FIELDS}
    return [drop_volatile_fields(item) for item in value] if isinstance(value, list) else value
