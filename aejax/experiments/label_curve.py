"""`compare.py --label-curve`: a comparison, and the same one with fewer and fewer labels.

Each budget is a comparison with `--labels-per-class`, in `label-curve/BUDGET` of the run's folder. Labels are nested: a
larger budget has those of a smaller one. Methods that learn without labels are trained once, for all budgets.
"""

import dataclasses
import operator
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int, Shaped
from rich.console import Console

from aejax.config import CheckpointConfig, CompareConfig
from aejax.config.evaluate import MetricName
from aejax.config.settings import replace_settings
from aejax.data.label_budget import budget_counts, largest_label_budget
from aejax.data.splits import Split, make_split
from aejax.errors import InputError, require
from aejax.evaluate.estimates import EvaluationDesign
from aejax.evaluate.label_efficiency import CurveEstimate, estimate_curve, find_crossings, measure_complexity
from aejax.evaluate.verdict_metrics import VerdictMetric
from aejax.evaluate.verdicts import adjusted_level, minimum_trainings
from aejax.experiments.compare import ComparisonDesign, load_comparison
from aejax.experiments.varied_runs import Analysis, make_variation, run_with_analyses
from aejax.report.comparison_figures import plot_label_curve
from aejax.report.results import Results, verdict_metric
from aejax.storage.saved_scores import MethodValues, read_scores

LABEL_CURVE, FOLDER = "label_curve", "label-curve"  # field of results, and folder of the budgets' runs


def compare_with_label_curve(
    config: CompareConfig,
    budgets: Sequence[int],
    out: Path,
    console: Console,
    checkpoint: CheckpointConfig = CheckpointConfig(),
) -> dict[str, Any]:
    """Runs a comparison with all labels and with each budget; returns the results with all, with `label_curve`.

    Args:
        config: of the comparison with all labels.
        budgets: labels per class, or of the largest class of an imbalance, of which a fifth, at least one, are for
            validation; empty: 2, 4, 8, ..., as many as can be drawn for every class.
        out: run folder; those of the budgets are in `out/label-curve`.
        console: for progress and messages.
        checkpoint: whether to replace an earlier run, and how often to save.

    Raises:
        InputError: as `run_job`, or a class has fewer labels than a budget.
    """
    start_time = time.perf_counter()
    design = load_comparison(config)
    return run_with_analyses(design, [analyze_label_curve(design, budgets)], out, console, checkpoint, start_time)


def analyze_label_curve(
    design: ComparisonDesign, budgets: Sequence[int] = (), epsilon: float | None = None
) -> Analysis:
    """Returns the analysis of a comparison by the number of labels.

    Args:
        design: of the comparison with all labels.
        budgets: as for `compare_with_label_curve`.
        epsilon: the loss in nats whose cost in labels is measured; None: that of the first control with all labels.

    Raises:
        InputError: a class has fewer labels than a budget, or the comparison has a fraction of the labels.
    """
    chosen = choose_budgets(design, budgets)

    def is_complete(results: Results) -> bool:
        curve = results.get(LABEL_CURVE, {})
        has_epsilon = epsilon is None or curve.get("epsilon") == epsilon
        return has_epsilon and [entry["labels_per_class"] for entry in curve.get("budgets", [])] == chosen

    def summarize(results: Results, varied: Mapping[str, Results], out: Path) -> Results:
        entries = [
            {
                "labels_per_class": int(name),
                "n_labels": count_labels(of_budget),
                "folder": f"{FOLDER}/{name}",
                "seconds": of_budget["environment"]["seconds"],
            }
            for name, of_budget in varied.items()
        ]
        return summarize_label_curve(results, entries, out, epsilon)

    variations = [
        make_variation(
            str(budget), "labels", design.config, replace_settings(design.config, {"labels_per_class": budget})
        )
        for budget in chosen
    ]
    return Analysis(LABEL_CURVE, variations, is_complete, summarize, {"label_curve.png": plot_label_curve})


def read_budgets(label_curve: Any) -> list[int] | None:
    """Returns the budgets that the argument `label_curve` asks for: none of one's own if it is True; None: no curve.

    Raises:
        InputError: it is neither a truth value nor whole numbers.
    """
    if label_curve is None or isinstance(label_curve, bool | np.bool_):
        return [] if label_curve else None
    try:
        return [operator.index(budget) for budget in label_curve] or None
    except TypeError:
        raise InputError("label_curve: expected True, or a list of labels per class such as [4, 16]") from None


def choose_budgets(design: ComparisonDesign, budgets: Sequence[int] = ()) -> list[int]:
    """Returns the budgets in labels per class, ascending; by default powers of two below the number of labels."""
    split = design.config.split
    require(
        split.label_fraction == 1,
        f"--label-curve: goes up to all labels; leave out --label-fraction {split.label_fraction}",
    )
    largest = find_largest_budget(design, make_split(design.dataset, split, design.config.seeds))
    if split.labels_per_class is not None:
        largest = split.labels_per_class - 1
    chosen = sorted(set(budgets)) or [2**power for power in range(1, largest.bit_length()) if 2**power <= largest]
    require(
        chosen, "--label-curve: needs a class more than two labels; give more rows, or --labels-per-class 4 or more"
    )
    require(
        chosen[0] >= 2 and chosen[-1] <= largest,
        f"--label-budgets {' '.join(map(str, chosen))}: expected labels per class from 2, one for training and one for "
        f"validation, to {largest}, the most that can be drawn for every seed",
    )
    return chosen


