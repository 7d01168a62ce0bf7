"""One method under two sets of seeds, on real data: how often a difference is found where there is none."""

import dataclasses
import itertools
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Bool

from aejax.config import CompareConfig, DataConfig, ProbeConfig, SplitConfig, TrainConfig
from aejax.data.shuffling import make_generator
from aejax.evaluate.comparisons import compare_pairs
from aejax.evaluate.design import DesignName, EvaluationDesign
from aejax.evaluate.simulation import first_trainings
from aejax.experiments.compare import load_comparison, prepare_comparison, score_comparison
from aejax.experiments.progress import SilentReporter

DATASETS, METHOD = ("digits", "tabular"), "undercomplete"
TRAININGS, SEEDS_PER_SET, PAIRS, EPOCHS = 40, 10, 200, 5
SETS_ON_FOLDS = 8  # sets of seeds in cross-validation, each on the same folds
Sets = Iterable[tuple[Bool[np.ndarray, "trainings n_test"], Bool[np.ndarray, "trainings n_test"]]]


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
    counted = count_verdicts(pairs, first_trainings(experiment.design, SEEDS_PER_SET))
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
