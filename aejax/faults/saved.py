"""Small valid folders of our own, to be damaged by somebody who also makes their sums anew."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from aejax.config import CompareConfig, from_dict, to_dict
from aejax.faults.corpus import Sample
from aejax.store.files import read_json
from aejax.store.manifest import MANIFEST, write_manifest
from aejax.store.runs import finished_results, open_run
from aejax.store.trees import load_folder, save_folder

RUN, TREE = "run", "checkpoint"


def run_samples(room: Path) -> list[Sample]:
    """A finished run's files."""
    with open_run(room / RUN, to_dict(CompareConfig()), about={"versions": {"jax": "0"}}) as run:
        run.finish({"schema": 1, "methods": []})
    return _samples(room, RUN)


def read_run(path: Path) -> object:
    """The run that a damaged file is of, as the same command would."""
    folder = path.parent
    from_dict(CompareConfig, read_json(folder / "config.json"), str(folder / "config.json"))
    return finished_results(folder, to_dict(CompareConfig()), overwrite=False)


def tree_samples(room: Path) -> list[Sample]:
    """A checkpoint's files, but its sums."""
    tree = {"params": {"kernel": np.arange(6.0, dtype=np.float32).reshape(2, 3)}, "none": np.zeros((0, 2))}
    save_folder(room / TREE, tree, {"epoch": 3})
    return _samples(room, TREE)


def read_tree(path: Path) -> object:
    """The checkpoint that a damaged file is of; its sums are made anew, so that the damage is its author's."""
    folder = next(parent for parent in path.parents if parent.name == TREE)
    with _summed_anew(folder):
        return load_folder(folder)


@contextlib.contextmanager
def _summed_anew(folder: Path) -> Iterator[None]:
    before = (folder / MANIFEST).read_bytes()
    write_manifest(folder)
    try:
        yield
    finally:
        (folder / MANIFEST).write_bytes(before)


def _samples(room: Path, name: str) -> list[Sample]:
    files = sorted(path for path in (room / name).rglob("*") if path.is_file() and path.name != MANIFEST)
    return [Sample(str(path.relative_to(room)), path.read_bytes()) for path in files if path.stat().st_size]