def find_largest_budget(design: ComparisonDesign, drawn: Split) -> int:
    """Returns the largest budget that can be drawn; with unequal classes also one of fewer labels than `drawn` has."""
    dataset, config = design.dataset, design.config.split
    imbalance, pool = config.class_imbalance, drawn
    if imbalance is not None:
        pool = make_split(dataset, dataclasses.replace(config, class_imbalance=None), design.config.seeds)
    largest = largest_label_budget(dataset, pool.labelled_train, pool.labelled_valid, imbalance)
    if imbalance is not None:
        labels = budget_counts(np.arange(largest + 1), dataset.n_classes, imbalance).sum(axis=1)
        largest = max(0, int(np.count_nonzero(labels < drawn.labelled.shape[1])) - 1)
    return largest


def summarize_label_curve(
    results: Results, budgets: Sequence[Results], folder: Path, epsilon: float | None = None
) -> Results:
    """Returns `label_curve` of `results.json` from the saved scores of a run with all labels and of its `budgets`.

    Raises:
        InputError: a run lacks the scores of its metric, or has other test examples.
    """
    metric, n_labels = verdict_metric(results), [*(entry["n_labels"] for entry in budgets), count_labels(results)]
    saved = [read_scores(folder / entry["folder"]) for entry in budgets] + [read_scores(folder)]
    design = saved[-1].design
    assert design is not None
    for scores in saved:
        same = scores.design is not None and np.array_equal(scores.design.test_index, design.test_index)
        require(same and scores.methods == saved[-1].methods, f"{folder}: budgets have other test examples or methods")
    values = [scores.metric_values(metric) for scores in saved]
    curves = CurveData(np.array(n_labels), design, metric, *(_stack(values, name) for name in (metric.name, "nll")))
    epsilon = _reference_loss(results) if epsilon is None else epsilon
    return {
        "budgets": list(budgets),
        "n_labels": n_labels,
        "epsilon": epsilon,
        "methods": [_method_entry(curves, entry["name"], epsilon) for entry in results["methods"]],
        "comparisons": [_comparison_entry(curves, row, results) for row in results["comparisons"]],
    }


class CurveData(NamedTuple):
    """The values of every method at every budget."""

    labels: Int[np.ndarray, " budgets"]
    design: EvaluationDesign
    metric: VerdictMetric
    values: dict[str, Shaped[np.ndarray, "budgets trainings n_test"]]  # of the metric, by method
    losses: dict[str, Shaped[np.ndarray, "budgets trainings n_test"]]  # empty if probabilities were not saved


def _stack(
    values: Sequence[Mapping[MetricName, MethodValues]], name: MetricName
) -> dict[str, Shaped[np.ndarray, "budgets trainings n_test"]]:
    if any(name not in of_budget for of_budget in values):
        return {}
    return {method: np.stack([of_budget[name][method] for of_budget in values]) for method in values[-1][name]}


def _reference_loss(results: Results) -> float:
    """Returns the loss that complexities are about: that of the first control, which is raw, with all labels."""
    methods = results["methods"]
    control = next((method for method in methods if method["role"] == "control"), methods[0])
    return float(control["test_nll"]["mean"])


def _method_entry(curves: CurveData, name: str, epsilon: float) -> Results:
    curve = estimate_curve(curves.values[name], curves.design, curves.metric)
    entry = {"name": name, **_curve_entry(curve)}
    if curves.losses and np.isfinite(curves.losses[name]).all():
        entry["nll"] = curves.losses[name].mean(axis=(1, 2))
        entry["complexity"] = measure_complexity(curves.labels, curves.losses[name], curves.design, epsilon)._asdict()
    return entry


def _comparison_entry(curves: CurveData, row: Results, results: Results) -> Results:
    """Returns the curve of a comparison, whose band holds for all comparisons of its family at once."""
    metric, family = curves.metric, row.get("family", row["method"])
    size = sum(other.get("family", other["method"]) == family for other in results["comparisons"])
    difference = curves.values[row["method"]].astype(np.float64) - curves.values[row["baseline"]]
    curve = estimate_curve(difference, curves.design, metric, of_difference=True, level=adjusted_level(size))
    can_decide = difference.shape[1] >= minimum_trainings(size)

    def crossings(threshold: float) -> list[Results]:
        found = find_crossings(curves.labels, difference, curves.design, metric, curve, metric.gain(threshold))
        return [
            {
                "labels": crossing.labels,
                "ci95": crossing.ci95,
                "better": "below" if crossing.above_before == metric.higher_is_better else "above",
            }
            for crossing in (found if can_decide else ())
        ]

    return {
        **{name: row[name] for name in ("method", "baseline")},
        "family": family,
        **_curve_entry(curve),
        "too_few_seeds": not can_decide,
        "crossovers": crossings(0.0),
        "margin_crossings": crossings(results["margin"]),
    }


def _curve_entry(curve: CurveEstimate) -> Results:
    return {"mean": curve.mean, "ci95": np.stack(curve.ci95, axis=1), "band": np.stack(curve.band, axis=1)}


def count_labels(results: Mapping[str, Any]) -> int:
    """Returns how many labels each training of a comparison had, for training and validation."""
    return int(results["dataset"]["n_labelled_train"] + results["dataset"]["n_labelled_valid"])
