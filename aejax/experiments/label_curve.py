"""`compare.py --label-curve`: a comparison, and the same one with fewer and fewer labels.

Each budget is a comparison with `--labels-per-class`, in `label-curve/BUDGET` of the run's folder. Labels are nested: a
larger budget has those of a smaller one. Methods that learn without labels are trained once, for all budgets.
"""

import dataclasses
import functools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import CheckpointConfig, CompareConfig
from aejax.data.label_budget import largest_label_budget
from aejax.data.splits import make_split
from aejax.errors import require
from aejax.experiments.compare import ComparisonDesign, load_comparison
from aejax.experiments.variations import Variation, make_variation
from aejax.experiments.varied_runs import Analysis, run_with_analyses

LABEL_CURVE = "label_curve"  # field of results


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
        budgets: labels per class, of which a fifth, at least one, are for validation; empty: 2, 4, 8, ..., as many as
            the smallest class has.
        out: run folder; those of the budgets are in `out/label-curve`.
        console: for progress and messages.
        checkpoint: whether to replace an earlier run, and how often to save.

    Raises:
        InputError: as `run_job`, or a class has fewer labels than a budget.
    """
    start_time = time.perf_counter()
    design = load_comparison(config)
    return run_with_analyses(design, [analyze_label_curve(design, budgets)], out, console, checkpoint, start_time)


def analyze_label_curve(design: ComparisonDesign, budgets: Sequence[int] = ()) -> Analysis:
    """Returns the analysis of a comparison by the number of labels; arguments as `compare_with_label_curve`.

    Raises:
        InputError: a class has fewer labels than a budget, or the comparison has a fraction of the labels.
    """
    variations = [_with_budget(design.config, budget) for budget in choose_budgets(design, budgets)]
    return Analysis(LABEL_CURVE, variations, functools.partial(_is_complete, variations), _summarize)


def choose_budgets(design: ComparisonDesign, budgets: Sequence[int] = ()) -> list[int]:
    """Returns the budgets in labels per class, ascending; by default powers of two below the number of labels."""
    split = design.config.split
    require(
        split.label_fraction == 1,
        f"--label-curve: goes up to all labels; leave out --label-fraction {split.label_fraction}",
    )
    drawn = make_split(design.dataset, split, design.config.seeds)
    largest = largest_label_budget(design.dataset, drawn.labelled_train, drawn.labelled_valid)
    if split.labels_per_class is not None:
        largest = split.labels_per_class - 1
    chosen = sorted(set(budgets)) or [2**power for power in range(1, largest.bit_length()) if 2**power <= largest]
    require(
        chosen, "--label-curve: needs a class more than two labels; give more rows, or --labels-per-class 4 or more"
    )
    require(
        chosen[0] >= 2 and chosen[-1] <= largest,
        f"--label-budgets {' '.join(map(str, chosen))}: expected labels per class from 2, one for training and one for "
        f"validation, to {largest}, as many as every class has for every seed",
    )
    return chosen


def _with_budget(config: CompareConfig, budget: int) -> Variation:
    split = dataclasses.replace(config.split, labels_per_class=budget)
    return make_variation(str(budget), "labels", config, dataclasses.replace(config, split=split))


def _is_complete(variations: Sequence[Variation], results: Mapping[str, Any]) -> bool:
    saved = results.get(LABEL_CURVE, {}).get("budgets", [])
    return [str(entry["labels_per_class"]) for entry in saved] == [variation.name for variation in variations]


def _summarize(results: Mapping[str, Any], varied: Mapping[str, Mapping[str, Any]], out: Path) -> dict[str, Any]:
    """Returns `label_curve` of `results.json`."""
    budgets = [
        {
            "labels_per_class": int(name),
            "n_labels": count_labels(of_budget),
            "folder": f"label-curve/{name}",
            "seconds": of_budget["environment"]["seconds"],
        }
        for name, of_budget in varied.items()
    ]
    return {"budgets": budgets, "n_labels": [*(entry["n_labels"] for entry in budgets), count_labels(results)]}


def count_labels(results: Mapping[str, Any]) -> int:
    """Returns how many labels each training of a comparison had, for training and validation."""
    return int(results["dataset"]["n_labelled_train"] + results["dataset"]["n_labelled_valid"])
