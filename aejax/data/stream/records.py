"""A folder of array_record files whose records are NumPy's own bytes: one example each, with or without its label."""

import io
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int, Shaped

from aejax.data.stream.npy import READERS
from aejax.data.stream.source import kept, kept_dtype
from aejax.errors import InputError, require

SUFFIXES = (".array_record", ".arrayrecord")
EXPECTED = "expected what np.save writes of one example, or np.savez of inputs and label"
NPY, ZIP = b"\x93NUMPY", b"PK"
LARGEST_HEADER = 1 << 16  # bytes that an array in a record may have before its numbers


class Header(NamedTuple):
    """How a record's array begins."""

    content: bytes  # all before the numbers
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def size(self) -> int:
        """Bytes of the numbers."""
        return int(np.prod(self.shape)) * self.dtype.itemsize


def array_record() -> Any:
    """The library. Raises InputError where it is not installed."""
    try:
        from array_record.python import array_record_module
    except ImportError as error:
        raise InputError(f"--stream: needs array_record ({error}); pip install -e '.[stream]'") from error
    return array_record_module


def record_files(folder: Path) -> list[Path]:
    """The array_record files of a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.name[0] != ".")


class RecordSource:
    """Every record of every file, in the order of the files' names.

    Arrays of uint8 with two or more axes are images with values from 0 to 255; `(height, width)` gains a channel.

    Raises:
        InputError: there are no records, or the first is no such array.
    """

    value_range: tuple[float, float] | None
    class_names: tuple[str, ...] | None = None

    def __init__(self, folder: Path) -> None:
        library = array_record()
        self._paths = record_files(folder)
        self._readers = [library.ArrayRecordReader(str(path)) for path in self._paths]
        counts = [reader.num_records() for reader in self._readers]
        for path, count in zip(self._paths, counts, strict=True):
            require(count, f"{path}: holds no records; it is empty or cut short; copy it again, or take it out")
        self._starts = np.cumsum([0, *counts])
        self.name, self.n = folder.resolve().name, int(self._starts[-1])
        first = self._records(np.zeros(1, np.int64))[0]
        self._zipped = first.startswith(ZIP)
        self._header = _header(_member(first, "inputs.npy", self.place(0)) if self._zipped else first, self.place(0))
        self.labelled = self._zipped and "label.npy" in _names(first, self.place(0))
        shape, dtype = self._header.shape, self._header.dtype
        require(
            dtype.kind in "biuf" and self._header.size > 0 and len(shape) >= 1,
            f"{self.place(0)}: holds {dtype} of shape {shape}; expected real numbers, one or more",
        )
        image = dtype == np.uint8 and len(shape) >= 2
        self.shape = (*shape, 1) if image and len(shape) == 2 else shape
        self.dtype, self.value_range = kept_dtype(dtype), (0.0, 255.0) if image else None
        self.bytes = sum(path.stat().st_size for path in self._paths)

    def read(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k *shape"]:
        """As `Source.read`."""
        numbers = b"".join(
            self._numbers(record, row) for row, record in zip(rows.tolist(), self._records(rows), strict=True)
        )
        return kept(np.frombuffer(numbers, self._header.dtype).reshape(len(rows), *self.shape), self, rows)

    def labels(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, " k"]:
        """As `Source.labels`."""
        found = []
        for row, record in zip(rows.tolist(), self._records(rows), strict=True):
            content = _member(record, "label.npy", self.place(row))
            header = _header(content, self.place(row))
            require(
                header.shape == () and header.dtype.kind in "biuU",
                f"{self.place(row)}: its label is {header.dtype} of shape {header.shape}; expected one class number",
            )
            found.append(np.frombuffer(content[len(header.content) :], header.dtype, 1)[0])
        return np.array(found)

    def place(self, row: int) -> str:
        """The file and the record in it."""
        file = int(np.searchsorted(self._starts, row, side="right")) - 1
        return f"{self._paths[file]}: record {row - int(self._starts[file])}"

    def _records(self, rows: Int[np.ndarray, " k"]) -> list[bytes]:
        found: list[bytes] = []
        bounds = np.searchsorted(rows, self._starts)
        for file, reader in enumerate(self._readers):
            own = rows[bounds[file] : bounds[file + 1]] - self._starts[file]
            if len(own):
                try:
                    found += reader.read(own.tolist())
                except Exception as error:  # what a damaged file raises depends on where the damage is
                    reason = " ".join(str(error).split())[:100]
                    raise InputError(f"{self._paths[file]}: damaged ({reason}); copy it again") from error
        return found

    def _numbers(self, record: bytes, row: int) -> bytes:
        """The bytes behind the header, which all records share."""
        zipped = record.startswith(ZIP)
        content = _member(record, "inputs.npy", self.place(row), self._header) if zipped else record
        expected = self._header
        if content.startswith(expected.content) and len(content) == len(expected.content) + expected.size:
            return content[len(expected.content) :]
        found = _header(content, self.place(row))
        require(
            (found.shape, found.dtype) == (expected.shape, expected.dtype),
            f"{self.place(row)}: holds {found.dtype} of shape {found.shape}; expected {expected.dtype} of "
            f"{expected.shape}, as in the first record",
        )
        require(
            len(content) == len(found.content) + found.size,
            f"{self.place(row)}: {len(content)} bytes, and its header announces {len(found.content) + found.size}; "
            "write it again",
        )
        return content[len(found.content) :]


def _header(content: bytes, place: str) -> Header:
    require(content.startswith(NPY), f"{place}: begins with {content[:8]!r}; {EXPECTED}")
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        require(version in READERS, f"{place}: .npy of version {version}; {EXPECTED}")
        shape, by_columns, dtype = READERS[version](file)
    except (ValueError, EOFError) as error:
        raise InputError(f"{place}: damaged ({' '.join(str(error).split())[:100]}); {EXPECTED}") from error
    require(dtype.kind != "O", f"{place}: holds Python objects, which are not opened; {EXPECTED}")
    require(not by_columns or len(shape) < 2, f"{place}: is laid out by columns (Fortran order); save it C-ordered")
    return Header(content[: file.tell()], tuple(shape), dtype)


def _opened(record: bytes, place: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(record))
    except zipfile.BadZipFile as error:
        raise InputError(f"{place}: damaged ({error}); {EXPECTED}") from error


def _names(record: bytes, place: str) -> list[str]:
    return _opened(record, place).namelist()


def _member(record: bytes, name: str, place: str, expected: Header | None = None) -> bytes:
    """An array of a record that `np.savez` wrote; one that would unpack to more than is expected is not unpacked."""
    with _opened(record, place) as archive:
        require(name in archive.namelist(), f"{place}: holds no {name.removesuffix('.npy')}; {EXPECTED}")
        most = LARGEST_HEADER + (1 << 30 if expected is None else expected.size)
        size = archive.getinfo(name).file_size
        require(size <= most, f"{place}: its {name} announces {size} bytes; expected at most {most}")
        try:
            return archive.read(name)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError) as error:
            raise InputError(f"{place}: damaged ({' '.join(str(error).split())[:100]}); {EXPECTED}") from error
