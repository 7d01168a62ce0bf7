"""From a sweep's outcomes to its `results.json`."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from aejax.config import to_dict
from aejax.config.sweep_axes import SweepAxis
from aejax.evaluate.comparisons import EQUIVALENCE_MARGIN, compare_pairs
from aejax.experiments.environment import describe_environment
from aejax.experiments.experiment import Experiment
from aejax.experiments.method_result import MethodResult
from aejax.experiments.results import INTERVAL_DESCRIPTIONS, method_entry, summarize_seeds
from aejax.experiments.sweeping.grid import GridPoint, PointGroup, derived_fields

ResultEntry = dict[str, Any]

SELECTION_METRICS = ("valid_nll", "valid_reconstruction_mse")  # what may choose a point, the first that there is


def point_entry(point: GridPoint, result: MethodResult) -> ResultEntry:
    """One of `points`: a method's entry, the setting, and what validation says of it."""
    assert result.history is not None
    nll = None if result.classifier_report.probe is None else np.asarray(result.classifier_report.probe.valid_nll)
    mse = result.history.metrics.get("valid_mse")
    return {
        **method_entry(result),
        "setting": point.values,
        "epochs": result.history.epochs,
        "valid_nll": None if nll is None or np.isnan(nll).any() else summarize_seeds(nll),
        "valid_reconstruction_mse": None if mse is None else summarize_seeds(mse[:, -1]),
    }


def select_best_point(entries: Sequence[ResultEntry]) -> dict[str, str] | None:
    """The point that validation rows choose, and by what: the probe's validation loss, where its strength was chosen on
    it, else the reconstruction of validation rows; the lowest mean over seeds. The test has no say."""
    for measure in SELECTION_METRICS:
        means = [math.nan if entry[measure] is None else float(entry[measure]["mean"]) for entry in entries]
        if not all(map(math.isnan, means)):
            return {"name": entries[int(np.nanargmin(means))]["name"], "by": measure}
    return None


def build_sweep_results(
    experiment: Experiment,
    axes: Sequence[SweepAxis],
    groups: Sequence[PointGroup],
    points: Sequence[tuple[ResultEntry, MethodResult]],
    baselines: Sequence[tuple[ResultEntry, MethodResult]],
    baselines_by_point: dict[str, dict[str, str]],
) -> ResultEntry:
    """The whole of a sweep's `results.json`, but for its seconds.

    Args:
        experiment: of the seeds.
        axes: as parsed.
        groups: points trained together.
        points: entries and outcomes.
        references: the same of what the points are held against.
        against: for each point by name, its references by role.
    """
    follows = derived_fields([point for group in groups for point in group.points])
    entries = [{**e, "follows": follows[e["name"]], "against": baselines_by_point[e["name"]]} for e, _ in points]
    chosen = select_best_point(entries)
    seeds = len(points[0][1].scores.correct)
    correct = {outcome.name: outcome.scores.correct for _, outcome in [*points, *baselines]}
    pairs = [(entry["name"], name) for entry in entries for name in entry["against"].values()]
    if chosen is not None:
        pairs += [(entry["name"], chosen["name"]) for entry in entries if entry["name"] != chosen["name"]]
    rows = max(len(group.points) for group in groups) * seeds
    widest = dataclasses.replace(experiment.plan, seeds=rows).describe().replace("seeds", f"runs of {seeds} seeds")
    return {
        "schema": 1,
        "kind": "sweep",
        "dataset": experiment.describe_data(),
        "config": to_dict(experiment.config),
        "environment": {**describe_environment(experiment.plan), "plan": widest},
        "axes": [{"field": axis.field, "config": axis.section, "values": list(axis.values)} for axis in axes],
        "groups": [{"points": [p.name for p in group.points], "carried": list(group.traced)} for group in groups],
        "points": entries,
        "references": [entry for entry, _ in baselines],
        "chosen": chosen,
        "comparisons": [row._asdict() for row in compare_pairs(correct, pairs)],
        "interval": INTERVAL_DESCRIPTIONS["ci95"],
        "intervals": INTERVAL_DESCRIPTIONS,
        "margin": EQUIVALENCE_MARGIN,
    }
