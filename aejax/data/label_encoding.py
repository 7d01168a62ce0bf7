"""Labels of any kind as class numbers, and what each class was called."""

import sys

import numpy as np
from jaxtyping import Int32
from numpy.typing import ArrayLike

from aejax.errors import InputError, require

MAX_LABEL_LENGTH = 1000  # characters; NumPy pads every label to the longest, so that one long text would fill memory


def encode_labels(labels: ArrayLike, n: int, source: str) -> tuple[Int32[np.ndarray, " n"], tuple[str, ...]]:
    """Labels of any kind as codes 0, 1, ... in sorted order, and what each code was called.

    Args:
        labels: `(n,)` text, bytes in UTF-8, booleans, integers or integral floats.
        n: how many there must be.
        source: what messages call their source.

    Raises:
        InputError: a label is missing, no class, or text that cannot be written to a file.
    """
    # A list goes through object, where numpy would otherwise turn a missing label into the text "nan".
    values = np.asarray(labels, dtype=object if isinstance(labels, list | tuple) else None)
    require(
        values.ndim == 1,
        f"{source}: labels have shape {values.shape}; expected ({n},): one label for each row; "
        "flatten a column with ravel(), one-hot rows with argmax(axis=1)",
    )
    require(len(values) == n, f"{source}: {n} rows of inputs and {len(values)} labels; expected one label for each row")
    if values.dtype.kind == "O":
        values = _convert_objects(values, source)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "backslashreplace")
    kind = values.dtype.kind
    require(kind in "biufU", f"{source}: labels have dtype {values.dtype}; expected text, booleans or integers")
    if kind == "U":
        _require_unicode(values, source)
    missing = np.isin(np.char.lower(np.char.strip(values)), ["", "nan"]) if kind == "U" else np.isnan(values)
    _reject_first(missing, values, "missing", source)
    if kind == "f":
        looks = "not a whole number, which looks like regression"
        _reject_first(~np.isfinite(values) | (values != np.floor(values)), values, looks, source)
    distinct, codes = np.unique(values, return_inverse=True)
    names = tuple(str(int(value) if kind == "f" else value) for value in distinct.tolist())
    return codes.astype(np.int32), names


def _convert_objects(values: np.ndarray, source: str) -> np.ndarray:
    """An object array of labels as an array of text or of numbers."""
    missing = np.array([value is None or str(value) in ("nan", "<NA>", "NaT") for value in values])
    _reject_first(missing, values, "missing", source)
    kinds = str if isinstance(values[0], str) else (bool, int, float, np.bool_, np.number)
    odd = np.array([not isinstance(value, kinds) for value in values])
    _reject_first(odd, values, f"of another kind than a class number or than row 0, {short_repr(values[0])}", source)
    if kinds is str:
        long = np.array([len(value) > MAX_LABEL_LENGTH for value in values])
        _reject_first(long, values, f"longer than the {MAX_LABEL_LENGTH} characters of a class's name", source)
    return np.array(values.tolist())


def _require_unicode(text: np.ndarray, source: str) -> None:
    """Refuse what NumPy stores as text and Python cannot hold, or no file: surrogates and numbers beyond Unicode."""
    points = np.ascontiguousarray(text, text.dtype.newbyteorder("=")).view(np.uint32).reshape(len(text), -1)
    wrong = ((points > sys.maxunicode) | ((points >= 0xD800) & (points < 0xE000))).any(axis=1)
    row = int(np.argmax(wrong)) if len(text) else 0
    require(not wrong.any(), f"{source}: the label of row {row} is no Unicode text; write the labels again as text")


def _reject_first(invalid: np.ndarray, values: np.ndarray, problem: str, source: str) -> None:
    if invalid.any():
        row = int(np.argmax(invalid))
        raise InputError(
            f"{source}: the label of row {row} is {short_repr(values[row])}, {problem} ({np.count_nonzero(invalid)} such "
            "labels in all); expected one class for each row; mend or drop those rows"
        )


def short_repr(value: object) -> str:
    """`value` on one line and not too long."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
