"""Tests the statistics over data sets on simulated studies whose truth is known.

A study has the true difference of each data set, normal or heavy-tailed around a common mean, and a measured one with a
known standard error that differs between data sets.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from aejax.data.shuffling import make_generator
from aejax.evaluate.across_datasets import (
    DECISION,
    count_replications,
    decide_region,
    hierarchical_posterior,
    performance_profile,
    rank_correlation,
    rank_methods,
    signed_rank_posterior,
    wilcoxon_p,
)
from aejax.evaluate.simulation import check_shares, share_with_ci
from aejax.evaluate.verdicts import SIGNIFICANCE

DATASETS, METHODS, TRAININGS = 20, 6, 10
ROPE = 0.01
SPREADS = (0.0, 0.01, 0.03)  # standard deviation of true differences between data sets
ERRORS = (0.004, 0.02)  # least and largest standard error of a data set
SHARES = (0.0, 0.25, 0.75)  # of data sets that have an effect
LEAST_COVERAGE = 0.92

Differences = Float[np.ndarray, " datasets"]


def verify_across_datasets(experiments: int, log: Callable[[str], None]) -> list[dict[str, Any]]:
    """Returns checks as those of `verify_statistics`: a claim, its worst share, and whether it holds.

    Args:
        experiments: simulated of each kind.
        log: is called with a line about each.
    """
    checks = []
    for claim, (simulate, settings, at_least) in CLAIMS.items():
        log(f"over data sets: {claim}")
        rng = make_generator(0, f"over data sets {claim}")
        shares = [share_with_ci([simulate(rng, value) for _ in range(experiments)]) for value in settings]
        bound = LEAST_COVERAGE if at_least else SIGNIFICANCE
        checks.append(check_shares(f"{DATASETS} data sets: {claim}", shares, bound, at_least=at_least))
    return checks


def simulate_study(
    rng: np.random.Generator, mean: float, spread: float, *, heavy: bool = False
) -> tuple[Differences, Differences, Differences]:
    """Returns the true differences, the measured ones and their standard errors."""
    noise = rng.standard_t(4, DATASETS) / np.sqrt(2) if heavy else rng.standard_normal(DATASETS)
    truth, errors = mean + spread * noise, rng.uniform(*ERRORS, DATASETS)
    return truth, truth + errors * rng.standard_normal(DATASETS), errors


def _ranks_differ(rng: np.random.Generator, spread: float) -> bool:
    of_datasets = rng.normal(0.8, 0.1, (DATASETS, 1))
    return rank_methods(of_datasets + (0.01 + spread) * rng.standard_normal((DATASETS, METHODS))).p <= SIGNIFICANCE


def _ranks_exceed_critical_difference(rng: np.random.Generator, spread: float) -> bool:
    ranks = rank_methods((0.01 + spread) * rng.standard_normal((DATASETS, METHODS)))
    return bool(np.ptp(ranks.mean_ranks) > ranks.critical_difference)


def _wilcoxon_rejects(rng: np.random.Generator, spread: float) -> bool:
    return wilcoxon_p(simulate_study(rng, 0.0, spread)[1]) <= SIGNIFICANCE


def _decides(
    rng: np.random.Generator, spread: float, mean: float, regions: tuple[str, ...], datasets: int = DATASETS
) -> bool:
    _, measured, errors = (part[:datasets] for part in simulate_study(rng, mean, spread))
    posterior = hierarchical_posterior(measured, errors, ROPE)
    if max(posterior.mean_region[region] for region in regions) < DECISION:
        return False
    return decide_region(signed_rank_posterior(measured, ROPE, 2000), posterior, datasets) in regions


def _hierarchical_covers(rng: np.random.Generator, spread: float, *, heavy: bool = False) -> bool:
    _, measured, errors = simulate_study(rng, 0.01, spread, heavy=heavy)
    low, high = hierarchical_posterior(measured, errors, ROPE).ci95
    return bool(low <= 0.01 <= high)


def _next_is_covered(rng: np.random.Generator, spread: float) -> bool:
    _, measured, errors = simulate_study(rng, 0.01, spread)
    low, high = hierarchical_posterior(measured, errors, ROPE).next_ci95
    return bool(low <= rng.normal(0.01, spread) <= high)


def _overstates_replications(rng: np.random.Generator, effects: float, *, independent: bool = False) -> bool:
    truth = np.where(np.arange(DATASETS) < effects * DATASETS, 0.03, 0.0)
    errors = rng.uniform(*ERRORS, DATASETS)
    p_values = stats.norm.sf(rng.normal(truth, errors) / errors)
    return bool(count_replications(p_values.tolist(), independent=independent) > effects * DATASETS)


def _profile_covers(rng: np.random.Generator, spread: float) -> bool:
    means = rng.normal(0, spread, DATASETS)
    scores = rng.normal(means[:, None], 0.02, (DATASETS, TRAININGS))
    profile = performance_profile(list(scores), np.array([0.0]), 500)
    truth = stats.norm.sf(0.0, means, 0.02).mean()
    return bool(profile["low"][0] <= truth <= profile["high"][0])


def _correlation_covers(rng: np.random.Generator, rho: float) -> bool:
    x, rest = rng.standard_normal((2, DATASETS))
    found = rank_correlation(x.tolist(), (rho * x + np.sqrt(1 - rho**2) * rest).tolist())
    truth = 6 / np.pi * np.arcsin(rho / 2)  # Spearman's correlation of a bivariate normal distribution
    return found is not None and bool(found["ci95"][0] <= truth <= found["ci95"][1])


_EQUAL_IS_DIFFERENT = partial(_decides, mean=0.0, regions=("better", "worse"))
_MARGIN_IS_BETTER = partial(_decides, mean=ROPE, regions=("better",))
_MARGIN_IS_EQUIVALENT = partial(_decides, mean=ROPE, regions=("equivalent",))
CLAIMS: dict[str, tuple[Callable[[np.random.Generator, float], bool], tuple[float, ...], bool]] = {
    "Friedman's test errs in at most 5 %": (_ranks_differ, SPREADS, False),
    "any two ranks differ by Nemenyi's test in at most 5 %": (_ranks_exceed_critical_difference, SPREADS[1:], False),
    "Wilcoxon's test errs in at most 5 %": (_wilcoxon_rejects, SPREADS, False),
    "two equal methods are decided to differ in at most 5 %": (_EQUAL_IS_DIFFERENT, SPREADS, False),
    "a difference at the margin counts as larger in at most 5 %": (_MARGIN_IS_BETTER, SPREADS, False),
    "a difference at the margin counts as equivalent in at most 5 %": (_MARGIN_IS_EQUIVALENT, SPREADS, False),
    "the same with the first 6 data sets": (partial(_MARGIN_IS_EQUIVALENT, datasets=6), SPREADS, False),
    "the hierarchical mean's interval covers at least 92 %": (_hierarchical_covers, SPREADS, True),
    "the same with heavy-tailed differences": (partial(_hierarchical_covers, heavy=True), SPREADS[1:], True),
    "the interval for another data set covers at least 92 %": (_next_is_covered, SPREADS, True),
    "replications are overstated in at most 5 %": (_overstates_replications, SHARES, False),
    "the same by Fisher's method": (partial(_overstates_replications, independent=True), SHARES, False),
    "a performance profile's band covers at least 92 %": (_profile_covers, (0.01, 0.03), True),
    "a rank correlation's interval covers at least 92 %": (_correlation_covers, (0.0, 0.6, 0.9), True),
}
