"""Statistics of two or more methods over several data sets, each of which gives a mean difference or a score.

Which test answers what:

- `rank_methods`: do the methods differ at all, and which by more than a critical difference of ranks (Demsar 2006)?
- `wilcoxon_p`: is the median difference of two methods over data sets 0 (Demsar 2006, section 3.1.3)?
- `signed_rank_posterior`: how probable is it that most data sets favour one method, or neither by more than a region of
  practical equivalence (Benavoli et al. 2017, section 4.2)? It weighs every data set alike.
- `hierarchical_posterior`: how large is the mean difference, and what is to be expected of another data set? It weighs
  data sets by how precisely each was measured.
- `count_replications`: on how many data sets, at least, is one method better (Dror et al. 2017)?
- `performance_profile`: on which share of trainings does a method exceed a score (Agarwal et al. 2021, section 4.3)?
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import optimize, stats

from aejax.data.shuffling import make_generator
from aejax.evaluate.verdicts import SIGNIFICANCE

MIN_DATASETS = 5  # for a hierarchical model: with fewer, a uniform prior of tau is too wide (Gelman 2006)
MIN_DECISION_DATASETS = 6  # for a decision: with fewer, Wilcoxon's test cannot reject at 5 %, whatever the differences
PRIOR_STRENGTH = 0.5  # of the pseudo-difference 0 of the signed-rank posterior, as in baycomp
DECISION = 0.95  # probability from which a region counts as decided
REGIONS = ("worse", "equivalent", "better")
_SPREADS = 400  # points of the grid of the standard deviation between data sets


class Ranks(NamedTuple):
    """Mean ranks of methods over data sets; 1 is the best."""

    mean_ranks: Float[np.ndarray, " methods"]
    p: float  # of Friedman's test in the form of Iman and Davenport (1980)
    critical_difference: float  # of two mean ranks, by Nemenyi's test at 5 %


def rank_methods(scores: Float[np.ndarray, "datasets methods"]) -> Ranks:
    """Ranks methods within each data set (Demsar 2006, equations 6 to 8); higher scores are better, ties share a rank.

    Args:
        scores: of at least three methods on at least two data sets.
    """
    datasets, methods = scores.shape
    mean_ranks = stats.rankdata(-scores, axis=1).mean(axis=0)
    if (scores == scores[:, :1]).all():
        return Ranks(mean_ranks, 1.0, _critical_difference(methods, datasets))
    chi_square = float(stats.friedmanchisquare(*scores.T).statistic)
    rest = datasets * (methods - 1) - chi_square
    ratio = (datasets - 1) * chi_square / rest if rest > 1e-9 * chi_square else np.inf
    p = float(stats.f.sf(ratio, methods - 1, (methods - 1) * (datasets - 1)))
    return Ranks(mean_ranks, p, _critical_difference(methods, datasets))


@functools.cache
def _critical_difference(methods: int, datasets: int) -> float:
    quantile = stats.studentized_range.ppf(1 - SIGNIFICANCE, methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(methods * (methods + 1) / (6 * datasets)))


def wilcoxon_p(differences: Float[np.ndarray, " datasets"]) -> float:
    """Returns the two-sided p-value of Wilcoxon's signed-rank test; ranks of zeros are split evenly."""
    if not np.any(differences):
        return 1.0
    return float(stats.wilcoxon(differences, zero_method="zsplit").pvalue)


