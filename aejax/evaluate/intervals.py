"""Variance and 95 % intervals of a mean over seeds and test examples, for other draws of both.

The crossed ("pigeonhole") bootstrap resamples seeds and, independently, test examples. On a full table its variance
has a closed form in the mean squares of the two-way analysis of variance, A of seeds, B of examples and E of the
residual (Owen 2007, The pigeonhole bootstrap; Owen and Eckles 2012), for I seeds and J examples:

    ((I - 1)/I A + (J - 1)/J B + (I - 1)(J - 1)/(I J) E) / (I J)

so no resampling is needed. Its percentiles are not a valid interval for ten seeds: they count the residual three times,
shrink the seeds' component by (I - 1)/I, and use normal quantiles instead of Student's. Here the bootstrap is corrected
for all three: (A + max(B - E, 0)) / (I J) estimates the mean's variance without bias, with Satterthwaite's degrees of
freedom, as in studies of several readers on the same cases (Hillis 2007, A comparison of denominator degrees of freedom
methods for multiple observer ROC analysis). `scripts/verify.py` measures the coverage of each.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy import special, stats

IntervalScale = Literal["linear", "log", "logit"]


class Strata(NamedTuple):
    """Groups of test examples, of which other draws have the same sizes: classes, as the test set is stratified."""

    labels: Int[np.ndarray, " n_test"]
    least_variance: float = 0.0
    """Times (n + 2)^-2, the least variance of the mean of a group's n examples: that of one success and one failure in
    n + 2 trials (Agresti and Caffo 2000; Bonett and Price 2012 for pairs). Two examples that no method gets right do
    not show that other examples would be the same."""


class CrossedMean(NamedTuple):
    """A mean over seeds and test examples, with its variance over other draws of both."""

    mean: float
    variance: float
    degrees_of_freedom: float  # of `variance`


def crossed_mean(values: Float[np.ndarray, "seeds n_test"], strata: Strata | None = None) -> CrossedMean:
    """Returns the mean with its corrected crossed bootstrap variance.

    With a single seed only the examples are resampled, and with a single example only the seeds.

    Args:
        values: one for each seed and test example.
        strata: groups within which examples are resampled; None: all are one group.
    """
    values = np.asarray(values, np.float64)
    if strata is not None:
        return _stratified_mean(values, strata)
    (seeds, examples), mean = values.shape, float(values.mean())
    if min(seeds, examples) == 1:
        count = values.size
        return CrossedMean(mean, float(values.var(ddof=1)) / count if count > 1 else 0.0, max(count - 1, 1))
    seed_means, example_means = values.mean(axis=1, keepdims=True), values.mean(axis=0, keepdims=True)
    residual = np.square(values - seed_means - example_means + mean).sum() / ((seeds - 1) * (examples - 1))
    # The seeds' mean square is at least the 2.5 % quantile of its distribution if seeds had no effect: without this
    # lower bound, seeds whose means happen to tie would have an interval of width zero.
    lower_bound = residual * stats.chi2.ppf(0.025, seeds - 1) / (seeds - 1)
    seed_component = max(examples * seed_means.var(ddof=1), lower_bound)
    example_component = max(seeds * example_means.var(ddof=1) - residual, 0.0)
    total = seed_component + example_component
    if total == 0:
        return CrossedMean(mean, 0.0, seeds - 1)
    degrees = total**2 / (seed_component**2 / (seeds - 1) + example_component**2 / (examples - 1))
    return CrossedMean(mean, float(total / values.size), float(degrees))


def _stratified_mean(values: Float[np.ndarray, "seeds n_test"], strata: Strata) -> CrossedMean:
    """Returns the same for examples that are resampled within groups: the sum of the groups' example components.

    A group with a single example has no variance of its own: infinite, unless `strata` gives its least variance.
    """
    seeds, n_test = values.shape
    residual, components = 0.0, []  # of the mean's variance, with degrees of freedom
    for label, count in zip(*np.unique(strata.labels, return_counts=True), strict=True):
        within = values[:, strata.labels == label]
        weight, example_means = count / n_test, within.mean(axis=0)
        spread = example_means.var(ddof=1) if count > 1 else (0.0 if strata.least_variance else np.inf)
        if count > 1 and seeds > 1:
            deviations = within - within.mean(axis=1, keepdims=True) - example_means + within.mean()
            noise = np.square(deviations).sum() / ((seeds - 1) * (count - 1)) / seeds
            residual += weight**2 * noise / count
            spread = max(spread - noise, 0.0)
        variance, least = weight**2 * spread / count, strata.least_variance / (count + 2) ** 2
        components.append((variance, max(count - 1, 1)) if variance >= least else (least, count + 1))
    if seeds > 1:
        least = residual * stats.chi2.ppf(0.025, seeds - 1) / (seeds - 1)
        components.append((max(values.mean(axis=1).var(ddof=1) / seeds, least), seeds - 1))
    total = sum(variance for variance, _ in components)
    if total == 0 or not np.isfinite(total):
        return CrossedMean(float(values.mean()), float(total), 1)
    degrees = total**2 / sum(variance**2 / degrees for variance, degrees in components)
    return CrossedMean(float(values.mean()), float(total), float(degrees))


def crossed_interval(
    values: Float[np.ndarray, "seeds n_test"],
    scale: IntervalScale = "linear",
    strata: Strata | None = None,
    level: float = 0.95,
) -> list[float]:
    """Returns the interval of the mean over other draws of seeds and examples.

    Args:
        values: one for each seed and test example.
        scale: on which the interval is symmetric. linear: for differences; logit: for shares of 0s and 1s; log: for
            means of losses, which are above 0. The last two keep the interval within the range of such a mean, and
            have the nominal coverage near its bounds, where a symmetric interval does not.
        strata: groups within which examples are resampled; None: all are one group.
        level: the probability with which the interval contains the mean.
    """
    mean, variance, degrees = crossed_mean(values, strata)
    half = float(stats.t.ppf((1 + level) / 2, degrees) * np.sqrt(variance))
    if half == 0 or (scale != "linear" and mean <= 0) or (scale == "logit" and mean >= 1):
        return [mean, mean]
    if scale == "log":
        return [float(mean * np.exp(sign * half / mean)) for sign in (-1, 1)]
    if scale == "logit":
        return [float(special.expit(special.logit(mean) + sign * half / (mean * (1 - mean)))) for sign in (-1, 1)]
    return [mean - half, mean + half]


def summarize_seeds(values: Sequence[float] | Shaped[np.ndarray, " seeds"]) -> dict[str, Any]:
    """Returns one number per seed, their mean, and its interval over other seeds; None unless all are finite."""
    per_seed = np.asarray(values)
    interval = seeds_interval(per_seed) if np.isfinite(per_seed).all() else None
    return {"per_seed": per_seed, "mean": per_seed.mean(dtype=np.float64), "ci95": interval}


def seeds_interval(per_seed: Sequence[float] | Float[np.ndarray, " seeds"]) -> list[float] | None:
    """Returns the 95 % Student t interval of the mean over seeds, on fixed test examples; None for a single seed."""
    values = np.asarray(per_seed, np.float64)
    if len(values) < 2:
        return None
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return [float(values.mean() - half), float(values.mean() + half)]
