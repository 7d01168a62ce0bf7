"""Intervals of means over trainings and test examples, and of one number per seed."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Shaped
from scipy import special, stats

from aejax.evaluate.estimates import Estimate, PerExperiment

IntervalScale = Literal["linear", "log", "proportion"]
Bounds = tuple[PerExperiment, PerExperiment]


def mean_interval(estimate: Estimate, scale: IntervalScale = "linear", level: float = 0.95) -> list[float]:
    """Returns the interval of one mean under other draws of trainings and of test examples."""
    return [float(bound) for bound in mean_bounds(estimate, scale, level)]


def mean_bounds(estimate: Estimate, scale: IntervalScale = "linear", level: float = 0.95) -> Bounds:
    """Returns the lower and upper bounds of any number of means.

    Args:
        estimate: of the means.
        scale: linear: Student's interval, for differences; log: Student's on the logarithms, for means of losses,
            which are above 0; proportion: `proportion_bounds`, for metrics between 0 and 1.
        level: the probability with which an interval contains the mean of all draws.
    """
    if scale == "proportion":
        return proportion_bounds(estimate, level)
    half = stats.t.ppf((1 + level) / 2, estimate.degrees_of_freedom) * np.sqrt(estimate.variance)
    if scale == "log":
        positive = np.where(estimate.mean > 0, estimate.mean, 1.0)
        return estimate.mean * np.exp(-half / positive), estimate.mean * np.exp(half / positive)
    return estimate.mean - half, estimate.mean + half


def proportion_bounds(estimate: Estimate, level: float = 0.95) -> Bounds:
    """Returns the bounds of Korn and Graubard (1998): Clopper and Pearson's for an effective number of examples.

    The effective number is that of independent examples which would give the same variance, reduced for the variance's
    degrees of freedom. With n examples that are right in every training it is n, and the lower bound is that of Clopper
    and Pearson (1934): 90.3 % for n = 36. A symmetric interval on the logit scale covers .997 with 36 examples never.
    """
    mean, variance, degrees, examples = estimate
    tail = (1 - level) / 2
    smoothed = (examples * mean + 1) / (examples + 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = smoothed * (1 - smoothed) / variance
        effective *= np.square(stats.t.ppf(tail, max(examples - 1, 1)) / stats.t.ppf(tail, degrees))
        right, wrong = np.clip(effective * mean, 0, None), np.clip(effective * (1 - mean), 0, None)
        low = np.where(right > 0, special.betaincinv(right, wrong + 1, tail), 0.0)
        high = np.where(wrong > 0, special.betaincinv(right + 1, wrong, 1 - tail), 1.0)
    return low, high


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
