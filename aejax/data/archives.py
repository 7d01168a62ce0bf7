"""Opens `.npz` and `.npy` files: every array is validated before memory is allocated for it.

NumPy's own reader allocates what a header announces, returns bytes for members that are not arrays, and lets some
damaged headers raise arbitrary exceptions. Here the member of an archive is read only if its header, the archive's
directory and the available memory agree on its size. Nothing is unpickled, and nothing is extracted to disk.
"""

import contextlib
import functools
import math
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from aejax.data.memory import require_host_memory
from aejax.errors import InputError, require, summarize_error

NPY_SUFFIX = ".npy"
HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
REFETCH_HINT = "write or fetch it again"
PLAIN_ARRAYS_HINT = "save plain number and text arrays with numpy.savez"


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[dict[str, Callable[[], np.ndarray]]]:
    """Yields functions that read the arrays of an `.npz` file, by name; whatever they raise becomes an `InputError`.

    Raises:
        InputError: the file is damaged, or holds a name twice; or an array needs pickle,
            or announces more than its member holds or memory has.
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        try:
            # NumPy warns of headers that Python 2 wrote (12L for 12).
            with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(file) as archive:
                members = _list_members(archive, path).items()
                yield {name: functools.partial(_read_member, archive, info, name, path) for name, info in members}
        except (InputError, MemoryError):
            raise
        except Exception as error:  # zipfile and its decompressors raise a dozen types, depending on the damage
            raise InputError(
                f"{path}: not an intact .npz file ({summarize_error(error, 120)}); {REFETCH_HINT}"
            ) from error


def _list_members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Returns the archive's members by array name."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(NPY_SUFFIX)
        require(name not in members, f"{path}: holds {name[:60]!r} twice; {REFETCH_HINT}")
        members[name] = info
    return members


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, path: Path) -> np.ndarray:
    """Returns an array whose header, size in the archive's directory and available memory agree."""
    with archive.open(info) as stream:
        shape, _, dtype = HEADER_READERS[np.lib.format.read_magic(stream)](stream)
        stored = info.file_size - stream.tell()
    valid = all(type(size) is int and 0 <= size < 2**63 for size in shape)
    require(valid, f"{path}: not an intact .npz file: {name} is no .npy array; {PLAIN_ARRAYS_HINT}")
    _reject_objects(dtype, f"{path}: {name}")
    announced = math.prod(shape) * dtype.itemsize
    require(
        announced == stored,
        f"{path}: not an intact .npz file: {name} announces {announced} bytes and holds {stored}; {REFETCH_HINT}",
    )
    require_host_memory(announced, f"{path}: values of {name}")
    with archive.open(info) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
        stream.read(1)  # reaching the end makes zipfile verify the CRC
    return array


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
            _reject_objects(dtype, f"{path}:")
            return np.lib.format.open_memmap(path, mode="r")
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:  # NumPy evaluates the header as a Python literal, which can fail in many ways
        raise InputError(
            f"{path}: not an intact .npy file ({summarize_error(error, 100)}); {PLAIN_ARRAYS_HINT}"
        ) from error


def _reject_objects(dtype: np.dtype, location: str) -> None:
    """Raises InputError for an array of Python objects."""
    require(
        not dtype.hasobject,
        f"{location} holds pickled objects, which can run code and are not read; save labels as text, y.astype(str), "
        "and examples as one array, numpy.stack(x)",
    )
