"""A folder of array_record files whose records are NumPy's own bytes: one example each, with or without its label."""

import io
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int, Shaped

from aejax.data.stream.npy import HEADER_READERS
from aejax.data.stream.source import storage_dtype, to_storage_dtype
from aejax.errors import InputError, require

RECORD_SUFFIXES = (".array_record", ".arrayrecord")
EXPECTED_RECORD = "expected what np.save writes of one example, or np.savez of inputs and label"
NPY_MAGIC, ZIP_MAGIC = b"\x93NUMPY", b"PK"
MAX_HEADER_BYTES = 1 << 16  # bytes that an array in a record may have before its numbers


class RecordHeader(NamedTuple):
    """How a record's array begins."""

    prefix: bytes  # all before the numbers
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers."""
        return int(np.prod(self.shape)) * self.dtype.itemsize


def import_array_record() -> Any:
    """The library. Raises InputError where it is not installed."""
    try:
        from array_record.python import array_record_module
    except ImportError as error:
        raise InputError(f"--stream: needs array_record ({error}); pip install -e '.[stream]'") from error
    return array_record_module


def list_record_files(folder: Path) -> list[Path]:
    """The array_record files of a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix in RECORD_SUFFIXES and path.name[0] != ".")


class ArrayRecordSource:
    """Every record of every file, in the order of the files' names.

    Arrays of uint8 with two or more axes are images with values from 0 to 255; `(height, width)` gains a channel.

    Raises:
        InputError: there are no records, or the first is no such array.
    """

    value_range: tuple[float, float] | None
    class_names: tuple[str, ...] | None = None

    def __init__(self, folder: Path) -> None:
        library = import_array_record()
        self._paths = list_record_files(folder)
        self._readers = [library.ArrayRecordReader(str(path)) for path in self._paths]
        counts = [reader.num_records() for reader in self._readers]
        for path, count in zip(self._paths, counts, strict=True):
            require(count, f"{path}: holds no records; it is empty or cut short; copy it again, or take it out")
        self._starts = np.cumsum([0, *counts])
        self.name, self.n_examples = folder.resolve().name, int(self._starts[-1])
        first = self._read_records(np.zeros(1, np.int64))[0]
        self._zipped = first.startswith(ZIP_MAGIC)
        self._header = _parse_header(
            _read_member(first, "inputs.npy", self.describe_row(0)) if self._zipped else first, self.describe_row(0)
        )
        self.has_labels = self._zipped and "label.npy" in _member_names(first, self.describe_row(0))
        shape, dtype = self._header.shape, self._header.dtype
        require(
            dtype.kind in "biuf" and self._header.nbytes > 0 and len(shape) >= 1,
            f"{self.describe_row(0)}: holds {dtype} of shape {shape}; expected real numbers, one or more",
        )
        image = dtype == np.uint8 and len(shape) >= 2
        self.example_shape = (*shape, 1) if image and len(shape) == 2 else shape
        self.dtype, self.value_range = storage_dtype(dtype), (0.0, 255.0) if image else None
        self.nbytes = sum(path.stat().st_size for path in self._paths)

    def read(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k *shape"]:
        """As `Source.read`."""
        numbers = b"".join(
            self._value_bytes(record, row) for row, record in zip(rows.tolist(), self._read_records(rows), strict=True)
        )
        return to_storage_dtype(
            np.frombuffer(numbers, self._header.dtype).reshape(len(rows), *self.example_shape), self, rows
        )

    def read_labels(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, " k"]:
        """As `Source.labels`."""
        found = []
        for row, record in zip(rows.tolist(), self._read_records(rows), strict=True):
            content = _read_member(record, "label.npy", self.describe_row(row))
            header = _parse_header(content, self.describe_row(row))
            require(
                header.shape == () and header.dtype.kind in "biuU",
                f"{self.describe_row(row)}: its label is {header.dtype} of shape {header.shape}; expected one class number",
            )
            found.append(np.frombuffer(content[len(header.prefix) :], header.dtype, 1)[0])
        return np.array(found)

    def describe_row(self, row: int) -> str:
        """The file and the record in it."""
        file = int(np.searchsorted(self._starts, row, side="right")) - 1
        return f"{self._paths[file]}: record {row - int(self._starts[file])}"

    def _read_records(self, rows: Int[np.ndarray, " k"]) -> list[bytes]:
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

    def _value_bytes(self, record: bytes, row: int) -> bytes:
        """The bytes behind the header, which all records share."""
        zipped = record.startswith(ZIP_MAGIC)
        content = _read_member(record, "inputs.npy", self.describe_row(row), self._header) if zipped else record
        expected = self._header
        if content.startswith(expected.prefix) and len(content) == len(expected.prefix) + expected.nbytes:
            return content[len(expected.prefix) :]
        found = _parse_header(content, self.describe_row(row))
        require(
            (found.shape, found.dtype) == (expected.shape, expected.dtype),
            f"{self.describe_row(row)}: holds {found.dtype} of shape {found.shape}; expected {expected.dtype} of "
            f"{expected.shape}, as in the first record",
        )
        require(
            len(content) == len(found.prefix) + found.nbytes,
            f"{self.describe_row(row)}: {len(content)} bytes, and its header announces {len(found.prefix) + found.nbytes}; "
            "write it again",
        )
        return content[len(found.prefix) :]


def _parse_header(content: bytes, place: str) -> RecordHeader:
    require(content.startswith(NPY_MAGIC), f"{place}: begins with {content[:8]!r}; {EXPECTED_RECORD}")
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        require(version in HEADER_READERS, f"{place}: .npy of version {version}; {EXPECTED_RECORD}")
        shape, by_columns, dtype = HEADER_READERS[version](file)
    except (ValueError, EOFError) as error:
        raise InputError(f"{place}: damaged ({' '.join(str(error).split())[:100]}); {EXPECTED_RECORD}") from error
    require(dtype.kind != "O", f"{place}: holds Python objects, which are not opened; {EXPECTED_RECORD}")
    require(not by_columns or len(shape) < 2, f"{place}: is laid out by columns (Fortran order); save it C-ordered")
    return RecordHeader(content[: file.tell()], tuple(shape), dtype)


def _open_zip(record: bytes, place: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(record))
    except zipfile.BadZipFile as error:
        raise InputError(f"{place}: damaged ({error}); {EXPECTED_RECORD}") from error


def _member_names(record: bytes, place: str) -> list[str]:
    return _open_zip(record, place).namelist()


def _read_member(record: bytes, name: str, place: str, expected: RecordHeader | None = None) -> bytes:
    """An array of a record that `np.savez` wrote; one that would unpack to more than is expected is not unpacked."""
    with _open_zip(record, place) as archive:
        require(name in archive.namelist(), f"{place}: holds no {name.removesuffix('.npy')}; {EXPECTED_RECORD}")
        most = MAX_HEADER_BYTES + (1 << 30 if expected is None else expected.nbytes)
        size = archive.getinfo(name).file_size
        require(size <= most, f"{place}: its {name} announces {size} bytes; expected at most {most}")
        try:
            return archive.read(name)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError) as error:
            raise InputError(f"{place}: damaged ({' '.join(str(error).split())[:100]}); {EXPECTED_RECORD}") from error
