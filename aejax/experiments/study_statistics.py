"""What the cells of a study show together: `budgets`, `questions` and `correlations` of its results."""

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from aejax.config import EvaluationConfig
from aejax.evaluate.across_datasets import (
    MIN_DATASETS,
    count_replications,
    decide_region,
    hierarchical_posterior,
    performance_profile,
    rank_correlation,
    rank_methods,
    signed_rank_posterior,
    wilcoxon_p,
)
from aejax.evaluate.comparisons import compare_pairs
from aejax.evaluate.intervals import seeds_interval
from aejax.evaluate.significance import holm_adjust
from aejax.evaluate.verdict_metrics import VERDICT_METRICS, estimate_metric
from aejax.experiments.study_cells import Cell, describe_cell, learns_from_labels, mean_of
from aejax.experiments.study_file import Question

THRESHOLDS = np.round(np.linspace(-0.3, 0.05, 36), 4)  # of performance profiles
PREDICTORS = {  # by question about accuracy: quantity within a data set, and the same made comparable between data sets
    "reconstruction": ("reconstruction_mse", "explained_variance"),
    "RankMe": ("rankme", "rankme"),
    "effective rank": ("effective_rank", "effective_rank"),
}
Entry = dict[str, Any]


def analyze_cells(cells: Sequence[Cell], questions: Sequence[Question], evaluation: EvaluationConfig) -> Entry:
    """Returns `cells`, `budgets`, `questions` and `correlations` of the results of a study.

    Without questions every method is compared with its controls; the margin is the region of practical equivalence.
    """
    by_budget: dict[int | None, list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: cell.labels_per_class or np.inf):
        by_budget.setdefault(cell.labels_per_class, []).append(cell)
    return {
        "cells": [describe_cell(cell) for cell in cells],
        "budgets": [describe_budget(budget, group) for budget, group in by_budget.items()],
        "questions": [
            answer_question(question, by_budget, evaluation) for question in questions or default_questions(cells)
        ],
        "correlations": [
            {"labels_per_class": budget, **entry} for budget, group in by_budget.items() for entry in correlate(group)
        ],
    }


def default_questions(cells: Sequence[Cell]) -> list[Question]:
    """Returns a question for each family of the comparisons that the runs made."""
    families: dict[str, dict[tuple[str, str], None]] = {}
    for cell in cells:
        for method, baseline, family in cell.comparisons:
            families.setdefault(family, {})[method, baseline] = None
    return [Question(family, "", tuple(pairs)) for family, pairs in families.items()]


def describe_budget(labels_per_class: int | None, cells: Sequence[Cell]) -> Entry:
    """Returns the ranks and the performance profiles of the methods that all data sets have."""
    names = [name for name in cells[0].methods if all(cell.has(name) for cell in cells)]
    scores = np.array([[cell.score(name) for name in names] for cell in cells])
    entry: Entry = {
        "labels_per_class": labels_per_class,
        "datasets": [cell.dataset for cell in cells],
        "methods": names,
    }
    if len(cells) >= 2 and len(names) >= 3:
        entry["ranks"] = rank_methods(scores)._asdict()
    best = scores.max(axis=1, initial=-np.inf)
    profiles = {
        name: performance_profile(
            [cell.values[name].mean(axis=1) - top for cell, top in zip(cells, best, strict=True)], THRESHOLDS
        )
        for name in names
    }
    return {**entry, "thresholds": THRESHOLDS, "profiles": profiles}


def answer_question(question: Question, by_budget: dict[int | None, list[Cell]], evaluation: EvaluationConfig) -> Entry:
    """Returns an entry of `questions`: a row for each pair and budget; Holm's adjustment is over all of them."""
    verdicts = {
        budget: {cell.dataset: _judge(question, cell, evaluation) for cell in cells}
        for budget, cells in by_budget.items()
    }
    rows = []
    for pair, (budget, cells) in itertools.product(question.pairs, by_budget.items()):
        chosen = [cell for cell in cells if cell.has(*pair)]
        if chosen:
            of_pair = [verdicts[budget][cell.dataset][pair] for cell in chosen]
            rows.append({"labels_per_class": budget, **compare_over_datasets(pair, chosen, of_pair, evaluation)})
    for row, adjusted in zip(rows, holm_adjust([row["p"] for row in rows]), strict=True):
        row["p_holm"] = adjusted
    return {"name": question.name, "text": question.text, "rows": rows}


