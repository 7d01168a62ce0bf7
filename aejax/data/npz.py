"""Reads `.npz` archives and validates every member before it allocates memory for it.

NumPy's own reader allocates what a header announces, returns bytes for members that are not arrays, and lets some
damaged headers raise arbitrary exceptions. Here a member is read only if its header, the archive's directory and the
available memory agree on its size. Nothing is unpickled, and nothing is extracted to disk.
"""

import math
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from aejax.data.array_names import ArrayNames, choose_arrays
from aejax.data.labelled_arrays import ArraySplits, LabelledArrays
from aejax.data.memory import require_host_memory
from aejax.errors import InputError, list_names, require, summarize_error

NPY_SUFFIX = ".npy"
NPY_MAGIC = b"\x93NUMPY"
HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
REFETCH_HINT = "write or fetch it again"
PLAIN_ARRAYS_HINT = "save plain number and text arrays with numpy.savez"


def read_npz(path: Path, label_column: str | None = None) -> ArraySplits:
    """Returns the inputs, labels and splits of an archive, which are found by name, see `choose_arrays`.

    Args:
        path: the `.npz` file.
        label_column: as in `choose_arrays`.

    Raises:
        InputError: the file is damaged or needs pickle, or its arrays have other names.
    """
    chosen: list[ArrayNames] = []

    def select_names(names: list[str]) -> list[str]:
        chosen.append(choose_arrays(names, str(path), label_column))
        return [name for pair in chosen[0].pairs for name in pair]

    arrays = read_arrays(path, select_names)
    return splits_of(arrays, chosen[0], str(path))


def splits_of(arrays: Mapping[str, np.ndarray], chosen: ArrayNames, source: str) -> ArraySplits:
    """Returns the chosen arrays by split, with a note of those that are not used."""
    train, validation, test = (
        LabelledArrays(arrays[pair.inputs], _select_column(arrays[pair.labels], chosen.label_index, source), pair)
        if pair
        else None
        for pair in (chosen.train, chosen.validation, chosen.test)
    )
    assert train is not None
    notes = (f"arrays not used: {list_names(chosen.unused)}",) if chosen.unused else ()
    if chosen.label_index is not None:
        notes = (*notes, f"labels are column {chosen.label_index} of {chosen.train.labels}")
    return ArraySplits(source, train, validation, test, notes)


def _select_column(labels: np.ndarray, index: int | None, source: str) -> np.ndarray:
    """Returns the labels, or one column of them."""
    if index is None:
        return labels
    require(
        labels.ndim == 2 and -labels.shape[1] <= index < labels.shape[1],
        f"{source}: labels have shape {labels.shape}; expected a column {index} for --label-column",
    )
    return labels[:, index]


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
    reject_objects(dtype, f"{path}: {name}")
    announced = math.prod(shape) * dtype.itemsize
    require(
        announced == stored,
        f"{path}: not an intact .npz file: {name} announces {announced} bytes and holds {stored}; {REFETCH_HINT}",
    )
    return announced


def reject_objects(dtype: np.dtype, location: str) -> None:
    """Raises InputError for an array of Python objects."""
    require(
        not dtype.hasobject,
        f"{location} holds pickled objects, which can run code and are not read; save labels as text, y.astype(str), "
        "and examples as one array, numpy.stack(x)",
    )


def _read_values(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(info) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
        stream.read(1)  # reaching the end makes zipfile verify the CRC
    return array
