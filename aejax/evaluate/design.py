"""The design of a test: which examples each training is tested on."""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int

DesignName = Literal["holdout", "cross-validation"]


class EvaluationDesign(NamedTuple):
    """Which examples each training is tested on, and how much its training data overlap with the others'."""

    name: DesignName
    test_index: Int[np.ndarray, "trainings n_test"]  # rows of the dataset; holdout: the same for every training
    labels: Int[np.ndarray, "trainings n_test"]  # of these rows
    n_train: int  # rows of one training that are not test rows, validation rows included
    folds: int = 1  # of one repetition; trainings t with equal t // folds test disjoint rows

    @property
    def is_shared(self) -> bool:
        """Whether every training is tested on the same examples."""
        return self.name == "holdout"

    def first(self, trainings: int) -> "EvaluationDesign":
        """Returns the design of the first trainings."""
        return self._replace(test_index=self.test_index[:trainings], labels=self.labels[:trainings])


def holdout_design(labels: Int[np.ndarray, " n_test"], trainings: int, n_train: int) -> EvaluationDesign:
    """Returns the design in which every training is tested on the same examples, numbered 0, 1, ..."""
    shape = (trainings, len(labels))
    index = np.broadcast_to(np.arange(len(labels)), shape)
    return EvaluationDesign("holdout", index, np.broadcast_to(labels, shape), n_train)
