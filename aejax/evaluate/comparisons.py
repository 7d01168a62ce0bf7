"""Comparisons of methods on the same seeds and test examples, and their verdicts."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from aejax.evaluate.intervals import crossed_interval, seeds_interval
from aejax.evaluate.significance import crossed_p, holm_adjust, paired_test

Verdict = Literal["better", "worse", "equivalent", "inconclusive", "too few seeds"]
MIN_SEEDS = 6  # with fewer no two-sided sign-flip test can reach p = .05: 2 / 2^5 = .0625
EQUIVALENCE_MARGIN = 0.005  # default; accuracy differences inside the margin make no practical difference


class Comparison(NamedTuple):
    """One method against one baseline on the same seeds and test examples; differences are method minus baseline."""

    method: str
    baseline: str
    mean_difference: float
    ci95: list[float]  # over other draws of seeds and of test examples
    ci95_seeds: list[float] | None  # over other draws of seeds, on these test examples; None for one seed
    test: str  # that gave `p`
    p: float
    p_holm: float
    p_crossed: float  # over the same draws as ci95
    p_crossed_holm: float
    verdict: Verdict


def decide_verdict(
    mean_difference: float,
    interval: Sequence[float],
    p_adjusted: Sequence[float],
    seeds: int,
    margin: float = EQUIVALENCE_MARGIN,
) -> Verdict:
    """Decides what a comparison of accuracies shows.

    better or worse: the interval excludes 0, every adjusted p is below .05, and the mean is beyond `margin`, all three;
    equivalent: the interval lies inside the margin; inconclusive: anything else.
    """
    if seeds < MIN_SEEDS:
        return "too few seeds"
    low, high = interval
    if max(p_adjusted) < 0.05 and abs(mean_difference) > margin and not low <= 0 <= high:
        return "better" if mean_difference > 0 else "worse"
    return "equivalent" if low > -margin and high < margin else "inconclusive"


def compare_pairs(
    correct: dict[str, np.ndarray], pairs: Sequence[tuple[str, str]], margin: float = EQUIVALENCE_MARGIN
) -> list[Comparison]:
    """Compares every pair; the comparisons of one method are one family.

    So an autoencoder's verdicts do not depend on which others are in the same table: with ten seeds no p is below
    1/512, and a table of all kinds as one family could not reach .05.

    Two p-values are adjusted, each over the family. The sign-flip test over seeds asks whether another training would
    also differ on these test examples; with few examples it finds differences that other examples would not show. The
    crossed p asks for both. Without its adjustment four true null hypotheses gave a verdict in one family of seven.

    Args:
        correct: by method, `(seeds, n_test)` of 0 and 1.
        pairs: (method, baseline).
        margin: the largest difference without practical consequence, as a fraction of the test examples.
    """
    differences = [correct[method].astype(np.float64) - correct[baseline] for method, baseline in pairs]
    tests = [paired_test(difference) for difference in differences]
    crossed = [crossed_p(difference) for difference in differences]
    families = [method for method, _ in pairs]
    adjusted = _holm_by_family(families, [p for p, _ in tests])
    crossed_adjusted = _holm_by_family(families, crossed)
    return [
        Comparison(
            method=method,
            baseline=baseline,
            mean_difference=(mean := float(difference.mean())),
            ci95=(interval := crossed_interval(difference)),
            ci95_seeds=seeds_interval(difference.mean(axis=1)),
            test=test,
            p=p,
            p_holm=p_holm,
            p_crossed=p_crossed,
            p_crossed_holm=p_crossed_holm,
            verdict=decide_verdict(mean, interval, (p_holm, p_crossed_holm), len(difference), margin),
        )
        for (method, baseline), difference, (p, test), p_holm, p_crossed, p_crossed_holm in zip(
            pairs, differences, tests, adjusted, crossed, crossed_adjusted, strict=True
        )
    ]


def _holm_by_family(families: Sequence[str], p_values: Sequence[float]) -> list[float]:
    """Adjusts the p-values of each family; returns them in the order given."""
    adjusted = np.empty(len(p_values))
    for family in dict.fromkeys(families):
        members = [index for index, name in enumerate(families) if name == family]
        adjusted[members] = holm_adjust([p_values[index] for index in members])
    return adjusted.tolist()
