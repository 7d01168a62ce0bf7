"""Verification of the statistics, by simulation and with one method under two sets of seeds on real data."""

import dataclasses
import itertools
import platform
import time
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from rich.console import Console

from aejax.config import CompareConfig, DataConfig, ProbeConfig, SplitConfig, TrainConfig
from aejax.data.shuffling import make_generator
from aejax.errors import require
from aejax.evaluate.across_verification import verify_across_datasets
from aejax.evaluate.comparisons import compare_pairs
from aejax.evaluate.estimates import DesignName, EvaluationDesign
from aejax.evaluate.verification import DESIGNS, SimulationBudget, verify_statistics
from aejax.experiments.compare import load_comparison, prepare_comparison, score_comparison
from aejax.experiments.environment import command_line, describe_machine
from aejax.experiments.progress import SilentReporter
from aejax.report.style import save_figure
from aejax.report.verification_page import plot_power_and_coverage, render_verification_page
from aejax.storage.atomic_io import write_atomically, write_json
from aejax.storage.run_folder import make_output_folder

MIN_EXPERIMENTS = 40
OUTPUT_FILES = {"verify.md", "verify.png", "verify.json"}
DATASETS, METHOD = ("digits", "tabular"), "undercomplete"
TRAININGS, SEEDS_PER_SET, PAIRS, EPOCHS = 40, 10, 200, 5
SETS_ON_FOLDS = 8  # sets of seeds in cross-validation, each on the same folds
Sets = Iterable[tuple[Bool[np.ndarray, "trainings n_test"], Bool[np.ndarray, "trainings n_test"]]]


def verify(budget: SimulationBudget, out: Path, console: Console, *, real: bool = False) -> dict[str, Any]:
    """Simulates experiments and writes the results, replacing earlier ones in the folder.

    Args:
        budget: how many experiments, of which sizes.
        out: folder of the results.
        console: for a line about each part.
        real: whether one method is compared with itself on real data, too.

    Raises:
        InputError: there are too few experiments, or the folder cannot be written or holds other files.
    """
    start = time.perf_counter()
    need = f"expected at least {MIN_EXPERIMENTS}"
    require(budget.experiments >= MIN_EXPERIMENTS, f"--experiments {budget.experiments}: {need}")
    others = sorted(make_output_folder(out, OUTPUT_FILES))
    foreign = others[0] if others else ""
    require(not others, f"--out {out}: holds {foreign}, which is not of verify.py; give another --out")

    def log(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    checks = verify_statistics(budget, log)
    checks["checks"] += verify_across_datasets(budget.experiments, log)
    if real:
        checks["real"] = []
        for dataset, design in itertools.product(DATASETS, DESIGNS):
            log(f"one method under two sets of seeds, {dataset}, {design}")
            checks["real"].append(compare_same_method(dataset, design))
        checks["checks"] += [_check_real(entry) for entry in checks["real"]]
    environment = {
        "python": platform.python_version(),
        **{package: version(package) for package in ("numpy", "scipy", "scikit-learn")},
        "machine": describe_machine(),
        "command": command_line(),
        "seconds": time.perf_counter() - start,
    }
    results = {"schema": 1, "kind": "verify", "effort": budget._asdict(), "environment": environment, **checks}
    write_atomically(out / "verify.md", render_verification_page(results).encode())
    save_figure(plot_power_and_coverage(results), out / "verify.png")
    write_json(out / "verify.json", results)
    return results


def _check_real(entry: dict[str, Any]) -> dict[str, Any]:
    """Checks that at most 5 % of the pairs differ; pairs share trainings, so that no binomial interval is exact."""
    share = entry["decisive"] / entry["pairs"]
    claim = f"{entry['dataset']}, {entry['design']}: one method under two sets of seeds differs in at most 5 %"
    return {"claim": claim, "worst": share, "holds": share <= 0.05}


def compare_same_method(dataset: str, design_name: DesignName) -> dict[str, Any]:
    """Trains a method under sets of SEEDS_PER_SET seeds and compares pairs of sets.

    Both sets of a pair have the same test examples. Holdout: PAIRS random pairs of disjoint sets among TRAININGS
    seeds. Cross-validation: all pairs of SETS_ON_FOLDS sets, which share folds and order of batches and differ in
    their initial weights.
    """
    holdout = design_name == "holdout"
    config = CompareConfig(
        seeds=TRAININGS if holdout else SEEDS_PER_SET,
        methods=(METHOD,),
        data=DataConfig(dataset=dataset),
        split=SplitConfig(design=design_name),
        train=TrainConfig(epochs=EPOCHS),
        probe=ProbeConfig(probe="ridge"),
    )
    start, design = time.perf_counter(), load_comparison(config)
    experiment = prepare_comparison(design, SilentReporter())

    def score(first_seed: int) -> Bool[np.ndarray, "trainings n_test"]:
        of_seeds = dataclasses.replace(experiment, first_seed=first_seed)
        (result,), _ = score_comparison(of_seeds, design, lambda: time.perf_counter() - start)
        return result.scores.correct

    if holdout:
        pairs: Sets = draw_pairs(score(0), dataset)
    else:
        pairs = itertools.combinations([score(number * SEEDS_PER_SET) for number in range(SETS_ON_FOLDS)], 2)
    counted = count_verdicts(pairs, experiment.design.first(SEEDS_PER_SET))
    return {"dataset": dataset, "method": METHOD, "design": design_name, **counted}


def draw_pairs(correct: Bool[np.ndarray, "trainings n_test"], name: str) -> Sets:
    """Yields random pairs of disjoint sets of seeds; `name` seeds the draws."""
    rng = make_generator(0, f"sets of seeds {name}")
    for _ in range(PAIRS):
        first, second = rng.permutation(len(correct))[: 2 * SEEDS_PER_SET].reshape(2, SEEDS_PER_SET)
        yield correct[first], correct[second]


def count_verdicts(pairs: Sets, design: EvaluationDesign) -> dict[str, Any]:
    """Returns the counts of verdicts of pairs of sets of seeds."""
    verdicts, differences = [], []
    for first, second in pairs:
        (row,) = compare_pairs({"first": first, "second": second}, [("first", "second")], design)
        verdicts.append(row.verdict)
        differences.append(abs(row.mean_difference))
    counts = Counter(verdicts)
    return {
        "seeds": SEEDS_PER_SET,
        "pairs": len(verdicts),
        "decisive": counts["better"] + counts["worse"],
        "verdicts": dict(counts.most_common()),
        "largest_difference": max(differences),
    }
