"""The arrays of an `.npz` file, each looked at before anything of its size is allocated.

NumPy's own reader allocates what a header announces, hands out bytes for members that are no arrays, and leaves some of
what is wrong with a header to whatever Python raises. Here a member is read only if its header, the archive's directory
and the memory that is left agree on its size. Nothing is unpickled, and nothing is ever extracted to a path.
"""

import math
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from aejax.data.memory import require_host_memory
from aejax.errors import InputError, require

NPY_SUFFIX = ".npy"
NPY_MAGIC = b"\x93NUMPY"
BLOCK_BYTES = 1 << 24  # unpacked at a time
HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
REFETCH_HINT = "write or fetch it again"
PLAIN_ARRAYS_HINT = "save plain number and text arrays with numpy.savez"


class NpyHeader(NamedTuple):
    """What a member says of itself before its values."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype
    header_bytes: int  # bytes of the header

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_arrays(path: Path, select_names: Callable[[list[str]], Sequence[str]]) -> dict[str, np.ndarray]:
    """Some arrays of an `.npz` file, in the order in which they are chosen.

    Args:
        path: the file.
        choose: the names to read of those that there are; may refuse them all with an `InputError`.

    Raises:
        InputError: the file is damaged, holds a name twice or one that leads out of it, needs pickle, or announces
            more than its members hold or memory has.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        require(
            file.read(6) != NPY_MAGIC,
            f"{path}: holds a single .npy array; {PLAIN_ARRAYS_HINT}, under the names that are read",
        )
        try:
            with zipfile.ZipFile(file) as archive:
                members = _list_members(archive, path)
                chosen = select_names(list(members))
                headers = {name: _read_header(archive, members[name], name, path) for name in chosen}
                total = sum(header.nbytes for header in headers.values())
                require_host_memory(total, f"{path}: arrays {', '.join(chosen)}")
                return {name: _read_values(archive, members[name], headers[name]) for name in chosen}
        except InputError:
            raise
        except Exception as error:  # zipfile and its decompressors raise a dozen kinds, each where it meets the damage
            why = " ".join(str(error).split())[:120] or type(error).__name__
            raise InputError(f"{path}: not an intact .npz file ({why}); {REFETCH_HINT}") from error


def _list_members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """The archive's members by the name of their array."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        place = PurePosixPath(info.filename.replace("\\", "/"))
        require(
            not place.is_absolute() and ".." not in place.parts,
            f"{path}: member {info.filename[:60]!r} leads out of the archive; {PLAIN_ARRAYS_HINT}",
        )
        name = info.filename.removesuffix(NPY_SUFFIX)
        require(name not in members, f"{path}: holds {name[:60]!r} twice; {REFETCH_HINT}")
        members[name] = info
    return members


def _read_header(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, path: Path) -> NpyHeader:
    """The header of a member, once its size is known to be what the archive's directory says."""
    with archive.open(info) as stream:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python 2 wrote 12L for 12
                header = _parse_header(stream)
        except Exception as error:  # NumPy evaluates the header as a Python literal, with all that can befall one
            raise InputError(
                f"{path}: not an intact .npz file: {name} is no .npy array; {PLAIN_ARRAYS_HINT}"
            ) from error
    require(
        not header.dtype.hasobject, f"{path}: {name} holds pickled objects, which can run code; {PLAIN_ARRAYS_HINT}"
    )
    held = info.file_size - header.header_bytes
    require(
        header.nbytes == held,
        f"{path}: not an intact .npz file: {name} announces {header.nbytes} bytes and holds {held}; {REFETCH_HINT}",
    )
    return header


def _parse_header(stream: Any) -> NpyHeader:
    """The header of an open member."""
    read_header = HEADER_READERS[np.lib.format.read_magic(stream)]
    shape, fortran, dtype = read_header(stream)
    if not all(type(size) is int and 0 <= size < 2**63 for size in shape):
        raise ValueError(f"shape {shape}")
    return NpyHeader(shape, fortran, dtype, stream.tell())


def _read_values(archive: zipfile.ZipFile, info: zipfile.ZipInfo, header: NpyHeader) -> np.ndarray:
    """The array, unpacked block by block into its place; the last byte brings the check of the archive's CRC."""
    held = np.empty(header.nbytes, np.uint8)
    with archive.open(info) as stream:
        stream.read(header.header_bytes)
        for start in range(0, header.nbytes, BLOCK_BYTES):
            block = stream.read(min(BLOCK_BYTES, header.nbytes - start))
            held[start : start + len(block)] = np.frombuffer(block, np.uint8)
            if len(block) < min(BLOCK_BYTES, header.nbytes - start):
                raise EOFError(f"{info.filename} ends too early")
        stream.read(1)
    return np.ndarray(header.shape, header.dtype, held, order="F" if header.fortran_order else "C")
