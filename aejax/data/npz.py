"""Reads `.npz` archives and validates every member before it allocates memory for it.

NumPy's own reader allocates what a header announces, returns bytes for members that are not arrays, and lets some
damaged headers raise arbitrary exceptions. Here a member is read only if its header, the archive's directory and the
available memory agree on its size. Nothing is unpickled, and nothing is extracted to disk.
"""

import math
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from aejax.config import DataConfig
from aejax.data.dataset import Dataset, make_dataset
from aejax.data.memory import require_host_memory
from aejax.errors import InputError, list_names, require, summarize_error

INPUT_LABEL_NAMES = (("x", "y"), ("X", "y"), ("inputs", "labels"))  # accepted names of the arrays
TRAIN_TEST_NAMES = ("x_train", "y_train", "x_test", "y_test")  # with an official test split, as in Keras
EXPECTED_ARRAYS = (
    f"expected exactly one of {'; '.join(', '.join(names) for names in (*INPUT_LABEL_NAMES, TRAIN_TEST_NAMES))}"
)
NPY_SUFFIX = ".npy"
NPY_MAGIC = b"\x93NUMPY"
HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
REFETCH_HINT = "write or fetch it again"
PLAIN_ARRAYS_HINT = "save plain number and text arrays with numpy.savez"


def load_npz(path: Path, config: DataConfig) -> Dataset:
    """Loads arrays named `x, y`, `X, y`, `inputs, labels`, or `x_train, y_train, x_test, y_test`.

    uint8 examples of two or more axes are images with values from 0 to 255; `(n, height, width)` gains a channel axis.

    Args:
        path: the `.npz` file.
        config: unused; all file readers have one signature.

    Raises:
        InputError: the file is damaged or needs pickle, or its arrays have other names or incompatible shapes.
    """
    arrays = read_arrays(path, lambda names: _select_names(names, path))
    if TRAIN_TEST_NAMES[0] in arrays:
        inputs, labels, test_rows = _concatenate_splits(arrays, path)
    else:
        (inputs, labels), test_rows = arrays.values(), None
    image = inputs.dtype == np.uint8 and inputs.ndim >= 3
    return make_dataset(
        path.stem,
        inputs[..., None] if image and inputs.ndim == 3 else inputs,
        labels,
        source=str(path),
        value_range=(0.0, 255.0) if image else None,
        test_rows=test_rows,
    )


def _select_names(names: list[str], path: Path) -> tuple[str, ...]:
    """Returns the one naming scheme that the file follows."""
    schemes = [scheme for scheme in (*INPUT_LABEL_NAMES, TRAIN_TEST_NAMES) if set(scheme) <= set(names)]
    require(len(schemes) == 1, f"{path}: holds arrays {list_names(names) or '(none)'}; {EXPECTED_ARRAYS}")
    return schemes[0]


def _concatenate_splits(arrays: dict[str, np.ndarray], path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns inputs and labels with the training rows first, and the row numbers of the test split."""
    train, train_labels, test, test_labels = (arrays[name] for name in TRAIN_TEST_NAMES)
    for part, inputs, labels in (("train", train, train_labels), ("test", test, test_labels)):
        require(
            inputs.ndim >= 1 and labels.ndim >= 1 and len(inputs) == len(labels),
            f"{path}: x_{part} has shape {inputs.shape} and y_{part} {labels.shape}; expected equal numbers of rows",
        )
    for name, first, second in (("x", train, test), ("y", train_labels, test_labels)):
        # Labels may differ in width of text or type of number; uint8 images would lose their range among floats.
        kinds = first.dtype.kind + second.dtype.kind
        compatible = name == "y" and (kinds in ("UU", "SS") or set(kinds) <= set("biuf"))
        require(
            first.shape[1:] == second.shape[1:] and (compatible or first.dtype == second.dtype),
            f"{path}: {name}_train is {first.dtype} of shape {first.shape}, {name}_test {second.dtype} of "
            f"{second.shape}; expected one dtype and one shape of example",
        )
    test_rows = np.arange(len(train), len(train) + len(test))
    return np.concatenate([train, test]), np.concatenate([train_labels, test_labels]), test_rows


def read_arrays(path: Path, select_names: Callable[[list[str]], Sequence[str]]) -> dict[str, np.ndarray]:
    """Returns selected arrays of an `.npz` file, in the order of selection.

    Args:
        path: the file.
        select_names: returns the names to read, given all names; may raise `InputError`.

    Raises:
        InputError: the file is damaged, holds a name twice or a path outside the archive, needs pickle, or announces
            more than its members hold or memory has.
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        require(
            file.read(6) != NPY_MAGIC,
            f"{path}: holds a single .npy array; {PLAIN_ARRAYS_HINT}, under the expected names",
        )
        try:
            # NumPy warns of headers that Python 2 wrote (12L for 12).
            with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(file) as archive:
                members = _list_members(archive, path)
                selected = select_names(list(members))
                total = sum(_checked_size(archive, members[name], name, path) for name in selected)
                require_host_memory(total, f"{path}: arrays {', '.join(selected)}")
                return {name: _read_values(archive, members[name]) for name in selected}
        except InputError:
            raise
        except Exception as error:  # zipfile and its decompressors raise a dozen types, depending on the damage
            raise InputError(
                f"{path}: not an intact .npz file ({summarize_error(error, 120)}); {REFETCH_HINT}"
            ) from error


def _list_members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Returns the archive's members by array name."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        member_path = PurePosixPath(info.filename.replace("\\", "/"))
        require(
            not member_path.is_absolute() and ".." not in member_path.parts,
            f"{path}: member {info.filename[:60]!r} leads out of the archive; {PLAIN_ARRAYS_HINT}",
        )
        name = info.filename.removesuffix(NPY_SUFFIX)
        require(name not in members, f"{path}: holds {name[:60]!r} twice; {REFETCH_HINT}")
        members[name] = info
    return members


def _checked_size(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, path: Path) -> int:
    """Returns the bytes that a member's header announces, which must agree with the archive's directory."""
    with archive.open(info) as stream:
        try:
            shape, _, dtype = HEADER_READERS[np.lib.format.read_magic(stream)](stream)
            valid = all(type(size) is int and 0 <= size < 2**63 for size in shape)
            stored = info.file_size - stream.tell()
        except Exception:  # NumPy evaluates the header as a Python literal, which can fail in many ways
            valid = False
    require(valid, f"{path}: not an intact .npz file: {name} is no .npy array; {PLAIN_ARRAYS_HINT}")
    require(not dtype.hasobject, f"{path}: {name} holds pickled objects, which can run code; {PLAIN_ARRAYS_HINT}")
    announced = math.prod(shape) * dtype.itemsize
    require(
        announced == stored,
        f"{path}: not an intact .npz file: {name} announces {announced} bytes and holds {stored}; {REFETCH_HINT}",
    )
    return announced


def _read_values(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(info) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
        stream.read(1)  # reaching the end makes zipfile verify the CRC
    return array
