"""Verdicts of comparisons, from intervals that hold for a whole family of comparisons at once."""

from collections.abc import Sequence
from typing import Literal

from scipy import stats

Verdict = Literal["better", "worse", "not worse", "equivalent", "inconclusive", "too few seeds"]
EQUIVALENCE_MARGIN = 0.005  # default; differences of a metric inside the margin make no practical difference
SIGNIFICANCE = 0.05  # probability of any false verdict in a family
POWER = 0.8  # with which a detectable difference is found


def adjusted_level(family_size: int) -> float:
    """Returns the level at which every interval of a family holds at once in 95 % (Bonferroni; Dunn 1961)."""
    return 1 - SIGNIFICANCE / max(family_size, 1)


def minimum_trainings(family_size: int) -> int:
    """Returns the number of trainings below which a family of comparisons gets no verdict.

    It is the least for which Student's interval over the trainings, at the adjusted level, is at most twice as long as
    the normal interval that would do if their variance were known: 4 for one comparison, 5 for four, 6 for twelve.
    """
    tail = (1 + adjusted_level(family_size)) / 2
    trainings = 2
    while stats.t.ppf(tail, trainings - 1) > 2 * stats.norm.ppf(tail):
        trainings += 1
    return trainings


def detectable_difference(
    standard_error: float, degrees_of_freedom: float, family_size: int, power: float = POWER
) -> float:
    """Returns the difference whose adjusted interval excludes 0 with this probability (Student; Bonferroni)."""
    quantiles = stats.t.ppf([(1 + adjusted_level(family_size)) / 2, power], degrees_of_freedom)
    return float(quantiles.sum() * standard_error)


def decide_verdict(interval: Sequence[float], margin: float = EQUIVALENCE_MARGIN) -> Verdict:
    """Decides what the adjusted interval of a difference shows, for a metric that is better where it is higher.

    better or worse: it excludes 0, unless it lies within the margin; equivalent: it lies within the margin; not worse:
    it lies above -margin (non-inferiority), and nothing stronger holds; inconclusive: anything else.
    """
    low, high = interval
    if low > -margin and high < margin:
        return "equivalent"
    if low > 0 or high < 0:
        return "better" if low > 0 else "worse"
    return "not worse" if low > -margin else "inconclusive"
