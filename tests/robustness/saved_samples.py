"""Small valid folders of our own, to be damaged by somebody who also makes their sums anew."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from aejax.config import CompareConfig, from_dict, to_dict
from aejax.storage.atomic_io import read_json
from aejax.storage.manifest import MANIFEST, write_manifest
from aejax.storage.pytree_io import load_tree, save_tree
from aejax.storage.runs import load_finished_results, open_run
from tests.robustness.reader_samples import Sample

RUN_DIR, CHECKPOINT_DIR = "run", "checkpoint"


def run_samples(folder: Path) -> list[Sample]:
    """A finished run's files."""
    with open_run(folder / RUN_DIR, to_dict(CompareConfig()), attempt_info={"versions": {"jax": "0"}}) as run:
        run.finish({"schema": 1, "methods": []})
    return _file_samples(folder, RUN_DIR)


def read_run(path: Path) -> object:
    """The run that a damaged file is of, as the same command would."""
    folder = path.parent
    from_dict(CompareConfig, read_json(folder / "config.json"), str(folder / "config.json"))
    return load_finished_results(folder, to_dict(CompareConfig()), overwrite=False)


def checkpoint_samples(folder: Path) -> list[Sample]:
    """A checkpoint's files, but its sums."""
    tree = {"params": {"kernel": np.arange(6.0, dtype=np.float32).reshape(2, 3)}, "none": np.zeros((0, 2))}
    save_tree(folder / CHECKPOINT_DIR, tree, {"epoch": 3})
    return _file_samples(folder, CHECKPOINT_DIR)


def read_checkpoint(path: Path) -> object:
    """The checkpoint that a damaged file is of; its sums are made anew, so that the damage is its author's."""
    folder = next(parent for parent in path.parents if parent.name == CHECKPOINT_DIR)
    with _refreshed_manifest(folder):
        return load_tree(folder)


@contextlib.contextmanager
def _refreshed_manifest(folder: Path) -> Iterator[None]:
    before = (folder / MANIFEST).read_bytes()
    write_manifest(folder)
    try:
        yield
    finally:
        (folder / MANIFEST).write_bytes(before)


def _file_samples(room: Path, name: str) -> list[Sample]:
    files = sorted(path for path in (room / name).rglob("*") if path.is_file() and path.name != MANIFEST)
    return [Sample(str(path.relative_to(room)), path.read_bytes()) for path in files if path.stat().st_size]
