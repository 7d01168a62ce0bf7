"""`Dataset`, and `make_dataset`, which validates arrays and converts them to their storage dtype."""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int32, Shaped
from numpy.typing import ArrayLike

from aejax.data.description import DataDescription
from aejax.data.label_encoding import encode_labels, short_repr
from aejax.data.offsets import find_offsets
from aejax.data.stream.source import Stream, storage_dtype
from aejax.data.table_schema import IMPUTING, TableSchema
from aejax.errors import InputError, escape_unprintable, list_names, require

UNLABELLED = -1  # label of a row without one: it trains autoencoders, and is never labelled, validation or test row
MEDIAN_NOTE = "median subtracted in float64, as float32 would merge values"
MIN_TRAINING_ROWS_PER_CLASS = 3  # with fewer, no split gives training and validation a row each


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Dataset:
    """Labelled examples in storage dtype; scaling happens later, inside the jitted step."""

    name: str
    inputs: Shaped[np.ndarray, "n_examples *example_shape"]
    """uint8 or float32; images are height, width, channels. NaN only where `table` has a policy that fills it in.
    `offsets` are subtracted already."""
    labels: Int32[np.ndarray, " n_examples"]  # 0..n_classes-1, or UNLABELLED
    class_names: tuple[str, ...]  # class_names[i] is the name of label i in the source
    value_range: tuple[float, float] | None  # limits of the storage format: (0, 255) for bytes; None for tables
    test_rows: Shaped[np.ndarray, " n_test"] | None  # rows of the official test split, if there is one
    feature_names: tuple[str, ...] | None = None  # names of a table's columns
    stream: Stream | None = None  # the training data, if these examples are a sample of data larger than memory
    table: TableSchema | None = None  # the columns that `inputs` encode, if the source is a table
    offsets: Float64[np.ndarray, " d"] | None = None  # subtracted in float64, where float32 is too coarse
    groups: Int32[np.ndarray, " n_examples"] | None = None  # rows of one group stay on one side of every split
    directions: Float64[np.ndarray, "g d"] | None = None  # that the inputs are sums of, where the truth is known
    description: DataDescription = DataDescription()
    is_named: bool = False  # whether `name` is that of `--dataset`, which has default settings; not that of a file

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

    def __repr__(self) -> str:
        return f"Dataset({self.name}: {self.n_examples} rows of shape {self.example_shape}, {self.n_classes} classes)"

    @functools.cached_property
    def sha256(self) -> str:
        """Hex digest of inputs, labels, test rows, offsets and groups with their dtypes and shapes, without names."""
        digest = hashlib.sha256()
        for field in ("inputs", "labels", "test_rows", "offsets", "groups"):
            array = getattr(self, field)
            if array is None and field in ("offsets", "groups"):
                continue  # digests of data without them are those of earlier versions
            if array is None:
                digest.update(f"{field} none;".encode())
                continue
            digest.update(f"{field} {array.dtype.str} {array.shape};".encode())
            digest.update(np.ascontiguousarray(array).data.cast("B"))
        return digest.hexdigest()


