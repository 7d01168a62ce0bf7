"""Arrays in `.npy` files, read where they lie: only what is asked for is ever in memory."""

import dataclasses
import functools
import itertools
import os
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from aejax.data.stream.source import storage_dtype, to_storage_dtype
from aejax.errors import InputError, require

INPUTS_FILE, LABELS_FILE = "inputs.npy", "labels.npy"
HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
MAX_GAP_RATIO = (
    4  # rows this many times as far apart as they are many are read one by one, others with what is between them
)
RESAVE_HINT = "save it with np.save(file, np.ascontiguousarray(array))"


@dataclasses.dataclass(frozen=True)
class NpyFile:
    """A C-ordered array in a file, not in memory."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int  # bytes before its first number

    @property
    def row_bytes(self) -> int:
        """From one row to the next."""
        return int(np.prod(self.shape[1:])) * self.dtype.itemsize

    @functools.cached_property
    def _file(self) -> int:
        return os.open(self.path, os.O_RDONLY)

    def read_rows(self, rows: Int[np.ndarray, " k"]) -> np.ndarray:
        """Some rows, ascending. A file that has shrunk since is refused."""
        if len(rows) == 0:
            return np.empty((0, *self.shape[1:]), self.dtype)
        first, last = int(rows[0]), int(rows[-1])
        if last - first < MAX_GAP_RATIO * len(rows):
            block = self._read_range(first, last + 1)
            return block if len(block) == len(rows) else block[rows - first]
        ends = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
        runs = [(int(rows[begin]), int(rows[end - 1]) + 1) for begin, end in itertools.pairwise(ends)]
        return np.concatenate([self._read_range(start, stop) for start, stop in runs])

    def _read_range(self, start: int, stop: int) -> np.ndarray:
        block = np.empty((stop - start, *self.shape[1:]), self.dtype)
        view, done = block.reshape(-1).view(np.uint8).data, 0
        while done < len(view):
            count = os.preadv(self._file, [view[done:]], self.offset + start * self.row_bytes + done)
            require(count, f"{self.path}: ends in row {start + done // self.row_bytes}; it was cut while it was read")
            done += count
        return block


def open_npy(path: Path, what: str = "an array") -> NpyFile:
    """The array of a file, by its header.

    Raises:
        InputError: it is no `.npy` file, holds objects, is laid out by columns, or is cut short.
    """
    require(path.is_file(), f"{path}: a folder, pipe or device; expected a file that np.save wrote")
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            require(version in HEADER_READERS, f"{path}: .npy of version {version}; {RESAVE_HINT}")
            shape, by_columns, dtype = HEADER_READERS[version](file)
            offset = file.tell()
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: not a .npy file ({' '.join(str(error).split())[:100]}); {RESAVE_HINT}") from error
    require(dtype.kind != "O", f"{path}: holds Python objects, which are not opened; save {what} of numbers")
    require(not by_columns or len(shape) < 2, f"{path}: is laid out by columns (Fortran order); {RESAVE_HINT}")
    require(len(shape) >= 1 and shape[0] > 0, f"{path}: has shape {shape}; expected at least one row")
    announced, held = offset + int(np.prod(shape)) * dtype.itemsize, path.stat().st_size
    require(held >= announced, f"{path}: {held} bytes, and its header announces {announced}; copy it again")
    return NpyFile(path, tuple(shape), dtype, offset)


class NpySource:
    """A file of inputs `(n, *shape)`, or a folder with `inputs.npy` and, if it has labels, `labels.npy` `(n,)`.

    As in `.npz` files, uint8 examples of two or more axes are images with values from 0 to 255, and `(n, height,
    width)` gains a channel.

    Raises:
        InputError: the files cannot be read, or do not fit together.
    """

    class_names: tuple[str, ...] | None = None

    def __init__(self, path: Path) -> None:
        self._inputs = open_npy(path / INPUTS_FILE if path.is_dir() else path)
        beside = path / LABELS_FILE
        self._labels = open_npy(beside, "labels") if path.is_dir() and beside.exists() else None
        own = self._inputs
        require(own.dtype.kind in "biuf", f"{own.path}: holds {own.dtype}; expected real numbers")
        require(
            len(own.shape) >= 2 and own.row_bytes > 0,
            f"{own.path}: has shape {own.shape}; expected (rows, features) or (rows, height, width, channels)",
        )
        image = own.dtype == np.uint8 and len(own.shape) >= 3
        self.name, self.n_examples, self.has_labels = path.resolve().stem, own.shape[0], self._labels is not None
        self.example_shape = (*own.shape[1:], 1) if image and len(own.shape) == 3 else own.shape[1:]
        self.dtype, self.value_range = storage_dtype(own.dtype), (0.0, 255.0) if image else None
        self.nbytes = own.path.stat().st_size + (beside.stat().st_size if self._labels else 0)
        if self._labels is not None:
            require(
                self._labels.shape == (self.n_examples,),
                f"{beside}: has shape {self._labels.shape}; expected ({self.n_examples},): one label for each row of {INPUTS_FILE}",
            )
            require(self._labels.dtype.kind in "biufU", f"{beside}: holds {self._labels.dtype}; expected class numbers")

    def read(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k *shape"]:
        """As `Source.read`."""
        return to_storage_dtype(self._inputs.read_rows(rows).reshape(len(rows), *self.example_shape), self, rows)

    def read_labels(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, " k"]:
        """As `Source.labels`."""
        assert self._labels is not None
        return self._labels.read_rows(rows)

    def describe_row(self, row: int) -> str:
        """The file and the row."""
        return f"{self._inputs.path}: row {row}"
