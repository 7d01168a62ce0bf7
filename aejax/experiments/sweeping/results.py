"""The contents of a sweep's `results.json`."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from aejax.evaluate.intervals import summarize_seeds
from aejax.experiments.experiment import Experiment
from aejax.experiments.method_result import MethodResult
from aejax.experiments.results import comparison_entries, method_entry, results_header
from aejax.experiments.sweeping.baselines import SweepDesign
from aejax.experiments.sweeping.grid import GridPoint, derived_fields

ResultEntry = dict[str, Any]

SELECTION_METRICS = ("valid_nll", "valid_reconstruction_mse")  # the first available one selects the best point


def point_entry(experiment: Experiment, point: GridPoint, result: MethodResult) -> ResultEntry:
    """Returns an entry of `points`: that of a method, with the setting and the validation metrics."""
    assert result.history is not None
    nll = None if result.classifier_report.probe is None else np.asarray(result.classifier_report.probe.valid_nll)
    mse = result.history.metrics.get("valid_mse")
    return {
        **method_entry(experiment, result),
        "setting": point.values,
        "epochs": result.history.epochs,
        "valid_nll": None if nll is None or np.isnan(nll).any() else summarize_seeds(nll),
        "valid_reconstruction_mse": None if mse is None else summarize_seeds(mse[:, -1]),
    }


def select_best_point(entries: Sequence[ResultEntry]) -> dict[str, str] | None:
    """Returns the name of the point with the lowest mean validation metric, and the metric.

    The metric is the probe's validation loss, if its penalty was chosen on it, else the reconstruction error of
    validation rows. The test set is not used.
    """
    for metric in SELECTION_METRICS:
        means = [math.nan if entry[metric] is None else float(entry[metric]["mean"]) for entry in entries]
        if not all(map(math.isnan, means)):
            return {"name": entries[int(np.nanargmin(means))]["name"], "by": metric}
    return None


def build_sweep_results(
    experiment: Experiment,
    design: SweepDesign,
    points: Sequence[tuple[ResultEntry, MethodResult]],
    baselines: Sequence[tuple[ResultEntry, MethodResult]],
    seconds: float,
) -> ResultEntry:
    """Returns the contents of a sweep's `results.json`.

    Args:
        experiment: the experiment of the seeds.
        design: what was trained.
        points: the entry and the result of each point.
        baselines: the entry and the result of each baseline.
        seconds: since the run began.
    """
    derived = derived_fields(design.points)
    against = design.baselines.by_point
    entries = [{**entry, "follows": derived[entry["name"]], "against": against[entry["name"]]} for entry, _ in points]
    same_labels = not any(axis.is_label_budget for axis in design.axes)
    best = select_best_point(entries) if same_labels else None
    seeds = len(points[0][1].scores.correct)
    pairs = [(entry["name"], name) for entry in entries for name in entry["against"].values()]
    if best is not None:
        pairs += [(entry["name"], best["name"]) for entry in entries if entry["name"] != best["name"]]
    rows = max(len(group.trainings) for group in design.groups) * seeds
    widest = dataclasses.replace(experiment.plan, seeds=rows).describe().replace("seeds", f"runs of {seeds} seeds")
    header = results_header(experiment, seconds, "sweep")
    return {
        **header,
        "environment": {**header["environment"], "plan": widest},
        "axes": [{"field": axis.field, "config": axis.section, "values": list(axis.values)} for axis in design.axes],
        "groups": [
            {"points": [point.name for point in group.points], "carried": list(group.traced)} for group in design.groups
        ],
        "points": entries,
        "references": [entry for entry, _ in baselines],
        "chosen": best,
        **comparison_entries(experiment, [result for _, result in [*points, *baselines]], pairs),
    }
