"""Memory-mapped `.npy` files as a source: only the rows that are read enter memory."""

from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from aejax.data.archives import open_npy
from aejax.data.image_layout import recognize_channels
from aejax.data.links import require_within
from aejax.data.stream.source import storage_dtype, to_storage_dtype
from aejax.errors import require

INPUTS_FILE, LABELS_FILE = "inputs.npy", "labels.npy"
RESAVE_HINT = "save it with np.save(file, np.ascontiguousarray(array))"


def _open_rows(path: Path) -> np.memmap:
    """Returns an array of a file. Raises InputError if it has no rows, or rows do not lie together."""
    array = open_npy(path)
    require(array.flags.c_contiguous, f"{path}: is stored by columns (Fortran order); {RESAVE_HINT}")
    require(array.ndim >= 1 and len(array) > 0, f"{path}: has shape {array.shape}; expected at least one row")
    return array


class NpySource:
    """A file of inputs `(n, *shape)`, or a folder with `inputs.npy` and, optionally, `labels.npy` of shape `(n,)`.

    As in `.npz` files, `(n, height, width)` gains a channel, and uint8 examples of two or more axes are images with
    values from 0 to 255.

    Raises:
        InputError: a file cannot be read, or the two files do not match.
    """

    class_names: tuple[str, ...] | None = None
    is_encoded = False

    def __init__(self, path: Path) -> None:
        self._path, labels_path = (path / INPUTS_FILE, path / LABELS_FILE) if path.is_dir() else (path, None)
        for file in (self._path, labels_path) if labels_path is not None else ():
            require_within(file, path)
        self._inputs = inputs = _open_rows(self._path)
        self._labels = _open_rows(labels_path) if labels_path is not None and labels_path.exists() else None
        require(inputs.dtype.kind in "biuf", f"{self._path}: holds {inputs.dtype}; expected real numbers")
        require(
            inputs.ndim >= 2 and inputs.size > 0,
            f"{self._path}: has shape {inputs.shape}; expected (rows, features) or (rows, height, width, channels)",
        )
        require(
            inputs.ndim != 4 or recognize_channels(inputs.shape[1:], str(self._path))[0] == "channels-last",
            f"{self._path}: has shape {inputs.shape}, channels first; a stream takes (n, height, width, channels); "
            "save np.ascontiguousarray(np.moveaxis(inputs, 1, -1))",
        )
        is_image = inputs.dtype == np.uint8 and inputs.ndim >= 3
        self.name, self.n_examples, self.has_labels = path.resolve().stem, len(inputs), self._labels is not None
        self.example_shape = (*inputs.shape[1:], 1) if inputs.ndim == 3 else inputs.shape[1:]
        self.dtype, self.value_range = storage_dtype(inputs.dtype), (0.0, 255.0) if is_image else None
        self._inputs_bytes = self.nbytes = self._path.stat().st_size
        if self._labels is not None:
            labels = self._labels
            require(
                labels.shape == (self.n_examples,),
                f"{labels_path}: has shape {labels.shape}; expected ({self.n_examples},): one label for each row of "
                f"{INPUTS_FILE}",
            )
            assert labels_path is not None
            self.nbytes += labels_path.stat().st_size

    def read(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k *shape"]:
        """Returns examples, as `DataSource.read`."""
        # Reading a page that the file no longer has would kill the process without a message.
        require(self._path.stat().st_size >= self._inputs_bytes, f"{self._path}: became shorter while it was read")
        return to_storage_dtype(np.asarray(self._inputs[rows]).reshape(len(rows), *self.example_shape), self, rows)

    def read_labels(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, " k"]:
        """Returns labels, as `DataSource.read_labels`."""
        assert self._labels is not None
        return np.asarray(self._labels[rows])

    def describe_row(self, row: int) -> str:
        """Returns the file and the row."""
        return f"{self._path}: row {row}"
