"""Reads folders of `.npy` files into memory: `X.npy` with `y.npy`, or other names that `choose_arrays` knows.

An `.npz` file that holds a single array counts as an `.npy` file, as in `k49-train-imgs.npz`.
"""

import os
import warnings
from pathlib import Path

import numpy as np

from aejax.data.archives import HEADER_READERS, NPY_SUFFIX, PLAIN_ARRAYS_HINT, open_archive, reject_objects
from aejax.data.array_names import choose_arrays
from aejax.data.labelled_arrays import ArraySplits
from aejax.data.links import require_within
from aejax.data.memory import require_host_memory
from aejax.data.npz import splits_of
from aejax.errors import InputError, list_names, require, summarize_error


def find_npy_files(folder: Path) -> dict[str, Path]:
    """Returns the `.npy` and `.npz` files of a folder by name, without suffix and without a common prefix."""
    paths = sorted(path for path in folder.glob("*.np[yz]") if path.name[0] != "." and path.is_file())
    stems = [path.stem for path in paths]
    prefix = os.path.commonprefix(stems) if len(stems) > 1 else ""  # noqa: RUF071  names, by character
    start = max(prefix.rfind("-"), prefix.rfind("_")) + 1
    return {path.stem[start:]: path for path in paths}


def read_npy_folder(folder: Path, label_column: str | None = None) -> ArraySplits:
    """Returns the inputs, labels and splits of a folder of `.npy` files.

    Raises:
        InputError: a file is damaged, holds objects, is a link out of the folder, or memory cannot hold the arrays.
    """
    files = find_npy_files(folder)
    chosen = choose_arrays(list(files), str(folder), label_column)
    arrays = {}
    for name in chosen.array_names:
        require_within(files[name], folder)
        arrays[name] = _read_npy(files[name]) if files[name].suffix == NPY_SUFFIX else _read_single(files[name])
    return splits_of(arrays, chosen, str(folder))


def _read_single(path: Path) -> np.ndarray:
    """Returns the only array of an `.npz` file."""
    with open_archive(path) as readers:
        require(
            len(readers) == 1, f"{path}: holds arrays {list_names([*readers])}; give it as --dataset, not its folder"
        )
        (read,) = readers.values()
        return read()


def _read_npy(path: Path) -> np.ndarray:
    mapped = open_npy(path)
    require_host_memory(mapped.nbytes, f"{path}: values of shape {mapped.shape}")
    return np.array(mapped)


def open_npy(path: Path) -> np.memmap:
    """Returns the memory-mapped array of a file, whose header is held against the file's size.

    Raises:
        InputError: the file is no intact `.npy` file, or holds objects.
    """
    require(path.is_file(), f"{path}: not a regular file; expected a file that np.save wrote")
    try:
        # NumPy warns of headers that Python 2 wrote (12L for 12) and of old names of types (a8 for S8).
        with warnings.catch_warnings(action="ignore"), path.open("rb") as file:
            _, _, dtype = HEADER_READERS[np.lib.format.read_magic(file)](file)
            reject_objects(dtype, f"{path}:")
            return np.lib.format.open_memmap(path, mode="r")
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:  # NumPy evaluates the header as a Python literal, which can fail in many ways
        raise InputError(
            f"{path}: not an intact .npy file ({summarize_error(error, 100)}); {PLAIN_ARRAYS_HINT}"
        ) from error
