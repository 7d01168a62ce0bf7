"""From a sweep's outcomes to its `results.json`."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from aejax.config import to_dict
from aejax.config.axes import Axis
from aejax.evaluate.statistics import MARGIN, compare_all
from aejax.run.assemble import INTERVALS, method_entry, over_seeds
from aejax.run.environment import describe
from aejax.run.experiment import Experiment
from aejax.run.scoring import Outcome
from aejax.run.sweeping.points import Group, Point, followers

Entry = dict[str, Any]

CHOICES = ("valid_nll", "valid_reconstruction_mse")  # what may choose a point, the first that there is


def point_entry(point: Point, outcome: Outcome) -> Entry:
    """One of `points`: a method's entry, the setting, and what validation says of it."""
    assert outcome.course is not None
    nll = None if outcome.reports.probe is None else np.asarray(outcome.reports.probe.valid_nll)
    mse = outcome.course.history.get("valid_mse")
    return {
        **method_entry(outcome),
        "setting": point.values,
        "epochs": outcome.course.epochs,
        "valid_nll": None if nll is None or np.isnan(nll).any() else over_seeds(nll),
        "valid_reconstruction_mse": None if mse is None else over_seeds(mse[:, -1]),
    }


def chosen_point(entries: Sequence[Entry]) -> dict[str, str] | None:
    """The point that validation rows choose, and by what: the probe's validation loss, where its strength was chosen on
    it, else the reconstruction of validation rows; the lowest mean over seeds. The test has no say."""
    for measure in CHOICES:
        means = [math.nan if entry[measure] is None else float(entry[measure]["mean"]) for entry in entries]
        if not all(map(math.isnan, means)):
            return {"name": entries[int(np.nanargmin(means))]["name"], "by": measure}
    return None


def sweep_results(
    experiment: Experiment,
    axes: Sequence[Axis],
    groups: Sequence[Group],
    points: Sequence[tuple[Entry, Outcome]],
    references: Sequence[tuple[Entry, Outcome]],
    against: dict[str, dict[str, str]],
) -> Entry:
    """The whole of a sweep's `results.json`, but for its seconds.

    Args:
        experiment: of the seeds.
        axes: as parsed.
        groups: points trained together.
        points: entries and outcomes.
        references: the same of what the points are held against.
        against: for each point by name, its references by role.
    """
    follows = followers([point for group in groups for point in group.points])
    entries = [{**e, "follows": follows[e["name"]], "against": against[e["name"]]} for e, _ in points]
    chosen = chosen_point(entries)
    seeds = len(points[0][1].scores.correct)
    correct = {outcome.name: outcome.scores.correct for _, outcome in [*points, *references]}
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
        "environment": {**describe(experiment.plan), "plan": widest},
        "axes": [{"field": axis.field, "config": axis.group, "values": list(axis.values)} for axis in axes],
        "groups": [{"points": [p.name for p in group.points], "carried": list(group.carried)} for group in groups],
        "points": entries,
        "references": [entry for entry, _ in references],
        "chosen": chosen,
        "comparisons": [row._asdict() for row in compare_all(correct, pairs)],
        "interval": INTERVALS["ci95"],
        "intervals": INTERVALS,
        "margin": MARGIN,
    }
