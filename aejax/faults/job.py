"""The run that is disturbed: a small training of any kind, with a save after every call, in a process of its own."""

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

from aejax.cli import main
from aejax.config import (
    DataConfig,
    KeepingConfig,
    ModelConfig,
    ObjectiveConfig,
    PretrainConfig,
    SplitConfig,
    TrainConfig,
)
from aejax.run.pretrain import pretrain
from aejax.store.files import read_json
from aejax.store.trees import leaves, load_folder

CLOCKS = ("seconds", "seconds_per_seed_and_epoch")  # fields that no two runs share


def config_of(kind: str) -> PretrainConfig:
    """A training of a second or two on digits, in about twenty calls."""
    return PretrainConfig(
        data=DataConfig(dataset="digits"),
        split=SplitConfig(valid_fraction=0.2),
        model=ModelConfig(hidden=(8,), latent_dim=3, channels=(2,), sparse_dim=12),
        objective=ObjectiveConfig(k=2, layer_epochs=10),
        train=TrainConfig(epochs=40, batch_size=256),
        method=kind,
        seeds=2,
    )


EACH_CALL = KeepingConfig(save_every=0)


def start(kind: str, folder: Path, log: Path, keeping: KeepingConfig = EACH_CALL) -> ForkServerProcess:
    """Fill a run folder in a process that ends as a script would; what it prints goes to `log`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # importing takes longer than the job
    process = context.Process(target=_fill, args=(kind, folder, log, keeping))
    process.start()
    return process


def _fill(kind: str, folder: Path, log: Path, keeping: KeepingConfig) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    jax.config.update("jax_num_cpu_devices", 1)
    main(lambda argv: _pretrain(kind, folder, keeping))


def _pretrain(kind: str, folder: Path, keeping: KeepingConfig) -> None:
    pretrain(config_of(kind), folder, Console(width=200), keeping)


def fingerprint(folder: Path) -> str:
    """SHA-256 of everything that two runs of the same config must have in common: numbers to the bit, but no clock."""
    digest = hashlib.sha256()
    for name in ("config.json", "results.json"):
        digest.update(repr(_without_clocks(read_json(folder / name))).encode())
    if (folder / "metrics.jsonl").exists():
        digest.update((folder / "metrics.jsonl").read_bytes())
    for name in ("checkpoint", "best"):
        if (folder / name).exists():
            for path, leaf in leaves(load_folder(folder / name).tree).items():
                digest.update(
                    f"{name} {path} {leaf.dtype} {leaf.shape}".encode() + np.ascontiguousarray(leaf).tobytes()
                )
    if (folder / "scores.npz").exists():
        with np.load(folder / "scores.npz", allow_pickle=False) as scores:
            for path in sorted(scores):
                digest.update(path.encode() + np.ascontiguousarray(scores[path]).tobytes())
    return digest.hexdigest()


def _without_clocks(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_clocks(item) for name, item in value.items() if name not in CLOCKS and name != "command"}
    return [_without_clocks(item) for item in value] if isinstance(value, list) else value
