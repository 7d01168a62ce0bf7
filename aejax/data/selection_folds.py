"""The folds in which a classifier's settings are chosen: index arrays of equal shape for all seeds."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from aejax.data.dataset import Dataset
from aejax.data.shuffling import make_generator
from aejax.data.splits import Split

MAX_CROSS_VALIDATED_LABELS = 1000
"""Labels of a seed up to which cross-validation chooses settings: a tenth of fewer labels is too few to choose by."""
MAX_FOLDS = 5


class SelectionFolds(NamedTuple):
    """Labelled rows of every seed, divided for choosing a classifier's settings; it is then refitted on all of them."""

    train: Int[np.ndarray, "seeds folds n_train"]
    valid: Int[np.ndarray, "seeds folds n_valid"]

    @property
    def n_folds(self) -> int:
        """Number of folds; 1: the seed's validation rows choose."""
        return self.train.shape[1]

    @property
    def can_select(self) -> bool:
        """Whether there is a row to choose by."""
        return self.valid.shape[2] > 0

    def positions(self, labelled: Int[np.ndarray, "seeds n"]) -> "SelectionFolds":
        """Returns the folds as positions in each seed's labelled rows."""

        def find(rows: Int[np.ndarray, "folds m"], among: Int[np.ndarray, " n"]) -> Int[np.ndarray, "folds m"]:
            order = np.argsort(among)
            return order[np.searchsorted(among, rows, sorter=order)]

        return SelectionFolds(
            *(np.stack([find(rows, among) for rows, among in zip(part, labelled, strict=True)]) for part in self)
        )


def make_selection_folds(dataset: Dataset, split: Split) -> SelectionFolds:
    """Returns stratified folds of the labelled rows if these are few, else the labelled training and validation rows.

    Every class has a training row in every fold. Rows of groups are never divided: with groups the labelled validation
    rows choose, however few they are.
    """
    rows = split.labelled
    counts = [np.bincount(dataset.labels[seed_rows], minlength=dataset.n_classes).min() for seed_rows in rows]
    folds = int(min(MAX_FOLDS, *counts))
    if rows.shape[1] > MAX_CROSS_VALIDATED_LABELS or dataset.groups is not None or folds < 2:
        return SelectionFolds(split.labelled_train[:, None], split.labelled_valid[:, None])
    drawn = [_draw_folds(dataset.labels[seed_rows], folds, seed) for seed, seed_rows in enumerate(rows)]
    train, valid = (np.stack([one[part] for one in drawn]) for part in range(2))
    seeds = np.arange(len(rows))[:, None, None]
    return SelectionFolds(rows[seeds, train], rows[seeds, valid])


def _draw_folds(labels: Int[np.ndarray, " n"], folds: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the positions of every fold's training and validation examples.

    The shuffled examples of one class after the other are dealt to the folds in turn. A fold that received one example
    more than another gives the last one back to training, so that all folds have n // folds.
    """
    shuffled = make_generator(seed, "selection folds").permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    size = len(labels) // folds
    valid = np.stack([np.sort(order[fold::folds][:size]) for fold in range(folds)])
    train = np.stack([np.setdiff1d(np.arange(len(labels)), fold_rows) for fold_rows in valid])
    return train, valid
