"""Statistics of curves over label budgets: simultaneous bands, crossovers, and the number of labels that a loss costs.

Every budget has the same trainings and test examples. Between budgets a curve is linear in the logarithm of the number
of labels, so that each of its points is a mean of the same kind as at a budget, with a variance of its own.

*Bands* hold at all budgets at once, in 95 %: the critical value is the quantile of the largest absolute value of a
multivariate t vector with the correlations of the estimates (Hothorn, Bretz and Westfall 2008, Simultaneous inference
in general parametric models, section 3). It is below Bonferroni's, as neighbouring budgets are correlated.

*Crossovers* are found where the band shows a difference of one sign at a budget, and of the other sign at the next
budget at which it shows any. The interval has the points between both at which the difference, tested alone, is not
significant: Fieller's (1954) set, which contains the place where the true curve crosses.

*Surplus description length* and *epsilon sample complexity* (Whitney, Song, Brandfonbrener, Altosaar and Cho 2020,
Evaluating representations by the complexity of learning low-loss predictors, equations 5 and 6) of a curve of losses
L(n) in nats over the number n of labels:

    SDL = sum over n >= 1 of max(L(n) - epsilon, 0)        eSC = min {n: L(n) <= epsilon}

Below the smallest budget the loss counts as there, as in the authors' library. If the curve does not reach epsilon, SDL
is the sum up to all labels, a lower bound.
"""

import functools
import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy import stats

from aejax.data.shuffling import make_generator
from aejax.evaluate.estimates import Estimate, EvaluationDesign, pool_examples
from aejax.evaluate.intervals import Bounds, mean_bounds
from aejax.evaluate.verdict_metrics import VERDICT_METRICS, VerdictMetric, estimate_metric

DRAWS = 50_000  # of a multivariate t vector
POINTS = 16  # of a curve between two budgets
ROUNDING = 1e-6  # relative: losses are saved in single precision, and epsilon may be one of them
NLL = VERDICT_METRICS["nll"]

CurveValues = Shaped[np.ndarray, "budgets trainings n_test"]


class CurveEstimate(NamedTuple):
    """A curve at its budgets: means with the interval of each alone, and the band that holds at all of them."""

    mean: Float[np.ndarray, " budgets"]
    ci95: Bounds
    band: Bounds


class Crossing(NamedTuple):
    """Where a curve of differences crosses a threshold."""

    labels: float
    ci95: list[float]
    above_before: bool  # whether the difference is above the threshold with fewer labels, and below it with more


class LossComplexity(NamedTuple):
    """How many labels a loss costs."""

    epsilon: float  # nats
    surplus_description_length: float  # nats
    surplus_ci95: list[float] | None  # None: the loss is below epsilon at every budget
    is_lower_bound: bool  # whether the loss is above epsilon with all labels
    sample_complexity: float | None  # labels; None: more than all
    sample_complexity_ci95: list[float | None]


def estimate_curve(
    values: CurveValues,
    design: EvaluationDesign,
    metric: VerdictMetric,
    *,
    of_difference: bool = False,
    level: float = 0.95,
) -> CurveEstimate:
    """Returns the means of a curve with intervals and a simultaneous band.

    Args:
        values: of the metric, or their differences.
        design: which examples each training is tested on, at every budget.
        metric: what the values are of.
        of_difference: whether the values are differences of two methods.
        level: of the band.
    """
    estimate = estimate_metric(values, design, metric, of_difference=of_difference)
    scale = "linear" if of_difference else metric.interval_scale
    pointwise = simultaneous_level(values, design, estimate, level)
    return CurveEstimate(estimate.mean, mean_bounds(estimate, scale), mean_bounds(estimate, scale, pointwise))


def simultaneous_level(values: CurveValues, design: EvaluationDesign, estimate: Estimate, level: float = 0.95) -> float:
    """Returns the level of single intervals at which those of all budgets hold at once with probability `level`."""
    budgets = len(values)
    bonferroni = 1 - (1 - level) / budgets
    degrees = float(np.min(estimate.degrees_of_freedom))
    eigenvalues, vectors = np.linalg.eigh(correlate_means(values, design))
    root = vectors * np.sqrt(np.clip(eigenvalues, 0, None))
    scale = np.sqrt(make_generator(0, "scales of simultaneous bands").chisquare(degrees, DRAWS) / degrees)
    largest = np.abs(_normal_draws(budgets) @ root.T).max(axis=1) / scale
    pointwise = 1 - 2 * stats.t.sf(np.quantile(largest, level), degrees)
    return float(np.clip(pointwise, level, bonferroni))


@functools.lru_cache(maxsize=4)
def _normal_draws(budgets: int) -> Float[np.ndarray, "draws budgets"]:
    return make_generator(0, "simultaneous bands").standard_normal((DRAWS, budgets))


def correlate_means(values: CurveValues, design: EvaluationDesign) -> Float[np.ndarray, "budgets budgets"]:
    """Returns the correlations of the budgets' means over draws of trainings and of test examples."""
    budgets, trainings, n_test = values.shape
    of_examples = values.mean(axis=1) if design.is_shared else pool_examples(values, design)[0]
    covariance = np.cov(of_examples) / of_examples.shape[1]
    if trainings > 1:
        weight = 1 / trainings + (0 if design.is_shared else n_test / design.n_train)
        covariance = covariance + weight * np.cov(values.mean(axis=2))
    covariance = covariance.reshape(budgets, budgets)
    deviations = np.sqrt(np.diag(covariance))
    varies = deviations > 0
    scale = np.where(varies, deviations, 1)
    return np.where(np.outer(varies, varies), covariance / np.outer(scale, scale), np.eye(budgets))


