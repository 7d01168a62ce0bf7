"""Metrics of every method's features on the same test rows, which the report shows next to accuracies.

They are computed when the method is scored. Only the features that a CKA with another method needs are kept: those of
the diagnosed rows, of a few seeds.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num

from aejax.evaluate.representation import (
    REPRESENTATION_METRICS,
    cka,
    mean_pairwise_cka,
    measure_representation,
    normalized_gram,
    reduce_width,
)
from aejax.experiments.experiment import Experiment

MAX_DIAGNOSTIC_ROWS = 2000  # test rows that are diagnosed, at most
MAX_PAIRED_SEEDS = 3  # seeds whose CKA between methods is averaged, at most


class RepresentationMetrics(NamedTuple):
    """Metrics of one method's features of the diagnosed rows, on the host."""

    n_rows: int
    measures: dict[str, Float[np.ndarray, " seeds"]]
    cka_between_seeds: float  # NaN with one seed, or if seeds share the features or have other test rows
    paired_features: Float[np.ndarray, "paired m r"]  # features of the first seeds, for CKA with other methods
    seconds: float = 0.0


def select_diagnostic_rows(experiment: Experiment) -> Int[np.ndarray, "seeds m"]:
    """Returns at most `MAX_DIAGNOSTIC_ROWS` test rows, evenly spaced: an official test set may be sorted by class."""
    n_test = experiment.split.test.shape[1]
    positions = np.linspace(0, n_test - 1, min(MAX_DIAGNOSTIC_ROWS, n_test)).astype(np.int64)
    return experiment.split.test[:, positions]


def evaluate_representation(experiment: Experiment, features: Float[np.ndarray, "copies m d"]) -> RepresentationMetrics:
    """Returns the metrics of one method's features of the diagnosed rows, with the seconds that they took."""
    start = time.perf_counter()
    diagnosis = compute_representation_metrics(
        features,
        experiment.dataset.labels[select_diagnostic_rows(experiment)],
        experiment.plan.seeds,
        shared_rows=experiment.shared_test,
    )
    return diagnosis._replace(seconds=time.perf_counter() - start)


def compute_representation_metrics(
    features: Num[np.ndarray, "copies m d"],
    labels: Int[np.ndarray, "*seeds m"],
    seeds: int,
    *,
    shared_rows: bool = True,
) -> RepresentationMetrics:
    """Returns the metrics of features.

    Args:
        features: of the diagnosed rows, for every seed, or one copy that all seeds share.
        labels: class of each row, for every seed or for all.
        seeds: number of seeds.
        shared_rows: whether all seeds have the same diagnosed rows; the CKA between seeds is of such rows alone.
    """
    labels = np.broadcast_to(labels, (seeds, features.shape[1]))
    per_copy = [measure_representation(copy, labels[seed]) for seed, copy in enumerate(features)]
    repeats = seeds // len(per_copy)
    measures = {name: np.array([values[name] for values in per_copy] * repeats) for name in REPRESENTATION_METRICS}
    paired = np.stack([reduce_width(copy) for copy in features[:MAX_PAIRED_SEEDS]])
    between_seeds = mean_pairwise_cka(features) if shared_rows else float("nan")
    return RepresentationMetrics(labels.shape[1], measures, between_seeds, paired)


def cka_matrix(representations: Sequence[RepresentationMetrics]) -> Float[np.ndarray, "method method"]:
    """Returns the CKA of every two methods with the same seed, mean over the paired seeds; NaN where undefined.

    A copy that all seeds share is paired with every seed of the other method.
    """
    per_seed = []
    for seed in range(max(len(diagnosis.paired_features) for diagnosis in representations)):
        grams = [
            normalized_gram(diagnosis.paired_features[seed % len(diagnosis.paired_features)])
            for diagnosis in representations
        ]
        per_seed.append([[cka(one, other) for other in grams] for one in grams])
    return np.mean(per_seed, axis=0)
