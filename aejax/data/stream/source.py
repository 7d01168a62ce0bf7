"""Sources of examples that are too large for memory, and the rows of a source that are used for training."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from aejax.errors import InputError

ORDER_SEED = 0  # of the order of every stream
FINGERPRINT_ROWS = 64  # evenly spaced examples whose bytes enter a fingerprint
MAX_BLOCK_SIZE = 1024  # neighboring rows that a pass moves together
MIN_BLOCKS_PER_WINDOW = 64  # so that a window mixes rows from many places of the source


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class DataSource:
    """Examples of one shape that are read by row number, `0..n_examples-1`, in any order."""

    name: str  # as results show it
    n_examples: int
    example_shape: tuple[int, ...]
    dtype: np.dtype  # of what `read` returns: uint8 or float32
    nbytes: int  # size of the files
    read: Callable[[Int[np.ndarray, " k"]], Shaped[np.ndarray, "k *example_shape"]]
    """Returns the examples at some rows. Raises InputError if one is damaged, has another shape, or is not finite."""
    read_labels: (
        Callable[[Int[np.ndarray, " k"]], Shaped[np.ndarray, " k"]] | None
    )  # as they are stored, if there are any
    describe_row: Callable[[int], str]  # returns the name of an example for messages
    value_range: tuple[float, float] | None = None  # limits of the storage format
    class_names: tuple[str, ...] | None = None  # of labels 0, 1, ...; None where labels are their own names
    is_encoded: bool = False  # whether examples must be decoded, which costs more than reading them


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Stream:
    """The training rows of a source: all rows but those that are held out in memory.

    Held-out rows never train, whatever they are used for, so validation and test examples are unseen. Duplicates of
    examples within the source are not detected.
    """

    source: DataSource
    held_out_rows: Int[np.ndarray, " m"]  # ascending
    window_size: int  # examples that are shuffled together

    @property
    def n_train(self) -> int:
        """Number of training rows."""
        return self.source.n_examples - len(self.held_out_rows)

    @property
    def n_features(self) -> int:
        """Numbers in one example, d."""
        return int(np.prod(self.source.example_shape))

    @property
    def row_bytes(self) -> int:
        """Bytes of one example in memory."""
        return self.n_features * self.source.dtype.itemsize

    @property
    def block_size(self) -> int:
        """Neighboring rows that a pass moves together; all rows where one window holds them."""
        if self.window_size >= self.n_train:
            return self.n_train
        return max(1, min(MAX_BLOCK_SIZE, self.window_size // MIN_BLOCKS_PER_WINDOW))

    @property
    def keeps_decoded(self) -> bool:
        """Whether examples are decoded once and kept in memory: encoded ones that fit one window."""
        return self.source.is_encoded and self.window_size >= self.n_train

    def source_rows(self, positions: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
        """Returns the source's rows at positions `0..n_train-1` among the training rows."""
        train_rows_before = self.held_out_rows - np.arange(len(self.held_out_rows))  # each held-out row
        return positions + np.searchsorted(train_rows_before, positions, side="right")

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hex digest of the source's sizes, a few of its examples, and the held-out rows.

        A change of other examples that keeps all sizes is not detected; a digest of every example would take a pass.
        """
        source = self.source
        sizes = f"{source.n_examples} {source.example_shape} {source.dtype.str} {source.nbytes};"
        digest = hashlib.sha256(sizes.encode())
        n_rows = min(source.n_examples, FINGERPRINT_ROWS)
        rows = np.unique(np.linspace(0, source.n_examples - 1, n_rows).astype(np.int64))
        digest.update(np.ascontiguousarray(source.read(rows)).tobytes())
        digest.update(self.held_out_rows.astype(np.int64).tobytes())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Returns the description of the stream for the results."""
        return {
            "n": self.source.n_examples,
            "n_train": self.n_train,
            "bytes": self.source.nbytes,
            "held_out": len(self.held_out_rows),
            "window": self.window_size,
            "block": self.block_size,
            "seed": ORDER_SEED,
            "fingerprint": self.fingerprint,
        }


def storage_dtype(dtype: np.dtype) -> np.dtype:
    """Returns the dtype of a `Dataset`: uint8 for bytes and booleans, float32 for every other number."""
    return np.dtype(np.uint8 if dtype.kind == "b" or dtype == np.uint8 else np.float32)


def to_storage_dtype(
    inputs: Shaped[np.ndarray, "k ..."], rows: Int[np.ndarray, " k"], describe_row: Callable[[int], str]
) -> np.ndarray:
    """Returns examples in their `storage_dtype`.

    Raises:
        InputError: a value is not finite or too large for float32; the message names its row.
    """
    with np.errstate(over="ignore"):
        stored = inputs.astype(storage_dtype(inputs.dtype), copy=False)
    if stored.dtype.kind == "f" and not (finite := np.isfinite(stored)).all():
        index = np.unravel_index(np.argmin(finite), finite.shape)
        place, value = describe_row(int(rows[index[0]])), inputs[index].item()
        raise InputError(f"{place}: holds {value!r}; expected finite float32 numbers; rescale, fill in or drop them")
    return stored
