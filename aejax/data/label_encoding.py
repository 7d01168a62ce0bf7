"""Encodes labels of any type as class numbers."""

import contextlib
import re
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int32
from numpy.typing import ArrayLike

from aejax.errors import InputError, require

DECIMAL_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]*)?(e[+-]?[0-9]+)?", re.IGNORECASE)
MAX_LABEL_LENGTH = 1000  # characters; NumPy pads all labels to the longest, so a single long text would fill memory


def encode_labels(labels: ArrayLike, n: int, source: str) -> tuple[Int32[np.ndarray, " n"], tuple[str, ...]]:
    """Encodes labels as 0, 1, ... in sorted order, and returns them with the class names.

    Args:
        labels: `(n,)` text, UTF-8 bytes, booleans, integers or integral floats.
        n: expected number of labels.
        source: name of the data in error messages.

    Raises:
        InputError: a label is missing, is not a class, or is text that cannot be written to a file.
    """
    # NumPy would convert a missing label in a list of text to the text "nan".
    values = np.asarray(labels, dtype=object if isinstance(labels, list | tuple) else None)
    require(
        values.shape == (n,),
        f"{source}: labels have shape {values.shape}; expected ({n},): one label for each row of inputs; "
        "flatten a column with ravel(), one-hot rows with argmax(axis=1)",
    )
    if values.dtype.kind == "O":
        values = _convert_objects(values, source)
    values = _decode(values)
    kind = values.dtype.kind
    require(kind in "biufU", f"{source}: labels have dtype {values.dtype}; expected text, booleans or integers")
    if kind == "U":
        _require_unicode(values, source)
        reject_labels(np.isin(np.char.lower(np.char.strip(values)), ["", "nan"]), values, "missing", source)
    if kind == "f":
        reject_labels(np.isnan(values), values, "missing", source)
        not_integral = ~np.isfinite(values) | (values != np.floor(values))
        reject_labels(not_integral, values, "not a whole number, which looks like regression", source)
    classes, codes = np.unique(values, return_inverse=True)
    names = tuple(str(int(value) if kind == "f" else value) for value in classes.tolist())
    return codes.astype(np.int32), names


def parse_label_text(labels: np.ndarray) -> np.ndarray:
    """Returns text as integers or floats if it says the same as the numbers: `1` and `01` are two classes of text.

    Args:
        labels: `(n,)` objects of type `str`.
    """
    distinct = set(labels)
    with contextlib.suppress(ValueError, OverflowError):  # no integer, or beyond 64 bits
        if all(str(int(label)) == label for label in distinct):
            return labels.astype(np.int64)
    if all(DECIMAL_NUMBER.fullmatch(label) for label in distinct) and len({*map(float, distinct)}) == len(distinct):
        return labels.astype(np.float64)
    return np.array(labels.tolist(), dtype=str)


def find_marked(labels: np.ndarray | pd.Series, mark: str) -> Bool[np.ndarray, " n"]:
    """Returns which labels are this text or number."""
    series = pd.Series(_decode(labels))
    number = pd.to_numeric(mark, errors="coerce")  # NaN, which equals nothing, for other text
    return ((series.astype(str) == mark) | (series == number)).to_numpy(bool, na_value=False)


def _decode(labels: np.ndarray | pd.Series) -> np.ndarray | pd.Series:
    """Returns the text of labels that are bytes of UTF-8, other labels as they are."""
    return np.char.decode(labels, "utf-8", "backslashreplace") if labels.dtype.kind == "S" else labels


def _convert_objects(values: np.ndarray, source: str) -> np.ndarray:
    """Converts an object array of labels to an array of text or numbers."""
    missing = np.array([value is None or str(value) in ("nan", "<NA>", "NaT") for value in values], bool)
    reject_labels(missing, values, "missing", source)
    types = str if isinstance(values[0], str) else (bool, int, float, np.bool_, np.number)
    problem = f"of another kind than a class number or than row 0, {short_repr(values[0])}"
    reject_labels(np.array([not isinstance(value, types) for value in values]), values, problem, source)
    if types is str:
        too_long = np.array([len(value) > MAX_LABEL_LENGTH for value in values])
        reject_labels(too_long, values, f"longer than the {MAX_LABEL_LENGTH} characters of a class's name", source)
    return exact_array(values.tolist())


def exact_array(labels: Sequence[Any]) -> np.ndarray:
    """Returns labels in an array, as text where numbers would not come back unchanged: integers beyond 64 bits."""
    array = np.array(labels)
    is_exact = array.dtype.kind != "O" and (array.dtype.kind != "f" or array.tolist() == [*labels])
    return array if is_exact else np.array([str(label) for label in labels])


def _require_unicode(text: np.ndarray, source: str) -> None:
    """Rejects text that NumPy can store but Python or a file cannot: surrogates and numbers beyond Unicode."""
    points = np.ascontiguousarray(text, text.dtype.newbyteorder("=")).view(np.uint32).reshape(len(text), -1)
    invalid = ((points > sys.maxunicode) | ((points >= 0xD800) & (points < 0xE000))).any(axis=1)
    row = int(np.argmax(invalid)) if len(text) else 0
    require(not invalid.any(), f"{source}: the label of row {row} is no Unicode text; write the labels as text again")


def reject_labels(invalid: Bool[np.ndarray, " n"], values: np.ndarray, problem: str, source: str) -> None:
    """Raises InputError for the first invalid label, if there is one."""
    if invalid.any():
        row, count = int(np.argmax(invalid)), np.count_nonzero(invalid)
        raise InputError(
            f"{source}: the label of row {row} is {short_repr(values[row])}, {problem} ({count} such labels in all); "
            "expected one class for each row; fix or drop those rows"
        )


def short_repr(value: object) -> str:
    """Returns the repr of `value`, truncated to 60 characters."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
