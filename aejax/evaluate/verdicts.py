"""Verdicts of comparisons, from intervals that hold for a whole family of comparisons at once.

*Sensitivity*: whether verdicts hold under other settings than the ones that gave them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from scipy import stats

Verdict = Literal["better", "worse", "not worse", "equivalent", "inconclusive", "too few seeds"]
EQUIVALENCE_MARGIN = 0.005  # default; differences of a metric inside the margin make no practical difference
SIGNIFICANCE = 0.05  # probability of any false verdict in a family
POWER = 0.8  # with which a detectable difference is found
# By verdict: the verdicts that contradict it. "inconclusive" and "too few seeds" claim nothing.
CONTRADICTIONS: Mapping[str, tuple[str, ...]] = {
    "better": ("worse",),
    "worse": ("better",),
    "equivalent": ("better", "worse"),
    "not worse": ("worse",),
}


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


class VerdictSensitivity(NamedTuple):
    """How one comparison's verdict fares under the variations that can change it."""

    holds: int  # variations with the same verdict
    of: int  # variations that change the method or its baseline; the others would hold by construction
    fragile: bool  # at least one variation contradicts a decisive verdict
    reversed_by: list[str]  # the names of those that do
    verdicts: dict[str, Verdict | None]  # by variation; None where neither method changes


def judge_sensitivity(verdict: Verdict, verdicts: Mapping[str, Verdict | None]) -> VerdictSensitivity:
    """Compares a verdict with those under variations; see the fields of `VerdictSensitivity`.

    >>> judge_sensitivity("better", {"ridge": "better", "other test": "worse", "l1 x10": None})[:4]
    (1, 2, True, ['other test'])
    """
    changed = {name: varied for name, varied in verdicts.items() if varied is not None}
    contradicted = [name for name, varied in changed.items() if varied in CONTRADICTIONS.get(verdict, ())]
    return VerdictSensitivity(
        holds=sum(varied == verdict for varied in changed.values()),
        of=len(changed),
        fragile=bool(contradicted),
        reversed_by=contradicted,
        verdicts=dict(verdicts),
    )


def compare_verdicts(
    comparisons: Sequence[Mapping[str, Any]],
    varied: Mapping[str, Sequence[Mapping[str, Any]]],
    changed_methods: Mapping[str, Sequence[str]],
) -> list[dict[str, Any]]:
    """Returns, for each comparison, its pair and family with the fields of `VerdictSensitivity`.

    Args:
        comparisons: `comparisons` of `results.json`.
        varied: the same of each variation, by its name.
        changed_methods: by variation, the methods whose predictions it can change.
    """

    def key(row: Mapping[str, Any]) -> dict[str, str]:
        return {name: row[name] for name in ("method", "baseline", "family")}

    def verdict_of(row: Mapping[str, Any], variation: str) -> Verdict | None:
        if not {row["method"], row["baseline"]} & set(changed_methods[variation]):
            return None
        return next(other["verdict"] for other in varied[variation] if key(other) == key(row))

    return [
        key(row)
        | judge_sensitivity(row["verdict"], {variation: verdict_of(row, variation) for variation in varied})._asdict()
        for row in comparisons
    ]
