"""One method under two sets of seeds, on real data: how often a difference is found where there is none."""

import time
from collections import Counter
from typing import Any

import numpy as np
from jaxtyping import Bool

from aejax.config import CompareConfig, DataConfig, ProbeConfig, SplitConfig, TrainConfig
from aejax.data.shuffling import make_generator
from aejax.evaluate.comparisons import compare_pairs
from aejax.evaluate.design import EvaluationDesign
from aejax.evaluate.simulation import first_trainings
from aejax.experiments.compare import load_comparison, prepare_comparison, score_comparison
from aejax.experiments.progress import SilentReporter

DATASETS, METHOD = ("digits", "tabular"), "undercomplete"
TRAININGS, SEEDS_PER_SET, PAIRS, EPOCHS = 40, 10, 200, 5


def compare_same_method(dataset: str) -> dict[str, Any]:
    """Trains a method with TRAININGS seeds and compares PAIRS random pairs of disjoint sets of them.

    The test examples are the same for all seeds (holdout), as are those of both sets of a pair: cross-validation tests
    other seeds on other folds.
    """
    config = CompareConfig(
        seeds=TRAININGS,
        methods=(METHOD,),
        data=DataConfig(dataset=dataset),
        split=SplitConfig(design="holdout"),
        train=TrainConfig(epochs=EPOCHS),
        probe=ProbeConfig(probe="ridge"),
    )
    start, design = time.perf_counter(), load_comparison(config)
    experiment = prepare_comparison(design, SilentReporter())
    (result,), _ = score_comparison(experiment, design, lambda: time.perf_counter() - start)
    verdicts = compare_sets_of_seeds(result.scores.correct, experiment.design, dataset)
    return {"dataset": dataset, "method": METHOD, "design": "holdout", **verdicts}


def compare_sets_of_seeds(
    correct: Bool[np.ndarray, "trainings n_test"], design: EvaluationDesign, name: str
) -> dict[str, Any]:
    """Returns the counts of verdicts of random pairs of disjoint sets of seeds; `name` seeds the draws."""
    rng, verdicts, differences = make_generator(0, f"sets of seeds {name}"), [], []
    for _ in range(PAIRS):
        first, second = rng.permutation(len(correct))[: 2 * SEEDS_PER_SET].reshape(2, SEEDS_PER_SET)
        values = {"first": correct[first], "second": correct[second]}
        (row,) = compare_pairs(values, [("first", "second")], first_trainings(design, SEEDS_PER_SET))
        verdicts.append(row.verdict)
        differences.append(abs(row.mean_difference))
    counts = Counter(verdicts)
    return {
        "seeds": SEEDS_PER_SET,
        "pairs": PAIRS,
        "decisive": counts["better"] + counts["worse"],
        "verdicts": dict(counts.most_common()),
        "largest_difference": max(differences),
    }
