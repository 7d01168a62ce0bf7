"""Features classified by their nearest neighbours, for every seed."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int

from aejax.classify.neighbours import NeighboursResult, make_neighbours
from aejax.classify.probe import ProbeRows
from aejax.run.experiment import Experiment, rows_on_device
from aejax.train.plan import Plan


class NeighboursReport(NamedTuple):
    """Which neighbourhood was chosen, by seed."""

    k: list[int]  # neighbours that vote
    grid_edge: list[bool]  # it was the smallest or largest that was tried


@functools.lru_cache(maxsize=32)
def _neighbours_program(plan: Plan, classes: int, shared_features: bool) -> Callable[..., Any]:
    neighbours = make_neighbours(classes)

    def of_seed(features: Array, labels: Array, train: Array, valid: Array, test: Array) -> NeighboursResult:
        return neighbours(features, labels, ProbeRows(train, valid, test))

    return plan.over(of_seed, shared=(0, 4) if shared_features else (4,))


def neighbours_of_features(
    experiment: Experiment, features: Array, shared: bool, labels: Int[np.ndarray, "seeds n"]
) -> tuple[Float[np.ndarray, "seeds n_test classes"], NeighboursReport]:
    """What the labelled neighbours of the test rows say of them.

    Args:
        experiment: whose rows; there must be labelled validation rows.
        features: `(n, d)` if `shared` by all seeds, else `(seeds, n, d)`.
        shared: which of the two.
        labels: as each seed's classifier sees them.
    """
    plan, split = experiment.plan, experiment.split
    program = _neighbours_program(plan, experiment.dataset.classes, shared)
    rows = (rows_on_device(experiment, split.labelled_train), rows_on_device(experiment, split.labelled_valid))
    result: Any = plan.fetch(
        experiment.compiler(program, features, rows_on_device(experiment, labels), *rows, experiment.test)
    )
    return result.log_probs, NeighboursReport(result.k.tolist(), result.grid_edge.tolist())
