"""The run that is disturbed: a small training of any kind in a separate process, with a checkpoint after every call."""

import hashlib
import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

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

VOLATILE_FIELDS = ("seconds", "seconds_per_seed_and_epoch", "command")  # that differ between equal runs


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


SAVE_EVERY_CALL = CheckpointConfig(save_every=0)


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
    run_main(lambda argv: _pretrain(kind, folder, checkpoint))


def _pretrain(kind: str, folder: Path, checkpoint: CheckpointConfig) -> None:
    pretrain(small_config(kind), folder, Console(width=200), checkpoint)


def run_fingerprint(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of each part of a run that must be equal in two runs of a config. Times are not included."""
    parts = {
        name: repr(_drop_volatile_fields(read_json(folder / name))).encode() for name in ("config.json", "results.json")
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


def _drop_volatile_fields(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _drop_volatile_fields(item) for name, item in value.items() if name not in VOLATILE_FIELDS}
    return [_drop_volatile_fields(item) for item in value] if isinstance(value, list) else value
