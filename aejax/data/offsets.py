"""Finds columns whose values float32 would merge, and what to subtract from them first."""

import numpy as np
from jaxtyping import Float64, Shaped

from aejax.data.table_schema import MAX_FLOAT32

INTEGERS = float(2**24)  # the first integer that float32 cannot tell from the next
EXACT_INTEGERS = float(2**53)  # the same of float64
MIN_LEVELS = 4096  # float32 numbers in the range of a column, below which rounding matters
ROUNDING = 8.0  # float64 numbers in the range of a column that is constant but for rounding


def find_offsets(numbers: Shaped[np.ndarray, "n ..."]) -> tuple[Float64[np.ndarray, " d"] | None, list[int]]:
    """Returns what to subtract from each column before rounding to float32, and the columns that float64 rounds, too.

    From a column that is far from 0 compared with its spread, as dates written 20180127 are, it is the median if that
    keeps more distinct values; from others it is 0; None if there is no such column. Columns that are constant but for
    rounding in float64 are left alone: float32 makes them constant. Of whole numbers beyond 2**53, float64 may merge
    some.

    Args:
        numbers: a table `(n, d)`, NaN where a value is missing; other arrays have no such columns.
    """
    if numbers.ndim != 2 or np.can_cast(numbers.dtype, np.float32):
        return None, []
    low, high = (limit.reduce(numbers, axis=0).astype(np.float64) for limit in (np.fmin, np.fmax))
    magnitude = np.maximum(np.abs(low), np.abs(high))
    with np.errstate(over="ignore", invalid="ignore"):
        is_coarse = np.spacing(magnitude.astype(np.float32)) * MIN_LEVELS > high - low
    varies = high - low > ROUNDING * np.spacing(magnitude)
    offsets = np.zeros(numbers.shape[1])
    for column in np.flatnonzero((is_coarse | (magnitude >= INTEGERS)) & varies & (magnitude < MAX_FLOAT32)):
        offsets[column] = _find_offset(numbers[:, column].astype(np.float64))
    beyond = np.flatnonzero(magnitude > EXACT_INTEGERS).tolist()
    return offsets if offsets.any() else None, [column for column in beyond if _is_whole(numbers[:, column])]


def _is_whole(values: Shaped[np.ndarray, " n"]) -> bool:
    values = values.astype(np.float64)
    return bool((np.isnan(values) | (values == np.floor(values))).all())


def _find_offset(values: Float64[np.ndarray, " n"]) -> float:
    values = np.unique(values[np.isfinite(values)])
    median = float(np.median(values))
    rounded, centred = (len(np.unique(column.astype(np.float32))) for column in (values, values - median))
    return median if centred > rounded else 0.0
