"""Comparisons of methods on the same seeds and test examples, and their verdicts."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int, Shaped

from aejax.evaluate.intervals import crossed_interval, seeds_interval
from aejax.evaluate.significance import crossed_p, holm_adjust, paired_test
from aejax.evaluate.verdict_metrics import VERDICT_METRICS, VerdictMetric, metric_strata

Verdict = Literal["better", "worse", "equivalent", "inconclusive", "too few seeds"]
MIN_SEEDS = 6  # with fewer no two-sided sign-flip test can reach p = .05: 2 / 2^5 = .0625
MIN_CLASS_EXAMPLES = 5  # test examples of a class; intervals of AUROC from three of a class cover 87 to 94 %
EQUIVALENCE_MARGIN = 0.005  # default; differences of a metric inside the margin make no practical difference


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
    verdict: Verdict = "inconclusive"
    reason: str = ""  # for the verdict


def decide_verdict(
    mean_difference: float,
    interval: Sequence[float],
    p_adjusted: Sequence[float],
    seeds: int,
    margin: float = EQUIVALENCE_MARGIN,
) -> Verdict:
    """Decides what a comparison shows of a metric that is better where it is higher.

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
    values: Mapping[str, Shaped[np.ndarray, "seeds n_test"]],
    pairs: Sequence[tuple[str, str]],
    margin: float = EQUIVALENCE_MARGIN,
    metric: VerdictMetric = VERDICT_METRICS["accuracy"],
    labels: Int[np.ndarray, " n_test"] | None = None,
) -> list[Comparison]:
    """Compares every pair; the comparisons of one method are one family.

    So an autoencoder's verdicts do not depend on which others are in the same table: with ten seeds no p is below
    1/512, and a table of all kinds as one family could not reach .05.

    Two p-values are adjusted, each over the family. The sign-flip test over seeds asks whether another training would
    also differ on these test examples; with few examples it finds differences that other examples would not show. The
    crossed p asks for both. Without its adjustment four true null hypotheses gave a verdict in one family of seven.

    Where more than 1 - margin of the test examples have one label, no accuracy can exceed that of a constant guess by
    the margin, so that accuracies get no verdict; nor do metrics of classes that have too few test examples.

    Args:
        values: by method, values of the metric whose mean over test examples is the metric.
        pairs: (method, baseline).
        margin: the largest difference without practical consequence, in units of the metric.
        metric: what the values are of.
        labels: of the test examples; None: accuracies are compared whatever the labels are.
    """
    strata = None if labels is None else metric_strata(metric.name, labels)
    if strata is not None:
        strata = strata._replace(least_variance=2 * strata.least_variance)  # of a difference
    differences = [values[method].astype(np.float64) - values[baseline] for method, baseline in pairs]
    is_accuracy = metric.name == "accuracy"
    tests = [paired_test(difference, of_correctness=is_accuracy, strata=strata) for difference in differences]
    crossed = [crossed_p(difference, strata) for difference in differences]
    families = [method for method, _ in pairs]
    adjusted = _holm_by_family(families, [p for p, _ in tests])
    crossed_adjusted = _holm_by_family(families, crossed)
    rows = [
        Comparison(
            method=method,
            baseline=baseline,
            mean_difference=float(difference.mean()),
            ci95=crossed_interval(difference, strata=strata),
            ci95_seeds=seeds_interval(difference.mean(axis=1)),
            test=test,
            p=p,
            p_holm=p_holm,
            p_crossed=p_crossed,
            p_crossed_holm=p_crossed_holm,
        )
        for (method, baseline), difference, (p, test), p_holm, p_crossed, p_crossed_holm in zip(
            pairs, differences, tests, adjusted, crossed, crossed_adjusted, strict=True
        )
    ]
    seeds = len(differences[0]) if differences else 0
    no_verdict = "" if labels is None else _no_verdict_reason(metric, labels, margin)
    return [_with_verdict(row, seeds, margin, metric, no_verdict) for row in rows]


def _no_verdict_reason(metric: VerdictMetric, labels: Int[np.ndarray, " n_test"], margin: float) -> str:
    """Returns why these test examples cannot give a verdict about the metric; empty if they can."""
    counts = np.bincount(labels)
    share, smallest = counts.max() / len(labels), counts[counts > 0].min()
    if metric.name == "accuracy" and share > 1 - margin:
        return (
            f"{100 * share:.1f} % of the test examples are of one class, so that no accuracy can exceed that of a "
            f"constant guess by the margin of {metric.scale * margin:g}"
        )
    if metric.name in ("balanced_accuracy", "auroc") and smallest < MIN_CLASS_EXAMPLES:
        return f"the smallest class has {smallest} of the test examples; a verdict needs at least {MIN_CLASS_EXAMPLES}"
    return ""


def _with_verdict(row: Comparison, seeds: int, margin: float, metric: VerdictMetric, no_verdict: str) -> Comparison:
    """Adds verdict and reason: the condition that the verdict meets, or the first that a decisive one would not."""
    mean, interval, adjusted = row.mean_difference, row.ci95, (row.p_holm, row.p_crossed_holm)
    verdict = decide_verdict(metric.gain(mean), sorted(map(metric.gain, interval)), adjusted, seeds, margin)
    low, high = map(metric.format_difference, interval)
    limit, difference = f"the margin of {metric.scale * margin:g}", metric.format_difference(mean)
    if verdict == "too few seeds":
        reason = f"{seeds} {'seed' if seeds == 1 else 'seeds'}; a verdict needs at least {MIN_SEEDS}"
    elif no_verdict:
        verdict, reason = "inconclusive", no_verdict
    elif not np.isfinite(interval).all():
        reason = "a score is not finite"
    elif verdict == "equivalent":
        reason = f"interval [{low}, {high}] lies within {limit}"
    elif interval[0] <= 0 <= interval[1]:
        reason = f"interval [{low}, {high}] contains 0 and is not within {limit}"
    elif abs(mean) <= margin:
        reason = f"interval [{low}, {high}] excludes 0, but the difference of {difference} is within {limit}"
    elif max(adjusted) >= 0.05:
        reason = f"interval [{low}, {high}] excludes 0, but p adjusted for all comparisons is {max(adjusted):.3f}"
    else:
        reason = f"interval [{low}, {high}] excludes 0, {difference} is beyond {limit}, and adjusted p are below .05"
    return row._replace(verdict=verdict, reason=reason)


def _holm_by_family(families: Sequence[str], p_values: Sequence[float]) -> list[float]:
    """Adjusts the p-values of each family; returns them in the order given."""
    adjusted = np.empty(len(p_values))
    for family in dict.fromkeys(families):
        members = [index for index, name in enumerate(families) if name == family]
        adjusted[members] = holm_adjust([p_values[index] for index in members])
    return adjusted.tolist()
