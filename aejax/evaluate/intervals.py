"""What the mean of a table of seeds by test examples would be under another draw: variance and 95 % intervals.

The crossed ("pigeonhole") bootstrap resamples seeds and, independently, test examples. On a full table its variance
has a closed form in the mean squares of the two-way analysis of variance, A of seeds, B of examples and E of what is
left (Owen 2007, The pigeonhole bootstrap; Owen and Eckles 2012), for I seeds and J examples:

    ((I - 1)/I A + (J - 1)/J B + (I - 1)(J - 1)/(I J) E) / (I J)

so nothing has to be drawn. Its percentiles are no interval for ten seeds: they count what is left three times, shrink
the seeds' part by (I - 1)/I, and use a normal's tails where Student's belong. Here the bootstrap is corrected for all
three: (A + max(B - E, 0)) / (I J) estimates the mean's variance without bias, with Satterthwaite's degrees of freedom.
That is what studies of several readers on the same cases use (Hillis 2007, A comparison of denominator degrees of
freedom methods for multiple observer ROC analysis). `scripts/verify.py` measures how often each covers.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import special, stats

IntervalScale = Literal["linear", "log", "logit"]


class CrossedMean(NamedTuple):
    """A mean over seeds and test examples, and how far another draw of both would move it."""

    mean: float
    variance: float
    degrees_of_freedom: float  # of freedom of `variance`


def crossed_mean(values: Float[np.ndarray, "seeds n_test"]) -> CrossedMean:
    """The mean with its corrected crossed bootstrap variance.

    With a single seed only the examples are another draw, and with a single example only the seeds.
    """
    values = np.asarray(values, np.float64)
    (seeds, examples), mean = values.shape, float(values.mean())
    if min(seeds, examples) == 1:
        count = values.size
        return CrossedMean(mean, float(values.var(ddof=1)) / count if count > 1 else 0.0, max(count - 1, 1))
    of_seed, of_example = values.mean(axis=1, keepdims=True), values.mean(axis=0, keepdims=True)
    rest = np.square(values - of_seed - of_example + mean).sum() / ((seeds - 1) * (examples - 1))
    # Seeds whose means agree better than the rest allows agree by luck: the seeds' mean square is not taken to be below
    # what the rest alone would leave it above in 39 of 40 draws. Else seeds that happen to tie have no interval at all.
    luck = rest * stats.chi2.ppf(0.025, seeds - 1) / (seeds - 1)
    by_seeds = max(examples * of_seed.var(ddof=1), luck)
    by_examples = max(seeds * of_example.var(ddof=1) - rest, 0.0)
    total = by_seeds + by_examples
    if total == 0:
        return CrossedMean(mean, 0.0, seeds - 1)
    degrees = total**2 / (by_seeds**2 / (seeds - 1) + by_examples**2 / (examples - 1))
    return CrossedMean(mean, float(total / values.size), float(degrees))


def crossed_interval(values: Float[np.ndarray, "seeds n_test"], scale: IntervalScale = "linear") -> list[float]:
    """95 % interval of the mean over seeds and examples: what another draw of both would give.

    Args:
        values: one for each seed and test example.
        scale: where the interval is symmetric. linear: for differences; logit: for shares of 0s and 1s; log: for
            means of losses, which are above 0. The last two keep the interval where such a mean can lie, and cover as
            often as they say near its bounds, where a symmetric interval does not.
    """
    mean, variance, degrees = crossed_mean(values)
    half = float(stats.t.ppf(0.975, degrees) * np.sqrt(variance))
    if half == 0 or (scale != "linear" and mean <= 0) or (scale == "logit" and mean >= 1):
        return [mean, mean]
    if scale == "log":
        return [float(mean * np.exp(sign * half / mean)) for sign in (-1, 1)]
    if scale == "logit":
        return [float(special.expit(special.logit(mean) + sign * half / (mean * (1 - mean)))) for sign in (-1, 1)]
    return [mean - half, mean + half]


def seeds_interval(per_seed: Sequence[float] | Float[np.ndarray, " seeds"]) -> list[float] | None:
    """95 % Student t interval of the mean over seeds, test examples taken as given; None for a single seed."""
    values = np.asarray(per_seed, np.float64)
    if len(values) < 2:
        return None
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return [float(values.mean() - half), float(values.mean() + half)]
