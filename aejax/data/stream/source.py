"""What a stream reads from, and which of its rows train."""

import dataclasses
import functools
import hashlib
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Shaped

from aejax.errors import InputError

FINGERPRINT_ROWS = 64  # examples whose bytes a fingerprint holds, spread over the whole
MAX_BLOCK_SIZE = 1024  # rows that lie together in the source and are moved together by a pass's shuffle
MIN_BLOCKS_PER_WINDOW = 64  # at least so many are joined in a window, so that it is no few neighbourhoods of the source


@runtime_checkable
class DataSource(Protocol):
    """Examples of one shape that are read a few at a time, by row numbers `0..n-1`."""

    name: str  # what results call it
    n_examples: int  # examples
    example_shape: tuple[int, ...]  # of one example, as a `Dataset` has it
    dtype: np.dtype  # uint8 or float32: what `read` gives
    nbytes: int  # of its files
    value_range: tuple[float, float] | None  # the storage format's limits
    class_names: tuple[str, ...] | None  # of labels 0, 1, ...; None where labels are called what they are
    has_labels: bool

    def read(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k *example_shape"]:
        """The examples at `rows`, which ascend, without their labels: autoencoders do not look at them.

        Raises:
            InputError: they are damaged, of another shape, or not finite.
        """

    def read_labels(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, " k"]:
        """Their labels, as the source has them; only where it is `labelled`."""

    def describe_row(self, row: int) -> str:
        """What messages call an example."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Stream:
    """What is trained on without being held in memory: every row of a source but those of the sample in memory.

    None of the sample's rows train, whichever role they have in it, so that nothing that is judged or chosen by has
    been trained on. Examples that stand in the source twice are not looked for.
    """

    source: DataSource
    held_out_rows: Int[np.ndarray, " m"]  # rows of the source that are in the sample, ascending
    window_size: int  # examples that are shuffled together
    seed: int = 0  # of the order

    @property
    def n_train(self) -> int:
        """Examples that train."""
        return self.source.n_examples - len(self.held_out_rows)

    @property
    def n_features(self) -> int:
        """d, numbers in one example."""
        return int(np.prod(self.source.example_shape))

    @property
    def row_bytes(self) -> int:
        """Of one example in memory."""
        return self.n_features * self.source.dtype.itemsize

    @property
    def block_size(self) -> int:
        """Examples that lie together in the source and are moved together."""
        if self.window_size >= self.n_train:
            return self.n_train
        return max(1, min(MAX_BLOCK_SIZE, self.window_size // MIN_BLOCKS_PER_WINDOW))

    def source_rows(self, positions: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
        """The source's rows behind positions `0..n-1`, which count training rows only."""
        return positions + np.searchsorted(self._skips, positions, side="right")

    @functools.cached_property
    def _skips(self) -> Int[np.ndarray, " m"]:
        """Training rows before each held-out row."""
        return self.held_out_rows - np.arange(len(self.held_out_rows))

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hex digest of the source's sizes and of a few examples: another set, or a changed one, has another.

        A change between those examples that leaves the sizes stays unseen; a digest of everything would take a pass.
        """
        own = self.source
        digest = hashlib.sha256(f"{own.n_examples} {own.example_shape} {own.dtype.str} {own.nbytes};".encode())
        rows = np.unique(np.linspace(0, own.n_examples - 1, min(own.n_examples, FINGERPRINT_ROWS)).astype(np.int64))
        digest.update(np.ascontiguousarray(own.read(rows)).tobytes())
        digest.update(self.held_out_rows.astype(np.int64).tobytes())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """For the results."""
        return {
            "n": self.source.n_examples,
            "n_train": self.n_train,
            "bytes": self.source.nbytes,
            "held_out": len(self.held_out_rows),
            "window": self.window_size,
            "block": self.block_size,
            "seed": self.seed,
            "fingerprint": self.fingerprint,
        }


def storage_dtype(dtype: np.dtype) -> np.dtype:
    """uint8 for bytes and booleans, float32 for every other number, as in a `Dataset`."""
    return np.dtype(np.uint8 if dtype.kind == "b" or dtype == np.uint8 else np.float32)


def to_storage_dtype(
    inputs: Shaped[np.ndarray, "k ..."], source: DataSource, rows: Int[np.ndarray, " k"]
) -> np.ndarray:
    """Examples in the source's dtype.

    Raises:
        InputError: a value is not finite, or too large for float32; the message names its row.
    """
    with np.errstate(over="ignore"):
        numbers = inputs.astype(source.dtype, copy=False)
    if numbers.dtype.kind != "f":
        return numbers
    finite = np.isfinite(numbers)
    if not finite.all():
        finite = finite.reshape(len(numbers), -1)
        wrong = int(np.argmin(finite.all(axis=1)))
        value = inputs[wrong].reshape(-1)[np.argmin(finite[wrong])].item()
        raise InputError(
            f"{source.describe_row(int(rows[wrong]))}: holds {value!r}; expected finite float32 numbers; rescale, fill in or "
            "drop them"
        )
    return numbers
