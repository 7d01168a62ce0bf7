"""What every source gives: checked arrays in their storage dtype, and the door that checks them."""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int32, Shaped
from numpy.typing import ArrayLike

from aejax.data.label_encoding import encode_labels, short_repr
from aejax.data.stream.source import Stream
from aejax.errors import InputError, escape_unprintable, require

VALUES_PER_BLOCK = 1 << 20  # values looked at in one go, so that the checks need megabytes and not a copy of the data
MIN_TRAINING_ROWS_PER_CLASS = 3  # of each class; with fewer, no split gives training and validation both a row of it


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Labelled examples as they are stored; scaling happens later, inside the jitted step."""

    name: str
    inputs: Shaped[np.ndarray, "n_examples *example_shape"]  # uint8 or float32; images are height, width, channels
    labels: Int32[np.ndarray, " n_examples"]  # 0..classes-1
    class_names: tuple[str, ...]  # class_names[i] is what label i was called in the source
    value_range: tuple[float, float] | None  # the storage format's limits: (0, 255) for bytes; None for tables
    test_rows: Shaped[np.ndarray, " n_test"] | None  # rows of the official test split, where there is one
    feature_names: tuple[str, ...] | None = None  # names of a table's columns
    stream: Stream | None = None  # what is trained on, where these examples are a sample of more than memory holds

    @property
    def n_examples(self) -> int:
        """Number of examples, test rows included."""
        return len(self.labels)

    @property
    def example_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.inputs.shape[1:]

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @functools.cached_property
    def sha256(self) -> str:
        """Hex digest of the inputs, labels and test rows with their dtypes and shapes; names do not count."""
        digest = hashlib.sha256()
        for field in ("inputs", "labels", "test_rows"):
            array = getattr(self, field)
            if array is None:
                digest.update(f"{field} none;".encode())
                continue
            digest.update(f"{field} {array.dtype.str} {array.shape};".encode())
            digest.update(np.ascontiguousarray(array).data.cast("B"))
        return digest.hexdigest()


def make_dataset(
    name: str,
    inputs: ArrayLike,
    labels: ArrayLike,
    *,
    source: str,
    value_range: tuple[float, float] | None = None,
    test_rows: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
    stream: Stream | None = None,
) -> Dataset:
    """The door: arrays of any numeric dtype and labels of any kind in, a `Dataset` out. Rows are counted from 0.

    Args:
        name: what results call it.
        inputs: `(n, *shape)`; uint8 is kept, bool becomes uint8, every other number float32.
        labels: `(n,)` strings, booleans, integers or integral floats; coded 0..classes-1 in sorted order.
        source: what error messages call it: a path or a name.
        value_range: the storage format's lowest and highest value.
        test_rows: `(n_test,)` rows of the official test split.
        class_names: names of the sorted distinct labels; default: the labels themselves.
        feature_names: one for each column of a table.
        stream: what these examples are a sample of.

    Raises:
        InputError: the data cannot be learned from as they are; the message names the row, the value and the mend.
    """
    numbers = _as_numeric_array(inputs, source)
    columns = None if feature_names is None else _require_name_count(feature_names, numbers[0].size, "feature", source)
    stored = _to_storage_dtype(numbers, source, columns)
    low, high = value_range or (-np.inf, np.inf)
    require(
        low <= stored.min() and stored.max() <= high,
        f"{source}: values run from {stored.min()} to {stored.max()}; expected them within {value_range}",
    )
    codes, found = encode_labels(labels, len(stored), source)
    rows = None if test_rows is None else _validate_test_rows(test_rows, len(stored), source)
    names = found if class_names is None else _require_name_count(class_names, len(found), "class", source)
    _check_classes(codes, names, rows, source)
    return Dataset(
        name=escape_unprintable(name),  # a path's bytes may be no UTF-8
        inputs=stored,
        labels=codes,
        class_names=names,
        value_range=value_range,
        test_rows=rows,
        feature_names=columns,
        stream=stream,
    )


def _as_numeric_array(inputs: ArrayLike, source: str) -> np.ndarray:
    """`inputs` as an array of numbers with at least one row and one feature."""
    require(
        not np.ma.is_masked(inputs), f"{source}: inputs are a masked array with masked values; fill or drop them first"
    )
    try:
        array = np.asarray(inputs)
    except ValueError as error:
        raise InputError(
            f"{source}: inputs are ragged: examples differ in shape; expected one shape for all"
        ) from error
    require(array.ndim == 0 or len(array) > 0, f"{source}: inputs are empty: no rows; expected at least one example")
    require(
        array.dtype.kind in "biuf",
        f"{source}: inputs have dtype {array.dtype}; expected real numbers; encode them as integers or floats first",
    )
    require(
        array.ndim >= 2,
        f"{source}: inputs have shape {array.shape}; expected (rows, features) or (rows, height, width, channels); "
        "a single feature is inputs.reshape(-1, 1)",
    )
    require(array.size > 0, f"{source}: inputs have shape {array.shape}: no features; expected at least one")
    return array


def _to_storage_dtype(numbers: np.ndarray, source: str, feature_names: Sequence[str] | None) -> np.ndarray:
    """uint8 or finite float32, C-contiguous; looked at in blocks, copied only where the dtype changes."""
    if numbers.dtype.kind == "b" or numbers.dtype == np.uint8:
        return np.ascontiguousarray(numbers, np.uint8)
    stored = numbers if numbers.dtype == np.float32 else np.empty(numbers.shape, np.float32)
    step = max(1, VALUES_PER_BLOCK // numbers[0].size)
    bad, first = 0, None
    for start in range(0, len(numbers), step):
        block = slice(start, start + step)
        if stored is not numbers:
            with np.errstate(over="ignore"):
                stored[block] = numbers[block]
        finite = np.isfinite(stored[block])
        if finite.all():
            continue
        bad += int(finite.size - np.count_nonzero(finite))
        if first is None:
            within = np.unravel_index(np.argmin(finite), finite.shape)
            first = (start + int(within[0]), *(int(i) for i in within[1:]))
    if first is not None:
        value = numbers[first].item()
        problem = "too large for float32" if np.isfinite(numbers[first]) else "not finite"
        raise InputError(
            f"{source}: row {first[0]}, {_format_position(first[1:], feature_names)} is {value!r}, {problem} ({bad} such values "
            "in all); expected finite float32 numbers; rescale, fill in or drop them"
        )
    return np.ascontiguousarray(stored)


def _format_position(index: tuple[int, ...], feature_names: Sequence[str] | None) -> str:
    if len(index) > 1:
        return f"position {index}"
    return f"column {index[0]}" if feature_names is None else f"column {short_repr(feature_names[index[0]])}"


def _require_name_count(names: Sequence[str], count: int, kind: str, source: str) -> tuple[str, ...]:
    require(len(names) == count, f"{source}: {len(names)} {kind} names, {count} found in the data; give one for each")
    return tuple(names)


def _validate_test_rows(test_rows: ArrayLike, n: int, source: str) -> np.ndarray:
    """int64 row numbers `(n_test,)`, each once, that leave some for training."""
    rows = np.asarray(test_rows)
    require(
        rows.ndim == 1 and rows.dtype.kind in "iu" and 0 < rows.size < n and len(np.unique(rows)) == len(rows),
        f"{source}: {rows.size} test rows of dtype {rows.dtype}; expected from 1 to {n - 1} row numbers, each once",
    )
    require(
        rows.min() >= 0 and rows.max() < n, f"{source}: test rows {rows.min()} to {rows.max()}; expected 0 to {n - 1}"
    )
    return rows.astype(np.int64)


def _check_classes(codes: np.ndarray, names: tuple[str, ...], test_rows: np.ndarray | None, source: str) -> None:
    """Enough rows of every class outside the official test split."""
    n, classes = len(codes), len(names)
    require(classes >= 2, f"{source}: every label is {short_repr(names[0])}; expected at least two classes")
    require(classes < n, f"{source}: all {n} labels differ, as in a column of ids; choose a label column with classes")
    counts = np.bincount(codes if test_rows is None else np.delete(codes, test_rows), minlength=classes)
    scarce = np.flatnonzero(counts < MIN_TRAINING_ROWS_PER_CLASS)
    if scarce.size:
        # A class that is missing altogether is the graver fault, so it is the one named.
        worst = scarce[np.argmin(counts[scarce])]
        raise InputError(
            f"{source}: class {short_repr(names[worst])} has {counts[worst]} training rows ({scarce.size} of {classes} "
            f"classes are short); expected at least {MIN_TRAINING_ROWS_PER_CLASS} of each; add rows, or merge or drop classes"
        )
