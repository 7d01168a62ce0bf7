"""What saved scores of finished runs give without training: verdicts by today's rules, and what a plan starts from.

Accuracy needs one bit for each prediction, `correct.npz`. NLL and AUROC need `scores.npz`. What the results say of a
variation or a number of labels whose folder was not kept stays as it is.
"""

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import aejax
from aejax.errors import require
from aejax.evaluate.estimates import EvaluationDesign, holdout_design
from aejax.evaluate.power import (
    ASSUMED,
    ASSUMPTION,
    DesignSizes,
    VarianceComponents,
    design_resolution,
    estimate_components,
)
from aejax.evaluate.verdict_metrics import VERDICT_METRICS
from aejax.evaluate.verdicts import EQUIVALENCE_MARGIN, compare_verdicts
from aejax.experiments.label_curve import LABEL_CURVE, summarize_label_curve
from aejax.experiments.results import judge_comparisons, summarize_scores
from aejax.experiments.variations import SENSITIVITY
from aejax.report.results import Results, scored_entries, verdict_metric
from aejax.report.run_page import read_run, rewrite_pages
from aejax.storage.atomic_io import to_jsonable
from aejax.storage.results_file import write_results
from aejax.storage.run_folder import RESULTS_FILE
from aejax.storage.saved_scores import SavedScores, read_scores


def rejudge_run(folder: Path) -> tuple[Results, list[str]]:
    """Judges a run and its variations again, writes `results.json` and its pages, and returns the changes.

    Returns:
        The new results, and a line for each verdict that differs and each folder that is missing.

    Raises:
        InputError: the folder has no such run, or not the scores that its metric needs.
    """
    before = read_run(folder)
    after = rejudge(before, read_scores(folder), folder)
    missing = []
    if SENSITIVITY in before:
        variations = {entry["name"]: entry["methods"] for entry in before[SENSITIVITY]["variations"]}
        saved = before[SENSITIVITY]["comparisons"]
        varied = {name: _rejudge_variation(folder / SENSITIVITY / name, saved) for name in variations}
        missing += [f"{SENSITIVITY}/{name}" for name in variations if not _is_run(folder / SENSITIVITY / name)]
        after[SENSITIVITY]["comparisons"] = compare_verdicts(after["comparisons"], varied, variations)
    if LABEL_CURVE in before:
        curve = before[LABEL_CURVE]
        absent = [budget["folder"] for budget in curve["budgets"] if not _is_run(folder / budget["folder"])]
        missing += absent
        if not absent:
            for budget in curve["budgets"]:
                rejudge_run(folder / budget["folder"])
            curve_after = to_jsonable(summarize_label_curve(after, curve["budgets"], folder, curve["epsilon"]))
            for entry, saved_entry in zip(curve_after["methods"], curve["methods"], strict=True):
                entry.update({name: value for name, value in saved_entry.items() if name not in entry})
            after[LABEL_CURVE] = curve_after
    write_results(folder / RESULTS_FILE, after)
    rewrite_pages(after, folder)
    kept = (f"{name}: is not here; what was judged of it is kept" for name in missing)
    return after, [*_changed_verdicts(before, after), *kept]


def _is_run(folder: Path) -> bool:
    return (folder / RESULTS_FILE).exists()


def _rejudge_variation(folder: Path, saved: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Returns a variation's comparisons, judged again; without its folder, with the verdicts that were saved."""
    if _is_run(folder):
        comparisons: Sequence[Mapping[str, Any]] = rejudge_run(folder)[0]["comparisons"]
        return comparisons
    return [{**row, "verdict": row["verdicts"][folder.name]} for row in saved]


def rejudge(results: Results, scores: SavedScores, folder: Path) -> Results:
    """Returns the results with today's intervals of the saved scores and today's verdicts; all else is kept."""
    design = scores.design or assume_design(results, scores)
    metric = verdict_metric(results)
    values = scores.metric_values(metric)
    require(metric.name in values, f"{folder}: was saved without what verdicts about {metric.name} need; run it again")
    pairs = [(row["method"], row["baseline"]) for row in results["comparisons"]]
    families = [row.get("family", row["method"]) for row in results["comparisons"]]
    judged = judge_comparisons(
        values[metric.name], pairs, design, results.get("margin", EQUIVALENCE_MARGIN), metric, families
    )
    after = {**copy.deepcopy(results), **judged, "rejudged_by": aejax.__version__}
    for entry in scored_entries(after):
        for name, by_method in values.items():
            of = VERDICT_METRICS[name]
            entry[of.field] = summarize_scores(by_method[entry["name"]], design, of)
    jsonable: Results = to_jsonable(after)
    return jsonable


def assume_design(results: Results, scores: SavedScores) -> EvaluationDesign:
    """Returns the design of a run of version 0.1.0, with labels that have the right share of the most frequent class.

    Nothing else about the labels matters to accuracy and NLL.
    """
    trainings, n_test = scores.correct.shape[1:]
    dataset = results["dataset"]
    labels = np.arange(n_test)
    labels[: round(dataset.get("majority_share", 0.0) * n_test)] = 0
    return holdout_design(labels, trainings, dataset["n_train"] + dataset["n_valid"])


def _changed_verdicts(before: Results, after: Results) -> Iterator[str]:
    for old, new in zip(before["comparisons"], after["comparisons"], strict=True):
        if old["verdict"] != new["verdict"]:
            yield f"{new['method']} - {new['baseline']}: {old['verdict']} -> {new['verdict']}"


class MeasuredPower(NamedTuple):
    """Variances of differences, the design and the size of a family that a plan starts from."""

    sources: dict[str, VarianceComponents]  # by words: where the variances are from
    sizes: DesignSizes
    family_size: int


# What `compare.py` assumes, for a holdout design.
ASSUMED_POWER = MeasuredPower({f"assumed: {ASSUMPTION}": ASSUMED}, DesignSizes("holdout", 10, 360), family_size=6)


def measure_power(folder: Path) -> MeasuredPower:
    """Returns the variances of the differences in accuracy between every method and its controls in a finished run.

    The worst and the median are of what the run's own design detects.

    Raises:
        InputError: the folder has no finished comparison with saved scores.
    """
    results, scores = read_run(folder), read_scores(folder)
    design = scores.design or assume_design(results, scores)
    correct = dict(zip(scores.methods, scores.correct.astype(np.float64), strict=True))
    pairs = [(row["method"], row["baseline"]) for row in results["comparisons"]]
    require(pairs, f"--from {folder}: has no comparisons; give a run of compare.py with an autoencoder and controls")
    components = {
        f"{method} - {baseline}": estimate_components(correct[method] - correct[baseline], design)
        for method, baseline in pairs
    }
    family_size = max(Counter(row.get("family", row["method"]) for row in results["comparisons"]).values())
    sizes = DesignSizes.of(design)
    enough = sizes._replace(trainings=max(sizes.trainings, 10))
    ranked = sorted(components, key=lambda name: design_resolution(enough, family_size, components[name]) or 0.0)
    chosen = {"median": ranked[(len(ranked) - 1) // 2], "worst": ranked[-1]}
    sources = {f"{word} of {folder}, {name}": components[name] for word, name in chosen.items()}
    return MeasuredPower(sources, sizes, family_size)
