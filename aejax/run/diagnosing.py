"""Diagnostics of every method's features on the same test rows: what the report shows beside accuracies.

Each method is diagnosed as soon as it is scored. What stays of its features is what a CKA with another method needs,
of a few seeds: 8 MB a seed for 2000 rows, whatever the width.
"""

import functools
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from aejax.evaluate.diagnostics import DIAGNOSTICS, diagnose
from aejax.evaluate.similarity import cka, mean_cka_between, unit_similarity
from aejax.run.experiment import Experiment
from aejax.train.plan import Plan

ROWS = 2000  # test rows that are diagnosed, at most
PAIRED_SEEDS = 3  # seeds whose CKA between methods is averaged, at most


class Diagnosis(NamedTuple):
    """What is said of one method's features on the diagnosed rows, on the host."""

    rows: int
    measures: dict[str, Float[np.ndarray, " seeds"]]
    cka_between_seeds: float  # NaN where there is one seed, or none changes the features
    similarities: Float[np.ndarray, "paired pairs"]  # of the first seeds, for CKA with other methods
    seconds: float = 0.0


def diagnosed_rows(experiment: Experiment) -> Int[np.ndarray, " m"]:
    """All test rows, or `ROWS` of them evenly from first to last: an official test set may come sorted by class."""
    test = experiment.split.test
    return test[np.linspace(0, len(test) - 1, min(ROWS, len(test))).astype(np.int64)]


@functools.lru_cache(maxsize=128)
def _take_program(plan: Plan) -> Callable[..., Any]:
    """Some rows of features, for every seed."""
    return plan.over(lambda features, rows: jnp.take(features, rows, axis=0), shared=(1,))


def taken(
    experiment: Experiment, features: Array, shared: bool, rows: Int[np.ndarray, " m"]
) -> Float[np.ndarray, "copies m d"]:
    """`rows` of the features of every row, on the host; one copy where no seed changes them."""
    if shared:
        return experiment.plan.fetch_shared(features)[rows][None]
    placed = experiment.plan.put_shared(rows.astype(np.int32))
    return experiment.plan.fetch(experiment.compiler(_take_program(experiment.plan), features, placed))


def diagnose_rows(
    experiment: Experiment, features_at: Callable[[Int[np.ndarray, " m"]], Float[np.ndarray, "copies m d"]]
) -> Diagnosis:
    """Diagnose one method, given how to get its features of some rows. Its seconds are counted apart."""
    began, rows = time.perf_counter(), diagnosed_rows(experiment)
    diagnosis = diagnosis_of(features_at(rows), experiment.dataset.labels[rows], experiment.plan.seeds)
    experiment.compiler.take_seconds()  # else they would be the next method's
    return diagnosis._replace(seconds=time.perf_counter() - began)


def diagnosis_of(features: Num[np.ndarray, "copies m d"], labels: Int[np.ndarray, " m"], seeds: int) -> Diagnosis:
    """Diagnose features.

    Args:
        features: of the diagnosed rows, of every seed; or one copy for all of them.
        labels: class of each row.
        seeds: how many.
    """
    found = [diagnose(own, labels) for own in features]
    repeated = seeds // len(found)  # one copy stands for every seed
    measures = {name: np.array([own[name] for own in found] * repeated) for name in DIAGNOSTICS}
    similarities = np.stack([unit_similarity(own) for own in features])
    between = mean_cka_between(similarities)
    kept = similarities[:PAIRED_SEEDS].copy()  # a view would keep all of them alive
    return Diagnosis(len(labels), measures, between, kept)


def paired_cka(diagnoses: Sequence[Diagnosis]) -> Float[np.ndarray, "method method"]:
    """CKA between every two methods with the same seed, mean over `PAIRED_SEEDS`; NaN where there is none."""
    matrix = np.empty((len(diagnoses), len(diagnoses)))
    for (i, one), (j, other) in itertools.combinations_with_replacement(enumerate(diagnoses), 2):
        matrix[i, j] = matrix[j, i] = _cka_of(one, other)
    return matrix


def _cka_of(one: Diagnosis, other: Diagnosis) -> float:
    """Mean over the seeds that both have; a single copy meets every seed of the other."""
    pairs = np.broadcast_arrays(one.similarities, other.similarities)
    return float(np.mean([cka(mine, theirs) for mine, theirs in zip(*pairs, strict=True)]))
