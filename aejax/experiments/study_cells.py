"""The cells of a study: what its finished comparisons measured on one data set with one number of labels."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from aejax.errors import require
from aejax.evaluate.estimates import EvaluationDesign
from aejax.experiments.label_curve import LABEL_CURVE, count_labels
from aejax.experiments.study_file import StudyRun
from aejax.report.results import Results, diverged_seeds, verdict_metric
from aejax.report.run_page import read_run
from aejax.storage.saved_scores import read_scores

DIAGNOSTICS = ("effective_rank", "rankme")  # that accuracy is correlated with


class Cell(NamedTuple):
    """One data set with one number of labels; methods of a variant are called METHOD@VARIANT."""

    dataset: str
    labels_per_class: int | None  # None: all labels
    n_labels: int
    folder: str  # of the main comparison, in that of the study
    methods: dict[str, Results]  # entries of `methods` of `results.json`, with `DIAGNOSTICS`
    values: dict[str, Float[np.ndarray, "trainings n_test"]]  # whose means are the metric, as a gain: higher is better
    design: EvaluationDesign
    comparisons: list[tuple[str, str, str]]  # method, baseline and family of those that the runs made themselves
    sha256: str = ""  # of the data set

    def score(self, name: str) -> float:
        """Returns the mean gain of a method."""
        return float(self.values[name].mean())

    def has(self, *names: str) -> bool:
        """Returns whether methods are here with finite scores."""
        return all(name in self.methods and np.isfinite(self.score(name)) for name in names)


def read_cells(runs: Sequence[StudyRun], out: Path) -> list[Cell]:
    """Returns the cells of finished comparisons in the folder of a study, by data set, fewest labels first.

    Raises:
        InputError: results cannot be read, or a variant was tested on other rows than the main comparison.
    """
    cells: dict[tuple[str, int | None], Cell] = {}
    for run in runs:
        budgets = budget_entries(read_run(out / run.folder))
        chosen = [entry for entry in budgets if entry["labels_per_class"] in run.label_budgets]
        for entry in [*chosen, {"labels_per_class": None, "folder": ""}]:
            folder = f"{run.folder}/{entry['folder']}".rstrip("/")
            cell = _read_cell(run, out, folder, entry["labels_per_class"])
            key = (cell.dataset, cell.labels_per_class)
            cells[key] = cell if key not in cells else _join(cells[key], cell)
    return list(cells.values())


def budget_entries(results: Results) -> list[Results]:
    """Returns what the results of a comparison say of each number of labels below all."""
    return list(results.get(LABEL_CURVE, {}).get("budgets", []))


def _read_cell(run: StudyRun, out: Path, folder: str, labels_per_class: int | None) -> Cell:
    results, scores = read_run(out / folder), read_scores(out / folder)
    metric = verdict_metric(results)
    sign = 1.0 if metric.higher_is_better else -1.0
    values = scores.metric_values(metric)[metric.name]
    assert scores.design is not None  # saved by every version that has studies
    diagnostics = {entry["name"]: entry for entry in results.get("diagnostics", {}).get("methods", [])}
    return Cell(
        dataset=run.dataset,
        labels_per_class=labels_per_class,
        n_labels=count_labels(results),
        folder=folder,
        methods={
            entry["name"] + run.suffix: entry
            | {name: diagnostics[entry["name"]][name] for name in DIAGNOSTICS if entry["name"] in diagnostics}
            for entry in results["methods"]
        },
        values={name + run.suffix: sign * np.asarray(array, np.float64) for name, array in values.items()},
        design=scores.design,
        comparisons=[
            (row["method"] + run.suffix, row["baseline"] + run.suffix, row.get("family", row["method"]) + run.suffix)
            for row in results["comparisons"]
        ],
        sha256=results["dataset"].get("sha256", ""),
    )


def _join(main: Cell, variant: Cell) -> Cell:
    """Returns a cell with the methods of a variant, which has the same trainings and test rows."""
    require(
        np.array_equal(main.design.test_index, variant.design.test_index),
        f"{variant.folder}: was tested on other rows than {main.folder}; a [[variant]] changes neither seeds nor split",
    )
    return main._replace(
        methods=main.methods | variant.methods,
        values=main.values | variant.values,
        comparisons=[*main.comparisons, *variant.comparisons],
    )


def cell_warnings(cells: Sequence[Cell]) -> Iterator[str]:
    """Yields which data sets have the same rows, and which seeds diverged."""
    names: dict[str, dict[str, None]] = {}
    diverged: dict[tuple[str, str], str] = {}
    for cell in cells:
        names.setdefault(cell.sha256 or cell.dataset, {})[cell.dataset] = None
        for name, entry in cell.methods.items():
            if seeds := diverged_seeds(entry):
                diverged[cell.dataset, name] = f"{len(seeds)} of {len(cell.values[name])}"
    for same in names.values():
        if len(same) > 1:
            yield f"{' and '.join(same)} have the same rows and count as {len(same)} data sets; leave all but one out"
    for (dataset, name), seeds_of_all in diverged.items():
        yield f"{dataset}: {seeds_of_all} seeds of {name} diverged and are scored with their last finite weights"


def describe_cell(cell: Cell) -> dict[str, Any]:
    """Returns an entry of `cells` of the results of a study."""
    return {
        "dataset": cell.dataset,
        "labels_per_class": cell.labels_per_class,
        "n_labels": cell.n_labels,
        "n_test": len(np.unique(cell.design.test_index)),
        "trainings": len(cell.design.test_index),
        "folder": cell.folder,
        "methods": [
            {
                "name": name,
                "role": entry["role"],
                "mean": cell.score(name),
                "accuracy": entry["test_accuracy"]["mean"],
                **{quantity: mean_of(entry, quantity) for quantity in QUANTITIES},
            }
            for name, entry in cell.methods.items()
        ],
    }


def learns_from_labels(entry: Results) -> bool:
    """Returns whether a method is a classifier of its own: its features, if it has any, are made from labels."""
    return all(entry.get(classifier) is None for classifier in ("probe", "neighbours", "finetuned"))


QUANTITIES = ("reconstruction_mse", "explained_variance", *DIAGNOSTICS)


def mean_of(entry: Results, quantity: str) -> float | None:
    """Returns the mean of a quantity of a method; None if it has none."""
    summary = entry.get(quantity) or entry.get("measures", {}).get(quantity)
    return None if summary is None else summary["mean"]