def make_dataset(
    name: str,
    inputs: ArrayLike,
    labels: ArrayLike | None,
    *,
    source: str,
    value_range: tuple[float, float] | None = None,
    test_rows: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
    stream: Stream | None = None,
    unlabelled: ArrayLike | None = None,
    table: TableSchema | None = None,
    groups: ArrayLike | None = None,
    directions: Float64[np.ndarray, "g d"] | None = None,
    description: DataDescription = DataDescription(),
) -> Dataset:
    """Makes a `Dataset` from arrays of any numeric dtype and labels of any type.

    Args:
        name: name of the dataset in results.
        inputs: `(n, *shape)`; uint8 is kept, bool becomes uint8, every other dtype float32.
        labels: `(n,)` strings, booleans, integers or integral floats; encoded as 0..n_classes-1 in sorted order. None:
            no row has a label.
        source: a path or a name for error messages.
        value_range: lowest and highest value of the storage format.
        test_rows: `(n_test,)` rows of the official test split.
        class_names: names of the sorted distinct labels; default: the labels themselves.
        feature_names: one for each column of a table.
        stream: the larger dataset that these examples are a sample of.
        unlabelled: `(n,)` booleans, true for rows whose label is to be ignored.
        table: the columns that the inputs encode; with a policy that fills them in, values may be missing (NaN).
        groups: `(n,)` integers, equal for rows that belong together.
        directions: that flat inputs are sums of.
        description: what the reader understood.

    Raises:
        InputError: the data cannot be used; the message gives the row (counted from 0), the value and the fix.
    """
    numbers = _as_numeric_array(inputs, source)
    columns = None if feature_names is None else _require_name_count(feature_names, numbers[0].size, "feature", source)
    offsets, rounded = find_offsets(numbers)
    fills_in = table is not None and table.missing in IMPUTING
    stored = _to_storage_dtype(numbers, offsets, source, columns, allow_missing=fills_in)
    if value_range is not None and not (value_range[0] <= stored.min() and stored.max() <= value_range[1]):
        raise InputError(
            f"{source}: values run from {stored.min()} to {stored.max()}; expected them within {value_range}"
        )
    rows = None if test_rows is None else _validate_test_rows(test_rows, len(stored), source)
    known = np.ones(len(stored), bool) if unlabelled is None else ~np.asarray(unlabelled, bool)
    codes, names = _encode_labels(labels, known, rows, class_names, source, description.label_source)
    return Dataset(
        name=escape_unprintable(name),  # a file name need not be valid UTF-8
        inputs=stored,
        labels=codes,
        class_names=names,
        value_range=value_range,
        test_rows=rows,
        feature_names=columns,
        stream=stream,
        table=table,
        offsets=offsets,
        groups=None if groups is None else np.asarray(groups, np.int32),
        directions=directions,
        description=_describe_rounding(description, offsets, rounded, columns),
    )


def _describe_rounding(
    description: DataDescription, offsets: np.ndarray | None, rounded: list[int], columns: Sequence[str] | None
) -> DataDescription:
    """Returns the description with notes that name the columns that were centred, and those that were rounded."""
    found: dict[str, list[int]] = {
        MEDIAN_NOTE: [] if offsets is None else np.flatnonzero(offsets).tolist(),
        "whole numbers beyond 2**53, of which float64 may merge some": rounded,
    }
    notes = [
        f"{what}: {list_names([columns[i] if columns else f'column {i}' for i in indices])}"
        for what, indices in found.items()
        if indices
    ]
    return dataclasses.replace(description, notes=(*description.notes, *notes)) if notes else description


def _as_numeric_array(inputs: ArrayLike, source: str) -> np.ndarray:
    """Returns `inputs` as an array of real numbers with at least one row and one feature."""
    array = np.asarray(inputs)
    require(
        array.dtype.kind in "biuf",
        f"{source}: inputs have dtype {array.dtype}; expected real numbers; encode them as integers or floats first",
    )
    require(
        array.ndim >= 2 and array.size > 0,
        f"{source}: inputs have shape {array.shape}; expected (rows, features) or (rows, height, width, channels), at "
        "least one of each; a single feature is inputs.reshape(-1, 1)",
    )
    return array


def _to_storage_dtype(
    numbers: np.ndarray,
    offsets: np.ndarray | None,
    source: str,
    feature_names: Sequence[str] | None,
    *,
    allow_missing: bool,
) -> np.ndarray:
    """Returns C-contiguous uint8 or finite float32, or NaN if `allow_missing`, after subtracting the offsets."""
    if storage_dtype(numbers.dtype) == np.uint8:
        return np.ascontiguousarray(numbers, np.uint8)
    with np.errstate(over="ignore"):
        if offsets is None:
            stored = np.ascontiguousarray(numbers, np.float32)
        else:  # differences of float64, without a copy of them
            stored = np.subtract(numbers, offsets, out=np.empty(numbers.shape, np.float32), casting="unsafe")
    low, high = (np.fmin, np.fmax) if allow_missing else (np.minimum, np.maximum)
    if np.isfinite([low.reduce(stored, axis=None), high.reduce(stored, axis=None)]).all():
        return stored  # most data, for which no mask is made
    invalid = np.isinf(stored) if allow_missing else ~np.isfinite(stored)
    if invalid.any():
        row, *position = map(int, np.unravel_index(np.argmax(invalid), invalid.shape))
        value = numbers[row, *position].item()
        problem = "too large for float32" if np.isfinite(value) else "not finite"
        raise InputError(
            f"{source}: row {row}, {_format_position(tuple(position), feature_names)} is {value!r}, {problem} "
            f"({np.count_nonzero(invalid)} such values in all); expected finite float32 numbers; rescale, fill in or "
            "drop them"
        )
    return stored