def find_crossings(
    labels: Int[np.ndarray, " budgets"],
    values: CurveValues,
    design: EvaluationDesign,
    metric: VerdictMetric,
    curve: CurveEstimate,
    threshold: float = 0.0,
) -> list[Crossing]:
    """Returns where a curve of differences crosses a threshold, as far as its band shows both sides.

    Args:
        labels: of each budget, ascending.
        values: differences.
        design: which examples each training is tested on.
        metric: what the values are of.
        curve: the estimate of the same values.
        threshold: in units of the metric.
    """
    side = np.where(curve.band[0] > threshold, 1, np.where(curve.band[1] < threshold, -1, 0))
    shown = np.flatnonzero(side)
    return [
        _locate_crossing(labels[first : last + 1], values[first : last + 1], design, metric, threshold)
        for first, last in itertools.pairwise(shown)
        if side[first] != side[last]
    ]


def _locate_crossing(
    labels: Int[np.ndarray, " budgets"],
    values: CurveValues,
    design: EvaluationDesign,
    metric: VerdictMetric,
    threshold: float,
) -> Crossing:
    """Returns the crossing of a curve whose ends are on different sides of the threshold."""
    at, *curve = _interpolate(labels, values, design, metric, of_difference=True)
    mean, low, high = (of_curve - threshold for of_curve in curve)
    sign = np.sign(mean[0])
    near, far = (low, high) if sign > 0 else (-high, -low)  # positive before the crossing
    begin, end = _first_below(at, near), -_first_below(-at[::-1], -far[::-1])
    changes = np.flatnonzero((mean[:-1] >= 0) != (mean[1:] >= 0))
    roots = [at[i] + (at[i + 1] - at[i]) * mean[i] / (mean[i] - mean[i + 1]) for i in changes]
    return Crossing(float(np.exp(np.median(roots))), [float(np.exp(begin)), float(np.exp(end))], bool(sign > 0))


def _first_below(at: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]) -> float:
    """Returns the first place where a piecewise linear function is at most 0; infinity if it never is."""
    below = np.flatnonzero(values <= 0)
    if not below.size:
        return np.inf
    i = below[0]
    if i == 0:
        return float(at[0])
    return float(at[i - 1] + (at[i] - at[i - 1]) * values[i - 1] / (values[i - 1] - values[i]))


def _interpolate(
    labels: Int[np.ndarray, " budgets"],
    values: CurveValues,
    design: EvaluationDesign,
    metric: VerdictMetric,
    *,
    of_difference: bool = False,
) -> Float[np.ndarray, "4 points"]:
    """Returns four rows: logarithms of numbers of labels; the curve's mean there; its lower and its upper bound."""
    scale = "linear" if of_difference else metric.interval_scale
    at, segments = np.log(labels), []
    for segment in range(len(labels) - 1):
        is_last = segment == len(labels) - 2
        weights = np.linspace(0, 1, POINTS + is_last, endpoint=is_last)
        mixed = (1 - weights)[:, None, None] * values[segment] + weights[:, None, None] * values[segment + 1]
        estimate = estimate_metric(mixed, design, metric, of_difference=of_difference)
        positions = at[segment] + weights * (at[segment + 1] - at[segment])
        segments.append(np.stack([positions, estimate.mean, *mean_bounds(estimate, scale)]))
    return np.concatenate(segments, axis=1)


def measure_complexity(
    labels: Int[np.ndarray, " budgets"], losses: CurveValues, design: EvaluationDesign, epsilon: float
) -> LossComplexity:
    """Returns the surplus description length and the sample complexity of a curve of losses.

    Args:
        labels: of each budget, ascending.
        losses: negative log-likelihoods of the test examples, in nats.
        design: which examples each training is tested on.
        epsilon: the loss that is to be reached, in nats.
    """
    at, mean, low, high = _interpolate(labels, losses, design, NLL)
    reached = epsilon * (1 + ROUNDING)
    places = [_first_below(at, curve - reached) for curve in (mean, low, high)]
    complexity, *interval = (None if np.isinf(place) else float(np.exp(place)) for place in places)
    surplus, surplus_interval = _surplus(labels, losses, design, epsilon)
    return LossComplexity(epsilon, surplus, surplus_interval, bool(mean[-1] > reached), complexity, interval)


def _surplus(
    labels: Int[np.ndarray, " budgets"], losses: CurveValues, design: EvaluationDesign, epsilon: float
) -> tuple[float, list[float] | None]:
    """Returns the surplus description length and its interval, which takes the places of losses above epsilon as known.

    At their ends the surplus is 0, so that their errors matter little.
    """
    numbers = np.log(np.arange(1, labels[-1] + 1))
    weights = np.stack([np.interp(numbers, np.log(labels), budget) for budget in np.eye(len(labels))])
    counted = losses.mean(axis=(1, 2), dtype=np.float64) @ weights > epsilon
    if not counted.any():
        return 0.0, None
    summed = np.einsum("b,b...->...", weights[:, counted].sum(axis=1), losses.astype(np.float64))
    estimate = estimate_metric(summed, design, NLL)
    surplus = estimate._replace(mean=estimate.mean - epsilon * np.count_nonzero(counted))
    low, high = mean_bounds(surplus, "log")
    return float(surplus.mean), [float(low), float(high)]