def signed_rank_posterior(
    differences: Float[np.ndarray, " datasets"], rope: float, samples: int = 20_000
) -> dict[str, float]:
    """Returns the posterior probability of each of `REGIONS`, by the Bayesian signed-rank test.

    The differences of data sets, and one of 0 a priori, have Dirichlet weights w; a region's share is the sum of
    w_i w_j over the pairs whose mean (z_i + z_j) / 2 lies in it. Its probability is how often its share is the largest:
    it says what is to be expected of most data sets, not how large the mean difference is.

    Args:
        differences: positive where the method is better.
        rope: the largest difference without practical relevance.
        samples: of the weights, from a fixed seed.
    """
    pseudo = np.concatenate([[0.0], differences])
    means = (pseudo[:, None] + pseudo) / 2
    concentration = np.r_[PRIOR_STRENGTH, np.ones(len(differences))]
    weights = make_generator(0, "signed rank").dirichlet(concentration, samples)
    below, above = ((weights @ np.heaviside(sign * means - rope, 0.5) * weights).sum(axis=1) for sign in (-1, 1))
    shares = np.stack([below, 1 - below - above, above])
    largest = shares == shares.max(axis=0)  # more than one without a rope and with differences of 0
    return dict(zip(REGIONS, (largest / largest.sum(axis=0)).mean(axis=1).tolist(), strict=True))


class HierarchicalPosterior(NamedTuple):
    """What several data sets show of the mean difference, and of the difference on another one."""

    mean: float
    ci95: list[float]  # of the mean difference of all data sets of this kind
    spread: float  # posterior mean of the standard deviation of true differences between data sets
    next_ci95: list[float]  # of the true difference on another data set
    mean_region: dict[str, float]  # probability of each of `REGIONS` for the mean difference
    next_region: dict[str, float]  # for the true difference on another data set


def hierarchical_posterior(
    differences: Float[np.ndarray, " datasets"], errors: Float[np.ndarray, " datasets"], rope: float
) -> HierarchicalPosterior:
    """Returns the posterior of a normal model of differences within and between data sets.

    y_i ~ N(theta_i, s_i^2) and theta_i ~ N(mu, tau^2), with uniform priors of mu and tau (Gelman et al. 2013, Bayesian
    Data Analysis, section 5.4, equations 5.20 and 5.21): given tau everything is normal, and tau is summed over a grid.
    Corani et al. (2017) have the same hierarchy with Student's t between data sets.

    Args:
        differences: y_i, measured on at least `MIN_DATASETS` data sets; positive where the method is better.
        errors: s_i, the standard error of each.
        rope: the largest difference without practical relevance.
    """
    assert len(differences) >= MIN_DATASETS
    squares = np.square(errors) + 1e-18
    scale = np.sqrt(np.var(differences) + squares.mean())
    spreads = scale * np.r_[0.0, np.geomspace(1e-3, 30, _SPREADS - 1)]
    totals = squares + np.square(spreads)[:, None]  # (spread, data set)
    variances = 1 / (1 / totals).sum(axis=1)
    means = variances * (differences / totals).sum(axis=1)
    residuals = np.square(differences - means[:, None]) / totals
    log_density = 0.5 * (np.log(variances) - np.log(totals).sum(axis=1) - residuals.sum(axis=1))
    weights = np.exp(log_density - log_density.max()) * np.gradient(spreads)
    weights /= weights.sum()
    of_mean, of_next = _Mixture(weights, means, variances), _Mixture(weights, means, variances + np.square(spreads))
    return HierarchicalPosterior(
        mean=float(weights @ means),
        ci95=[of_mean.quantile(0.025), of_mean.quantile(0.975)],
        spread=float(weights @ spreads),
        next_ci95=[of_next.quantile(0.025), of_next.quantile(0.975)],
        mean_region=of_mean.regions(rope),
        next_region=of_next.regions(rope),
    )


class _Mixture(NamedTuple):
    """A mixture of normal distributions."""

    weights: Float[np.ndarray, " n"]
    means: Float[np.ndarray, " n"]
    variances: Float[np.ndarray, " n"]

    def below(self, value: float) -> float:
        return float(self.weights @ stats.norm.cdf(value, self.means, np.sqrt(self.variances)))

    def quantile(self, share: float) -> float:
        reach = 40 * np.sqrt(self.variances.max())
        low, high = self.means.min() - reach, self.means.max() + reach
        return float(optimize.brentq(lambda value: self.below(value) - share, low, high))

    def regions(self, rope: float) -> dict[str, float]:
        worse, not_better = self.below(-rope), self.below(rope)
        return dict(zip(REGIONS, (worse, not_better - worse, 1 - not_better), strict=True))