def _format_position(index: tuple[int, ...], feature_names: Sequence[str] | None) -> str:
    if len(index) > 1:
        return f"position {index}"
    return f"column {index[0]}" if feature_names is None else f"column {short_repr(feature_names[index[0]])}"


def _require_name_count(names: Sequence[str], count: int, kind: str, source: str) -> tuple[str, ...]:
    require(len(names) == count, f"{source}: {len(names)} {kind} names for {count} in the data; give one for each")
    return tuple(names)


def _validate_test_rows(test_rows: ArrayLike, n: int, source: str) -> np.ndarray:
    """Returns distinct int64 row numbers `(n_test,)` that leave some rows for training."""
    rows = np.asarray(test_rows)
    is_integer = rows.ndim == 1 and rows.dtype.kind in "iu"
    require(
        is_integer and 0 < rows.size < n and len(np.unique(rows)) == len(rows) and np.isin(rows, np.arange(n)).all(),
        f"{source}: {rows.size} test rows of dtype {rows.dtype}; expected from 1 to {n - 1} of the row numbers 0 to "
        f"{n - 1}, each once",
    )
    return rows.astype(np.int64)


def _encode_labels(
    labels: ArrayLike | None,
    known: np.ndarray,
    test_rows: np.ndarray | None,
    class_names: Sequence[str] | None,
    source: str,
    label_source: str,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns codes `(n,)` and class names, none without labels; refusals say where the labels came from."""
    if labels is None:
        return np.full(len(known), UNLABELLED, np.int32), ()
    try:
        codes = np.full(len(known), UNLABELLED, np.int32)
        given = labels if known.all() else np.asarray(labels)[known]
        codes[known], names = encode_labels(given, int(known.sum()), source)
        names = names if class_names is None else _require_name_count(class_names, len(names), "class", source)
        _require_trainable_classes(codes, names, test_rows, source)
    except InputError as error:
        if not label_source:
            raise
        header = ", --header yes takes line 1 as names" if "no header" in label_source else ""
        raise InputError(f"{error}; labels are {label_source}, --label-column names another column{header}") from None
    return codes, names


def _require_trainable_classes(
    codes: np.ndarray, names: tuple[str, ...], test_rows: np.ndarray | None, source: str
) -> None:
    """Requires at least two classes with enough rows of each outside the official test split."""
    n, n_classes = np.count_nonzero(codes != UNLABELLED), len(names)
    require(n_classes >= 2, f"{source}: every label is {short_repr(names[0])}; expected at least two classes")
    require(
        n_classes < n, f"{source}: all {n} labels differ, as in a column of ids; choose a label column with classes"
    )
    training = codes if test_rows is None else np.delete(codes, test_rows)
    counts = np.bincount(training[training != UNLABELLED], minlength=n_classes)
    rarest = int(np.argmin(counts))
    n_rare = np.count_nonzero(counts < MIN_TRAINING_ROWS_PER_CLASS)
    require(
        n_rare == 0,
        f"{source}: class {short_repr(names[rarest])} has {counts[rarest]} training rows ({n_rare} of {n_classes} "
        f"classes have too few); expected at least {MIN_TRAINING_ROWS_PER_CLASS} of each; add rows, merge or drop "
        "classes, or choose other labels",
    )
