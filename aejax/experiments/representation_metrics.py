"""Diagnostics of every method's features on the same test rows: what the report shows beside accuracies.

Each method is diagnosed as soon as it is scored. What stays of its features is what a CKA with another method needs:
those of the diagnosed rows, of a few seeds.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num

from aejax.evaluate.representation import REPRESENTATION_METRICS, measure_representation
from aejax.evaluate.similarity import cka, mean_pairwise_cka, normalized_gram, reduce_width
from aejax.experiments.experiment import Experiment

MAX_DIAGNOSTIC_ROWS = 2000  # test rows that are diagnosed, at most
MAX_PAIRED_SEEDS = 3  # seeds whose CKA between methods is averaged, at most


class RepresentationMetrics(NamedTuple):
    """What is said of one method's features on the diagnosed rows, on the host."""

    n_rows: int
    measures: dict[str, Float[np.ndarray, " seeds"]]
    cka_between_seeds: float  # NaN where there is one seed, or none changes the features
    paired_features: Float[np.ndarray, "paired m r"]  # features of the first seeds, for CKA with other methods
    seconds: float = 0.0


def select_diagnostic_rows(experiment: Experiment) -> Int[np.ndarray, " m"]:
    """All test rows, or `ROWS` of them evenly from first to last: an official test set may come sorted by class."""
    test = experiment.split.test
    return test[np.linspace(0, len(test) - 1, min(MAX_DIAGNOSTIC_ROWS, len(test))).astype(np.int64)]


def evaluate_representation(experiment: Experiment, features: Float[np.ndarray, "copies m d"]) -> RepresentationMetrics:
    """Diagnose one method's features of the diagnosed rows; one copy stands for every seed. Its seconds are apart."""
    began = time.perf_counter()
    diagnosis = compute_representation_metrics(
        features, experiment.dataset.labels[select_diagnostic_rows(experiment)], experiment.plan.seeds
    )
    return diagnosis._replace(seconds=time.perf_counter() - began)


def compute_representation_metrics(
    features: Num[np.ndarray, "copies m d"], labels: Int[np.ndarray, " m"], seeds: int
) -> RepresentationMetrics:
    """Diagnose features.

    Args:
        features: of the diagnosed rows, of every seed; or one copy for all of them.
        labels: class of each row.
        seeds: how many.
    """
    found = [measure_representation(own, labels) for own in features]
    repeated = seeds // len(found)  # one copy stands for every seed
    measures = {name: np.array([own[name] for own in found] * repeated) for name in REPRESENTATION_METRICS}
    kept = np.stack([reduce_width(own) for own in features[:MAX_PAIRED_SEEDS]])
    return RepresentationMetrics(len(labels), measures, mean_pairwise_cka(features), kept)


def cka_matrix(representations: Sequence[RepresentationMetrics]) -> Float[np.ndarray, "method method"]:
    """CKA between every two methods with the same seed, mean over `PAIRED_SEEDS`; NaN where there is none.

    A single copy meets every seed of the other method. One seed's similarities are held at a time.
    """
    per_seed = []
    for seed in range(max(len(diagnosis.paired_features) for diagnosis in representations)):
        own = [
            normalized_gram(diagnosis.paired_features[seed % len(diagnosis.paired_features)])
            for diagnosis in representations
        ]
        per_seed.append([[cka(one, other) for other in own] for one in own])
    return np.mean(per_seed, axis=0)
