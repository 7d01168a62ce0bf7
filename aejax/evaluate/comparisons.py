"""Comparisons of methods on the same seeds and test examples, and their verdicts."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from aejax.evaluate.intervals import crossed_interval, seeds_interval
from aejax.evaluate.significance import crossed_p, holm_adjust, paired_test

Verdict = Literal["better", "worse", "equivalent", "inconclusive", "too few seeds"]
MIN_SEEDS = 6  # below this no two-sided sign-flip test can reach p = .05: 2 / 2^5 = .0625
EQUIVALENCE_MARGIN = (
    0.005  # accuracy differences inside this margin make no practical difference, unless another is declared
)


class Comparison(NamedTuple):
    """One method against one baseline on the same seeds and test examples; differences are method minus baseline."""

    method: str
    baseline: str
    mean_difference: float
    ci95: list[float]  # under another draw of seeds and of test examples
    ci95_seeds: list[float] | None  # under another draw of seeds, test examples as given; None for one seed
    test: str  # what `p` is of
    p: float
    p_holm: float
    p_crossed: float  # of the same draws as ci95
    p_crossed_holm: float
    verdict: Verdict


def decide_verdict(
    mean_difference: float,
    interval: Sequence[float],
    p_adjusted: Sequence[float],
    seeds: int,
    margin: float = EQUIVALENCE_MARGIN,
) -> Verdict:
    """What a comparison of accuracies shows.

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
    """Every declared pair; the comparisons of one method are one family.

    So an autoencoder's verdicts do not depend on which others stand in the same table: with ten seeds no p is below
    1/512, and a table of all kinds as one family could not reach .05.

    Two p-values are adjusted, each over the family. The sign-flip test over seeds asks of the test examples at hand
    whether another training would differ too; with few examples it finds differences that other examples would not
    show. The crossed p asks for both. Without its adjustment four true nulls gave a verdict in one family of seven.

    Args:
        correct: by method, `(seeds, n_test)` of 0 and 1.
        pairs: (method, baseline).
        margin: what `verdict` takes for no practical difference, as a fraction of the test examples.
    """
    differences = [correct[method].astype(np.float64) - correct[baseline] for method, baseline in pairs]
    tests = [paired_test(difference) for difference in differences]
    families = [method for method, _ in pairs]
    adjusted = _holm_by_family(families, [p for p, _ in tests])
    crossed = [crossed_p(difference) for difference in differences]
    crossed_adjusted = _holm_by_family(families, crossed)
    rows = []
    for index, ((method, baseline), difference) in enumerate(zip(pairs, differences, strict=True)):
        mean, interval = float(difference.mean()), crossed_interval(difference)
        row = Comparison(
            method=method,
            baseline=baseline,
            mean_difference=mean,
            ci95=interval,
            ci95_seeds=seeds_interval(difference.mean(axis=1)),
            test=tests[index][1],
            p=tests[index][0],
            p_holm=adjusted[index],
            p_crossed=crossed[index],
            p_crossed_holm=crossed_adjusted[index],
            verdict=decide_verdict(mean, interval, (adjusted[index], crossed_adjusted[index]), len(difference), margin),
        )
        rows.append(row)
    return rows


def _holm_by_family(families: Sequence[str], p_values: Sequence[float]) -> list[float]:
    """`holm` of the p-values of each family, in the order given."""
    adjusted = [0.0] * len(p_values)
    for family in dict.fromkeys(families):
        members = [index for index, own in enumerate(families) if own == family]
        for index, p in zip(members, holm_adjust([p_values[index] for index in members]), strict=True):
            adjusted[index] = p
    return adjusted
