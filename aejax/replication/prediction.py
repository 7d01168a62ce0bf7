"""Prediction intervals: within which a perfect replication's printed number lies in 95 % of all cases.

A source that prints one run printed one draw. It agrees with ours if it lies where another draw of ours would lie:
mean of n runs -+ t(n - 1) s sqrt(1/m + 1/n), for the mean of the source's m runs (Hahn and Meeker 1991, Statistical
Intervals, section 4.8), and half a unit of the last printed digit for rounding.
"""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from jaxtyping import Float
from scipy import stats

LEVEL = 0.95  # of all numbers of a claim together: each of k numbers has 1 - .05 / k (Bonferroni)


def half_last_digit(printed: str) -> float:
    """Returns half a unit of a printed number's last digit.

    >>> half_last_digit("0.9394"), half_last_digit("8.8e-4"), half_last_digit("32")
    (5e-05, 5e-06, 0.5)
    """
    exponent = Decimal(printed).as_tuple().exponent
    assert isinstance(exponent, int)  # not of infinity or NaN
    return float(Decimal("0.5").scaleb(exponent))


def prediction_half_widths(
    per_seed: Float[np.ndarray, "seeds entries"], printed: Sequence[str], source_runs: int = 1
) -> Float[np.ndarray, " entries"]:
    """Returns half the width of the prediction interval around the mean of each entry.

    Args:
        per_seed: our runs, at least two.
        printed: the source's numbers, which are rounded.
        source_runs: whose mean the source prints.
    """
    seeds, entries = per_seed.shape
    quantile = stats.t.ppf(1 - (1 - LEVEL) / (2 * entries), seeds - 1)
    random = quantile * per_seed.std(axis=0, ddof=1) * np.sqrt(1 / source_runs + 1 / seeds)
    return random + np.array([half_last_digit(text) for text in printed[:entries]])
