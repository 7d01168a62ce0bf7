"""Loads files and folders of arrays: `.npz` archives, folders of `.npy` files, and MNIST's IDX files.

Inputs, labels and splits are found by the names of the arrays, see `choose_arrays`. In a folder, an `.npz` file that
holds a single array counts as an `.npy` file, as in `k49-train-imgs.npz`.
"""

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aejax.config import DataConfig
from aejax.data.archives import NPY_SUFFIX, open_archive, open_npy
from aejax.data.array_names import choose_arrays
from aejax.data.dataset import Dataset
from aejax.data.idx import locate_idx_files, read_idx_splits
from aejax.data.labelled_arrays import ArraySplits, LabelledArrays, add_test_file, dataset_from_splits
from aejax.data.links import require_within
from aejax.data.memory import require_host_memory
from aejax.errors import list_names, require

ARRAY_SUFFIX = ".npz"


def is_array_source(path: Path) -> bool:
    """Whether a path is an `.npz` file, or a folder or prefix of `.npy` or IDX files."""
    if path.is_dir():
        return locate_idx_files(path) is not None or bool(_find_npy_files(path))
    return (path.suffix.lower() == ARRAY_SUFFIX and path.is_file()) or locate_idx_files(path) is not None


def load_arrays(path: Path, config: DataConfig) -> Dataset:
    """Loads arrays with labels; of `config`, `label_column`, `layout`, `image_shape` and `test` are used.

    Raises:
        InputError: files are damaged, need pickle or are links out of their folder, or arrays cannot be understood.
    """
    name, splits = _read_splits(path, config.label_column)
    if config.test is not None:
        require(is_array_source(config.test), f"--test {config.test}: no file or folder of arrays, which {path} is")
        _, other = _read_splits(config.test, config.label_column, is_test_file=True)
        splits = add_test_file(splits, other)
    return dataset_from_splits(splits, config, name)


def _read_splits(path: Path, label_column: str | None, is_test_file: bool = False) -> tuple[str, ArraySplits]:
    """Returns the dataset's name and its arrays."""
    idx_files = locate_idx_files(path)
    if idx_files:
        require(
            label_column is None, f"--label-column {label_column}: {path} has no columns to choose from; leave it out"
        )
        return idx_files.name, read_idx_splits(idx_files, is_test_file)
    if path.is_dir():
        files = {name: functools.partial(_read_single, file, path) for name, file in _find_npy_files(path).items()}
        return path.resolve().name, _read_chosen(files, str(path), label_column)
    with open_archive(path) as members:
        return path.stem, _read_chosen(members, str(path), label_column)


def _find_npy_files(folder: Path) -> dict[str, Path]:
    """Returns the `.npy` and `.npz` files of a folder by name, without suffix and without a common prefix."""
    paths = sorted(path for path in folder.glob("*.np[yz]") if path.name[0] != "." and path.is_file())
    stems = [path.stem for path in paths]
    prefix = os.path.commonprefix(stems) if len(stems) > 1 else ""  # noqa: RUF071  names, by character
    start = max(prefix.rfind("-"), prefix.rfind("_")) + 1
    return {path.stem[start:]: path for path in paths}


def _read_single(path: Path, folder: Path) -> np.ndarray:
    """Returns the array of an `.npy` file, or the only array of an `.npz` file."""
    require_within(path, folder)
    if path.suffix == NPY_SUFFIX:
        mapped = open_npy(path)
        require_host_memory(mapped.nbytes, f"{path}: values of shape {mapped.shape}")
        return np.array(mapped)
    with open_archive(path) as readers:
        require(
            len(readers) == 1, f"{path}: holds arrays {list_names([*readers])}; give it as --dataset, not its folder"
        )
        (read,) = readers.values()
        return read()


def _read_chosen(readers: Mapping[str, Callable[[], np.ndarray]], source: str, label_column: str | None) -> ArraySplits:
    """Returns the arrays whose names `choose_arrays` knows, by split, with a note of those that are not used."""
    pairs, index = choose_arrays(list(readers), source, label_column)
    parts: dict[str, Any] = {
        split: LabelledArrays(readers[inputs](), _select_column(readers[labels](), index, source), (inputs, labels))
        for split, (inputs, labels) in pairs.items()
    }
    used = [name for pair in pairs.values() for name in pair]
    unused = [name for name in readers if name not in used]
    notes = (f"arrays not used: {list_names(unused)}",) if unused else ()
    if index is not None:
        notes = (*notes, f"labels are column {index} of {pairs['train'][1]}")
    return ArraySplits(source, **parts, notes=notes)


def _select_column(labels: np.ndarray, index: int | None, source: str) -> np.ndarray:
    """Returns the labels, or one column of them."""
    if index is None:
        return labels
    require(
        labels.ndim == 2 and -labels.shape[1] <= index < labels.shape[1],
        f"{source}: labels have shape {labels.shape}; expected a column {index} for --label-column",
    )
    return labels[:, index]
