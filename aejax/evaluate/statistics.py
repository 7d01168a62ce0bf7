"""Intervals, tests and verdicts over seeds and test examples."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from aejax.data.order import generator

Verdict = Literal["better", "worse", "equivalent", "inconclusive", "too few seeds"]
MIN_SEEDS = 6  # below this no two-sided sign-flip test can reach p = .05: 2 / 2^5 = .0625
MARGIN = 0.005  # accuracy differences inside this margin make no practical difference
DRAWS = 2000  # bootstrap resamples
EXACT_SEEDS = 14  # up to 2^14 sign patterns are enumerated; beyond, drawn


class Resamples(NamedTuple):
    """Crossed bootstrap weights: each draw resamples seeds and, independently, test examples.

    Drawn once and used for every method, so that differences are paired on both.
    """

    seeds: Float[np.ndarray, "draws seeds"]  # how often each seed was drawn
    examples: Float[np.ndarray, "draws n_test"]  # how often each example was drawn


def draw_resamples(seeds: int, examples: int, draws: int = DRAWS) -> Resamples:
    """Multinomial counts; the same for the same sizes."""
    rng = generator(0, "bootstrap")

    def counts(count: int) -> Float[np.ndarray, "draws count"]:
        drawn = [np.bincount(rng.integers(count, size=count), minlength=count) for _ in range(draws)]
        return np.stack(drawn).astype(np.float32)  # sums of 0s and 1s stay exact

    return Resamples(counts(seeds), counts(examples))


def crossed_interval(values: Float[np.ndarray, "seeds n_test"], resamples: Resamples) -> list[float]:
    """95 % percentile interval of the mean over seeds and examples: what another draw of both would give."""
    sums = (resamples.examples @ values.T.astype(np.float32)).astype(np.float64)  # (draws, seeds)
    means = np.sum(sums * resamples.seeds, axis=1) / values.size
    return [float(bound) for bound in np.quantile(means, [0.025, 0.975])]


def seeds_interval(per_seed: Sequence[float] | Float[np.ndarray, " seeds"]) -> list[float] | None:
    """95 % Student t interval of the mean over seeds, test examples taken as given; None for a single seed."""
    values = np.asarray(per_seed, np.float64)
    if len(values) < 2:
        return None
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return [float(values.mean() - half), float(values.mean() + half)]


def sign_flip_p(differences: Float[np.ndarray, " seeds"]) -> float | None:
    """Two-sided p of the mean paired difference under random signs, exact up to `EXACT_SEEDS`; None for one seed."""
    count = len(differences)
    if count < 2:
        return None
    result = stats.permutation_test(
        (np.asarray(differences, np.float64),),
        lambda sample, axis: np.mean(sample, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf if count <= EXACT_SEEDS else 9999,
        vectorized=True,
        rng=generator(0, "sign flips"),
    )
    return float(result.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979) of a family's p-values, in the order given."""
    order = np.argsort(p_values)
    count = len(p_values)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate((count - np.arange(count)) * np.asarray(p_values)[order]))
    return adjusted.tolist()


def verdict(mean: float, interval: Sequence[float], p_adjusted: float | None, seeds: int) -> Verdict:
    """What a comparison of accuracies shows.

    better or worse: the interval excludes 0, the adjusted p is below .05, and the mean is beyond `MARGIN`, all three;
    equivalent: the interval lies inside the margin; inconclusive: anything else.
    """
    if seeds < MIN_SEEDS or p_adjusted is None:
        return "too few seeds"
    low, high = interval
    if p_adjusted < 0.05 and abs(mean) > MARGIN and not low <= 0 <= high:
        return "better" if mean > 0 else "worse"
    return "equivalent" if low > -MARGIN and high < MARGIN else "inconclusive"


class Comparison(NamedTuple):
    """One method against one baseline on the same seeds and test examples; differences are method minus baseline."""

    method: str
    baseline: str
    mean_difference: float
    ci95: list[float]
    p: float | None
    p_holm: float | None
    verdict: Verdict


def compare_all(
    correct: dict[str, np.ndarray], pairs: Sequence[tuple[str, str]], resamples: Resamples
) -> list[Comparison]:
    """Every declared pair; the comparisons of one method are one family.

    So an autoencoder's verdicts do not depend on which others stand in the same table: with ten seeds no p is below
    1/512, and a table of all kinds as one family could not reach .05.

    Args:
        correct: by method, `(seeds, n_test)` of 0 and 1.
        pairs: (method, baseline).
        resamples: from `draw_resamples` of the same sizes.
    """
    differences = [correct[m].astype(np.float64) - correct[b].astype(np.float64) for m, b in pairs]
    p_values = [sign_flip_p(difference.mean(axis=1)) for difference in differences]
    families: dict[str, list[int]] = {}
    for index, ((method, _), p) in enumerate(zip(pairs, p_values, strict=True)):
        if p is not None:
            families.setdefault(method, []).append(index)
    adjusted: dict[int, float] = {}
    for own in families.values():
        adjusted |= dict(zip(own, holm([p for i in own if (p := p_values[i]) is not None]), strict=True))
    rows = []
    for index, ((method, baseline), difference, p) in enumerate(zip(pairs, differences, p_values, strict=True)):
        p_holm = adjusted.get(index)
        interval, mean = crossed_interval(difference, resamples), float(difference.mean())
        rows.append(
            Comparison(method, baseline, mean, interval, p, p_holm, verdict(mean, interval, p_holm, len(difference)))
        )
    return rows
