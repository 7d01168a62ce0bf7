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

from aejax.data.memory import require_host_room
from aejax.errors import InputError, require

SUFFIX = ".npy"
NPY_MAGIC = b"\x93NUMPY"
BLOCK_BYTES = 1 << 24  # unpacked at a time
HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
AGAIN = "write or fetch it again"
PLAIN = "save plain number and text arrays with numpy.savez"


class Header(NamedTuple):
    """What a member says of itself before its values."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    length: int  # bytes of the header

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_arrays(path: Path, choose: Callable[[list[str]], Sequence[str]]) -> dict[str, np.ndarray]:
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
        require(file.read(6) != NPY_MAGIC, f"{path}: holds a single .npy array; {PLAIN}, under the names that are read")
        try:
            with zipfile.ZipFile(file) as archive:
                members = _members(archive, path)
                chosen = choose(list(members))
                headers = {name: _header_of(archive, members[name], name, path) for name in chosen}
                total = sum(header.nbytes for header in headers.values())
                require_host_room(total, f"{path}: arrays {', '.join(chosen)}")
                return {name: _values(archive, members[name], headers[name]) for name in chosen}
        except InputError:
            raise
        except Exception as error:  # zipfile and its decompressors raise a dozen kinds, each where it meets the damage
            why = " ".join(str(error).split())[:120] or type(error).__name__
            raise InputError(f"{path}: not an intact .npz file ({why}); {AGAIN}") from error


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """The archive's members by the name of their array."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        place = PurePosixPath(info.filename.replace("\\", "/"))
        require(
            not place.is_absolute() and ".." not in place.parts,
            f"{path}: member {info.filename[:60]!r} leads out of the archive; {PLAIN}",
        )
        name = info.filename.removesuffix(SUFFIX)
        require(name not in members, f"{path}: holds {name[:60]!r} twice; {AGAIN}")
        members[name] = info
    return members


def _header_of(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, path: Path) -> Header:
    """The header of a member, once its size is known to be what the archive's directory says."""
    with archive.open(info) as stream:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python 2 wrote 12L for 12
                header = _parsed(stream)
        except Exception as error:  # NumPy evaluates the header as a Python literal, with all that can befall one
            raise InputError(f"{path}: not an intact .npz file: {name} is no .npy array; {PLAIN}") from error
    require(not header.dtype.hasobject, f"{path}: {name} holds pickled objects, which can run code; {PLAIN}")
    held = info.file_size - header.length
    require(
        header.nbytes == held,
        f"{path}: not an intact .npz file: {name} announces {header.nbytes} bytes and holds {held}; {AGAIN}",
    )
    return header


def _parsed(stream: Any) -> Header:
    """The header of an open member."""
    read_header = HEADER_READERS[np.lib.format.read_magic(stream)]
    shape, fortran, dtype = read_header(stream)
    if not all(type(size) is int and 0 <= size < 2**63 for size in shape):
        raise ValueError(f"shape {shape}")
    return Header(shape, fortran, dtype, stream.tell())


def _values(archive: zipfile.ZipFile, info: zipfile.ZipInfo, header: Header) -> np.ndarray:
    """The array, unpacked block by block into its place; the last byte brings the check of the archive's CRC."""
    held = np.empty(header.nbytes, np.uint8)
    with archive.open(info) as stream:
        stream.read(header.length)
        for start in range(0, header.nbytes, BLOCK_BYTES):
            block = stream.read(min(BLOCK_BYTES, header.nbytes - start))
            held[start : start + len(block)] = np.frombuffer(block, np.uint8)
            if len(block) < min(BLOCK_BYTES, header.nbytes - start):
                raise EOFError(f"{info.filename} ends too early")
        stream.read(1)
    return np.ndarray(header.shape, header.dtype, held, order="F" if header.fortran else "C")
