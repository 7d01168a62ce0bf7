"""Arrays and lists that are given as arguments: labels, groups and test sets. All functions raise `InputError`."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int, Shaped

from aejax.data.grouping import number_groups
from aejax.data.label_encoding import exact_array, reject_labels
from aejax.data.labelled_arrays import flatten_labels
from aejax.errors import require


def as_array(values: Any, name: str) -> Shaped[np.ndarray, "n ..."]:
    """Returns an array; `name` is the argument's, for messages."""
    masked = isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values)
    require(not masked, f"{name}: is a masked array with masked values; fill them in or drop them first")
    try:
        array = np.asarray(values)
    except ValueError:
        require(False, f"{name}: rows differ in length; expected an array")
    require(array.ndim >= 1, f"{name}: is a single value; expected one row for each example")
    return array


def as_labels(values: Any, name: str, unlabelled: str | None) -> Shaped[np.ndarray, "n ..."]:
    """Returns labels as NumPy has them, but large integers unchanged; rejects missing ones that have no such mark."""
    array = as_array(values, name)
    is_list = isinstance(values, list | tuple) and array.ndim == 1
    if not is_list and array.dtype != object:
        return array
    labels = [*values] if is_list else array.ravel().tolist()
    objects = np.asarray(labels, object)  # NumPy would make text of a missing value among text
    missing = pd.isna(objects)
    missing[missing] = objects[missing].astype(str) != unlabelled
    reject_labels(missing, objects, "missing", name)
    return exact_array(labels).reshape(array.shape)


def as_groups(groups: Any, n: int) -> Int[np.ndarray, " n"]:
    """Returns the number of each row's group; surrounding spaces of a name are not part of it."""
    array = as_array(groups, "groups")
    require(array.shape == (n,), f"groups: has shape {array.shape}; expected one group for each of {n} rows")
    numbers = number_groups(pd.Series([*groups] if isinstance(groups, list | tuple) else array, dtype=object))
    missing = numbers < 0
    require(
        not missing.any(),
        f"groups: row {missing.argmax()} names no group ({missing.sum()} such rows); name one for each row",
    )
    return numbers.astype(np.int32)


def is_pair(test: Any) -> bool:
    """Whether a test set is given as examples and labels, and not as a mask."""
    return isinstance(test, tuple | list) and len(test) == 2 and hasattr(test[0], "__len__")


def as_mask(test: Any, n: int) -> Bool[np.ndarray, " n"]:
    """Returns which rows are in the test set: some, and not all."""
    mask = require_length(n, as_array(test, "test"), "test")
    mask = exact_array(mask.tolist()) if mask.dtype == object else mask
    is_mask = mask.dtype == bool and mask.ndim == 1
    require(is_mask, "test: expected a mask of booleans (n,), or a pair (X_test, y_test)")
    require(mask.any() and not mask.all(), f"test: marks {mask.sum()} of {n} rows; expected some, and not all")
    return mask


def as_column(labels: Any, n: int, name: str) -> Shaped[np.ndarray, " n"]:
    """Returns labels as a column of a DataFrame; one-hot rows become class numbers."""
    column, _ = flatten_labels(require_length(n, as_array(labels, name), name), name)
    require(column.ndim == 1, f"{name}: has shape {column.shape}; expected one label for each of {n} rows")
    return column


def require_length(n: int, values: np.ndarray, name: str) -> np.ndarray:
    """Returns the values if there is one for each row."""
    require(
        values.ndim >= 1 and len(values) == n,
        f"{name}: has shape {values.shape}; expected one value for each of {n} rows",
    )
    return values