def decide_region(signed_rank: dict[str, float], posterior: HierarchicalPosterior | None, datasets: int) -> str | None:
    """Returns the region of `REGIONS` that both have at least `DECISION` for: most data sets, and the mean difference.

    None if there is none, or fewer than `MIN_DECISION_DATASETS` data sets. Signed ranks alone would find equivalence
    too often with few data sets, as their prior has a difference of 0.
    """
    if posterior is None or datasets < MIN_DECISION_DATASETS:
        return None
    both = {region: min(signed_rank[region], posterior.mean_region[region]) for region in REGIONS}
    return next((region for region, probability in both.items() if probability >= DECISION), None)


def count_replications(p_values: Sequence[float], *, independent: bool = False) -> int:
    """Returns a lower bound, of 95 % confidence, of the number of data sets on which an effect is real.

    The largest u for which each partial conjunction hypothesis "fewer than v data sets have the effect", v <= u, is
    rejected at 5 % (Benjamini and Heller 2008; Dror et al. 2017, equations 3 and 4): the n - v + 1 largest p-values are
    combined by Bonferroni, or by Fisher's method if data sets are independent.

    Args:
        p_values: one-sided, one for each data set.
        independent: whether data sets share no examples.
    """
    ordered = np.sort(np.asarray(p_values, np.float64))
    for count in range(len(ordered)):
        rest = ordered[count:]
        combined = stats.combine_pvalues(rest, "fisher").pvalue if independent else len(rest) * rest[0]
        if combined > SIGNIFICANCE:
            return count
    return len(ordered)


def performance_profile(
    scores: Sequence[Float[np.ndarray, " _trainings"]], thresholds: Float[np.ndarray, " n"], samples: int = 2000
) -> dict[str, Any]:
    """Returns the share of trainings whose score exceeds each threshold, mean over data sets, with 95 % bands.

    The bands are pointwise, by the stratified bootstrap: trainings are drawn again within each data set, n - 1 of n, as
    n of few are too narrow a band (Rao and Wu 1988). They do not show what other data sets would.

    Args:
        scores: of the trainings of each data set, made comparable between data sets.
        thresholds: at which the profile is computed.
        samples: of the bootstrap, from a fixed seed.
    """
    rng, means, drawn = make_generator(0, "profiles"), [], []
    for of_dataset in scores:
        exceeds = (np.asarray(of_dataset)[:, None] > thresholds).astype(np.float64)
        count = len(exceeds)
        means.append(exceeds.mean(axis=0))
        draws = max(count - 1, 1)
        drawn.append(rng.multinomial(draws, np.full(count, 1 / count), samples) / draws @ exceeds)
    low, high = np.quantile(np.mean(drawn, axis=0), [0.025, 0.975], axis=0)
    return {"share": np.round(np.mean(means, axis=0), 4), "low": np.round(low, 4), "high": np.round(high, 4)}


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> dict[str, Any] | None:
    """Returns Spearman's correlation with a 95 % interval (Bonett and Wright 2000); None for fewer than five pairs.

    A correlation of 1 would have an interval without width: it counts as half a step of two neighbouring ranks below 1.
    """
    pairs = np.array([x, y], np.float64)
    pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
    if pairs.shape[1] < 5 or (np.ptp(pairs, axis=1) == 0).any():
        return None
    rho = float(stats.spearmanr(*pairs).statistic)
    count = pairs.shape[1]
    limit = 1 - 6 / (count * (count**2 - 1))
    half = stats.norm.ppf(0.975) * np.sqrt((1 + rho**2 / 2) / (count - 3))
    centre = np.arctanh(np.clip(rho, -limit, limit))
    low, high = np.tanh([centre - half, centre + half]).tolist()
    return {"rho": rho, "ci95": [min(low, rho), max(high, rho)], "of": count}