def _judge(question: Question, cell: Cell, evaluation: EvaluationConfig) -> dict[tuple[str, str], str]:
    """Returns the verdict of every pair on one data set, adjusted for the pairs of the question."""
    pairs = [pair for pair in question.pairs if cell.has(*pair)]
    metric = VERDICT_METRICS[evaluation.metric]._replace(higher_is_better=True)  # the values are gains
    rows = compare_pairs(cell.values, pairs, cell.design, evaluation.margin, metric, [question.name for _ in pairs])
    return {(row.method, row.baseline): row.verdict for row in rows}


def compare_over_datasets(
    pair: tuple[str, str], cells: Sequence[Cell], verdicts: Sequence[str], evaluation: EvaluationConfig
) -> Entry:
    """Returns a row of a question: one method against another over data sets with the same number of labels."""
    metric, rope = VERDICT_METRICS[evaluation.metric], evaluation.margin
    estimates = [
        estimate_metric(cell.values[pair[0]] - cell.values[pair[1]], cell.design, metric, of_difference=True)
        for cell in cells
    ]
    differences = np.array([float(estimate.mean) for estimate in estimates])
    errors = np.array([float(np.sqrt(estimate.variance)) for estimate in estimates])
    statistics = differences / np.maximum(errors, 1e-12)
    p_better = [
        float(stats.t.sf(value, estimate.degrees_of_freedom))
        for value, estimate in zip(statistics, estimates, strict=True)
    ]
    signed_rank = signed_rank_posterior(differences, rope)
    posterior = hierarchical_posterior(differences, errors, rope) if len(cells) >= MIN_DATASETS else None
    return {
        "method": pair[0],
        "baseline": pair[1],
        "datasets": [cell.dataset for cell in cells],
        "differences": differences,
        "errors": errors,
        "verdicts": list(verdicts),
        "counts": dict(Counter(verdicts)),
        "median": float(np.median(differences)),
        "p": wilcoxon_p(differences),
        "signed_rank": signed_rank,
        "hierarchical": None if posterior is None else posterior._asdict(),
        "decided": decide_region(signed_rank, posterior, len(cells)),
        "replicated": {
            "better": count_replications(p_better),
            "worse": count_replications([1 - p for p in p_better]),
            "of": len(cells),
        },
    }


def correlate(cells: Sequence[Cell]) -> list[Entry]:
    """Returns how quantities that need no labels are related to the metric, for data sets with one number of labels.

    `within`: Spearman's correlation over the methods of a data set, mean over data sets. `across`: that over data sets
    of a method's quantity with its gain over the raw inputs. Reconstruction counts as better where the error is less.
    """
    entries = []
    for name, (inside, between) in PREDICTORS.items():
        sign = -1.0 if inside == "reconstruction_mse" else 1.0
        within = [found for cell in cells if (found := _correlate_methods(cell, inside, sign)) is not None]
        rhos = [found["rho"] for found in within]
        across = {}
        for method in dict.fromkeys(itertools.chain.from_iterable(cell.methods for cell in cells)):
            if (found := _correlate_datasets(cells, method, between)) is not None:
                across[method] = found
        interval = seeds_interval(rhos) if len(rhos) >= MIN_DATASETS else None
        summary = {
            "mean": float(np.mean(rhos)) if rhos else None,
            "ci95": None if interval is None else np.clip(interval, -1, 1).tolist(),
            "per_dataset": rhos,
        }
        entries.append({"quantity": name, "within": summary, "across": across})
    return entries


def _correlate_methods(cell: Cell, quantity: str, sign: float) -> Entry | None:
    means = {name: mean_of(entry, quantity) for name, entry in cell.methods.items() if not learns_from_labels(entry)}
    values = {name: sign * mean for name, mean in means.items() if mean is not None}
    return rank_correlation(list(values.values()), [cell.score(name) for name in values])


def _correlate_datasets(cells: Sequence[Cell], method: str, quantity: str) -> Entry | None:
    pairs = [
        (value, cell.score(method) - cell.score("raw"))
        for cell in cells
        if method != "raw" and cell.has(method, "raw") and not learns_from_labels(cell.methods[method])
        if (value := mean_of(cell.methods[method], quantity)) is not None
    ]
    return rank_correlation([value for value, _ in pairs], [gain for _, gain in pairs])
