"""Comparisons of methods on the same seeds and test examples, and their verdicts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from aejax.evaluate.estimates import EvaluationDesign
from aejax.evaluate.intervals import mean_interval, seeds_interval
from aejax.evaluate.significance import crossed_p, holm_adjust, paired_test
from aejax.evaluate.verdict_metrics import VERDICT_METRICS, VerdictMetric, estimate_metric
from aejax.evaluate.verdicts import (
    EQUIVALENCE_MARGIN,
    POWER,
    Verdict,
    adjusted_level,
    decide_verdict,
    detectable_difference,
    minimum_trainings,
)

VERSUS_FAMILY = "versus"  # the family of all comparisons of `--versus`
MIN_CLASS_EXAMPLES = 5  # test examples of a class; intervals of AUROC from three of a class cover 87 to 94 %


class Comparison(NamedTuple):
    """One method against one baseline on the same seeds and test examples; differences are method minus baseline."""

    method: str
    baseline: str
    mean_difference: float
    ci95: list[float]  # over other draws of seeds and of test examples
    ci95_seeds: list[float] | None  # over other seeds, on these test examples; None for one, and for cross-validation
    ci95_adjusted: list[float]  # ci95, widened so that all intervals of the family hold at once
    test: str  # that gave `p`
    p: float
    p_holm: float
    p_crossed: float  # over the same draws as ci95
    p_crossed_holm: float
    detectable: float | None  # the difference that this design finds with 80 % power; None if it finds none
    family: str  # comparisons of one family are adjusted together
    exceeds_margin: bool = False  # whether ci95_adjusted lies wholly beyond the margin
    verdict: Verdict = "inconclusive"  # from ci95_adjusted
    reason: str = ""  # for the verdict


def compare_pairs(
    values: Mapping[str, Shaped[np.ndarray, "trainings n_test"]],
    pairs: Sequence[tuple[str, str]],
    design: EvaluationDesign,
    margin: float = EQUIVALENCE_MARGIN,
    metric: VerdictMetric = VERDICT_METRICS["accuracy"],
    families: Sequence[str] | None = None,
) -> list[Comparison]:
    """Compares every pair; the verdicts of a family are adjusted together.

    By default the comparisons of one method are one family, so that its verdicts do not depend on which other methods
    are in the same table. The sign-flip test over seeds is information only: with few examples it finds differences
    that other examples would not show.

    Where more than 1 - margin of the test examples have one label, no accuracy can exceed that of a constant guess by
    the margin, so that accuracies get no verdict; nor do metrics of classes that have too few test examples.

    Args:
        values: by method, values of the metric whose mean over test examples is the metric.
        pairs: (method, baseline).
        design: which examples each training is tested on, and their labels.
        margin: the largest difference without practical consequence, in units of the metric.
        metric: what the values are of.
        families: the name of each pair's family; None: the name of its method.
    """
    families = [method for method, _ in pairs] if families is None else list(families)
    sizes, no_verdict, rows = Counter(families), no_verdict_reason(metric, design, margin), []
    for (method, baseline), family in zip(pairs, families, strict=True):
        difference = values[method].astype(np.float64) - values[baseline]
        row = _compare((method, baseline), difference, design, metric, family, sizes[family])
        rows.append(_with_verdict(row, sizes[family], design, margin, metric, no_verdict))
    adjusted = _holm_by_family(families, [row.p for row in rows])
    crossed_adjusted = _holm_by_family(families, [row.p_crossed for row in rows])
    return [
        row._replace(p_holm=p_holm, p_crossed_holm=crossed)
        for row, p_holm, crossed in zip(rows, adjusted, crossed_adjusted, strict=True)
    ]


def _compare(
    pair: tuple[str, str],
    difference: Float[np.ndarray, "trainings n_test"],
    design: EvaluationDesign,
    metric: VerdictMetric,
    family: str,
    family_size: int,
) -> Comparison:
    """Returns the statistics of one comparison, not yet adjusted by Holm, and without a verdict."""
    estimate = estimate_metric(difference, design, metric, of_difference=True)
    level = adjusted_level(family_size)
    p, test = paired_test(difference, design, estimate)
    crossed = crossed_p(estimate)
    standard_error, degrees = float(np.sqrt(estimate.variance)), float(estimate.degrees_of_freedom)
    can_decide = len(difference) >= minimum_trainings(family_size)
    return Comparison(
        method=pair[0],
        baseline=pair[1],
        mean_difference=float(difference.mean()),
        ci95=mean_interval(estimate),
        ci95_seeds=seeds_interval(difference.mean(axis=1)) if design.is_shared else None,
        ci95_adjusted=mean_interval(estimate, level=level),
        test=test,
        p=p,
        p_holm=p,
        p_crossed=crossed,
        p_crossed_holm=crossed,
        detectable=detectable_difference(standard_error, degrees, family_size) if can_decide else None,
        family=family,
    )


def no_verdict_reason(metric: VerdictMetric, design: EvaluationDesign, margin: float) -> str:
    """Returns why these test examples cannot give a verdict about the metric; empty if they can."""
    _, first = np.unique(design.test_index, return_index=True)  # of repetitions, an example counts once
    counts, distinct = (
        np.unique(labels, return_counts=True)[1] for labels in (design.labels, design.labels.flat[first])
    )
    share, smallest = counts.max() / counts.sum(), distinct.min()
    if metric.name == "accuracy" and share > 1 - margin:
        return (
            f"{100 * share:.1f} % of the test examples are of one class, so that no accuracy can exceed that of a "
            f"constant guess by the margin of {metric.scale * margin:g}"
        )
    if metric.name in ("balanced_accuracy", "auroc") and smallest < MIN_CLASS_EXAMPLES:
        return f"the smallest class has {smallest} of the test examples; a verdict needs at least {MIN_CLASS_EXAMPLES}"
    return ""


def _with_verdict(
    row: Comparison, family_size: int, design: EvaluationDesign, margin: float, metric: VerdictMetric, no_verdict: str
) -> Comparison:
    """Adds verdict and reason."""
    trainings, required = len(design.labels), minimum_trainings(family_size)
    if trainings < required:
        of_family = f"a verdict needs at least {required} for a family of {family_size}"
        reason = f"{trainings} {'seed' if trainings == 1 else 'seeds'}; {of_family}"
        return row._replace(verdict="too few seeds", reason=reason)
    if no_verdict or not np.isfinite(row.ci95_adjusted).all():
        return row._replace(reason=no_verdict or "a score is not finite")
    gains = sorted(map(metric.gain, row.ci95_adjusted))
    verdict = decide_verdict(gains, margin)
    exceeds = verdict in ("better", "worse") and (gains[0] > margin or gains[1] < -margin)
    limit, examples = f"the margin of {metric.scale * margin:g}", len(np.unique(design.test_index))
    resolution = f"{metric.scale * (row.detectable or 0):.{metric.decimals}f} {metric.unit}".rstrip()
    reasons: dict[Verdict, str] = {
        "equivalent": f"lies within {limit}",
        "not worse": f"contains 0, but no loss of {limit}",
        "inconclusive": f"; {examples:,} test examples resolve {resolution} at {100 * POWER:g} % power",
    }
    decisive = f"lies beyond {limit}" if exceeds else f"excludes 0, but is not beyond {limit}"
    interval = "interval [{}, {}]".format(*map(metric.format_difference, row.ci95_adjusted))
    reason = f"{interval} {reasons.get(verdict, decisive)}".replace("] ;", "];")
    return row._replace(verdict=verdict, exceeds_margin=exceeds, reason=reason)


def _holm_by_family(families: Sequence[str], p_values: Sequence[float]) -> list[float]:
    """Adjusts the p-values of each family; returns them in the order given."""
    adjusted = np.empty(len(p_values))
    for family in dict.fromkeys(families):
        members = [index for index, name in enumerate(families) if name == family]
        adjusted[members] = holm_adjust([p_values[index] for index in members])
    return adjusted.tolist()
