"""Draws the test folds of repeated stratified cross-validation, all of one size."""

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from sklearn.model_selection import StratifiedGroupKFold

from aejax.config import SplitConfig
from aejax.data.dataset import UNLABELLED, Dataset
from aejax.data.shuffling import make_generator, stratified_permutation
from aejax.errors import InputError, require

REFERENCE_PARTITIONS = 8  # partitions of the groups, independent of the number of seeds, that fix the size of folds
MAX_ATTEMPTS = 100  # draws of a partition whose folds are not smaller or larger than those of the reference partitions
HOLDOUT_HINT = "or give --design holdout, which tests every seed on the same rows"


class Fold(NamedTuple):
    """The rows of the dataset from which one training draws its roles."""

    test: Int[np.ndarray, " n_test"]
    pool: Int[np.ndarray, " n"]  # training and validation rows, those without a label included


class FoldDrawing(NamedTuple):
    """Draws the folds of a repetition."""

    draw: Callable[[int], list[Fold]]  # from the number of the repetition
    reference_pools: list[Int[np.ndarray, " _n"]]  # with groups: pools that fix the number of rows of each role


def count_folds(config: SplitConfig) -> int:
    """Returns the number of folds whose test rows are about `--test-fraction` of all rows.

    Raises:
        InputError: it is one.
    """
    folds = round(1 / config.test_fraction)
    require(
        folds >= 2,
        f"--test-fraction {config.test_fraction}: cross-validation needs at most 0.5, two folds; lower it, "
        f"{HOLDOUT_HINT}",
    )
    return folds


def make_fold_drawing(dataset: Dataset, config: SplitConfig, rows: Int[np.ndarray, " n"]) -> FoldDrawing:
    """Returns a drawing of folds: partitions of the labelled rows, by class and group.

    Each test fold has `n // folds` of the n labelled rows. The few others are, by a random draw, training rows of the
    whole repetition. With groups, folds are as small as the smallest of some reference partitions; other rows of a test
    group have no role.

    Args:
        dataset: without an official test set.
        config: the number of folds and their seed.
        rows: of the dataset, that have a role.

    Raises:
        InputError: a class has fewer rows, or rows of fewer groups, than there are folds.
    """
    folds = count_folds(config)
    labelled = rows[dataset.labels[rows] != UNLABELLED]
    _require_folds_of_every_class(dataset, labelled, folds)
    if dataset.groups is not None:
        return _plan_group_folds(dataset, config, rows, folds)

    def draw(repetition: int) -> list[Fold]:
        rng = make_generator(config.test_seed, f"folds {repetition}")
        tests = [np.sort(labelled[positions]) for positions in deal_folds(dataset.labels[labelled], folds, rng)]
        return [Fold(test, np.setdiff1d(rows, test)) for test in tests]

    return FoldDrawing(draw, [])


def _require_folds_of_every_class(dataset: Dataset, labelled: Int[np.ndarray, " n"], folds: int) -> None:
    labels, groups = dataset.labels[labelled], dataset.groups
    for label, name in enumerate(dataset.class_names):
        rows = labelled[labels == label]
        count = len(rows) if groups is None else len(np.unique(groups[rows]))
        require(
            count >= folds,
            f"{dataset.name}: class {name!r} has {count} labelled {'rows' if groups is None else 'groups'}, fewer than "
            f"the {folds} folds of cross-validation; merge or drop the class, raise --test-fraction for fewer folds, "
            f"{HOLDOUT_HINT}",
        )


def deal_folds(labels: Int[np.ndarray, " n"], folds: int, rng: np.random.Generator) -> list[Int[np.ndarray, " _m"]]:
    """Returns the positions of each fold's examples: equally many, each class in proportion within one example.

    The shuffled examples of one class after the other are dealt to the folds in turn. The `n % folds` examples left
    over are drawn before, at random, but not so that a class has fewer examples than there are folds.
    """
    shuffled = rng.permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    rank = np.arange(len(order)) - np.searchsorted(labels[order], labels[order])  # within its class
    surplus, spare = len(order) % folds, order[rank >= folds]
    left_over = rng.choice(spare if len(spare) >= surplus else order, surplus, replace=False)
    dealt = order[~np.isin(order, left_over)]
    return [dealt[fold::folds] for fold in range(folds)]


@dataclasses.dataclass(frozen=True)
class _GroupFolds:
    """Draws partitions of the groups whose folds have sizes within limits."""

    dataset: Dataset
    rows: Int[np.ndarray, " n"]
    folds: int
    test_seed: int
    limits: tuple[int, int]  # fewest and most labelled rows of a fold

    def partition(self, use: str, attempt: int = 0) -> list[Int[np.ndarray, " _m"]]:
        """Returns the labelled rows of each fold of a random partition."""
        dataset = self.dataset
        assert dataset.groups is not None
        labelled = self.rows[dataset.labels[self.rows] != UNLABELLED]
        random_state = int(make_generator(self.test_seed, use, attempt).integers(2**31))
        splitter = StratifiedGroupKFold(self.folds, shuffle=True, random_state=random_state)
        parts = splitter.split(labelled, dataset.labels[labelled], dataset.groups[labelled])
        return [labelled[test] for _, test in parts]

    def accepts(self, partition: list[Int[np.ndarray, " _m"]]) -> bool:
        """Returns whether all sizes are within the limits, and every fold has every class."""
        low, high = self.limits
        labels, n_classes = self.dataset.labels, self.dataset.n_classes
        return all(low <= len(fold) <= high and len(np.unique(labels[fold])) == n_classes for fold in partition)

    def draw(self, repetition: int) -> list[Fold]:
        """Returns the folds of a repetition, cut to the smallest size within the limits."""
        use = f"folds {repetition}"
        for attempt in range(MAX_ATTEMPTS):
            partition = self.partition(use, attempt)
            if self.accepts(partition):
                return [self._cut(fold, use, index) for index, fold in enumerate(partition)]
        raise self.error()

    def _cut(self, fold: Int[np.ndarray, " m"], use: str, index: int) -> Fold:
        rng = make_generator(self.test_seed, f"{use}: rows", index)
        order = stratified_permutation(self.dataset.labels[fold], rng, every_class_first=True)
        return Fold(np.sort(fold[order[: self.limits[0]]]), self.pool(fold))

    def pool(self, fold: Int[np.ndarray, " m"]) -> Int[np.ndarray, " n"]:
        """Returns the rows of other groups than those of a fold."""
        groups = self.dataset.groups
        assert groups is not None
        return self.rows[~np.isin(groups[self.rows], groups[fold])]

    def error(self) -> InputError:
        """Returns the error that groups cannot be divided into folds."""
        return InputError(
            f"{self.dataset.name}: the groups are too few or too unequal for {self.folds} folds that all have rows of "
            f"every class; raise --test-fraction for fewer folds, {HOLDOUT_HINT}"
        )


def _plan_group_folds(dataset: Dataset, config: SplitConfig, rows: Int[np.ndarray, " n"], folds: int) -> FoldDrawing:
    """Returns the drawing within the limits of the reference partitions."""
    n_labelled = int(np.count_nonzero(dataset.labels[rows] != UNLABELLED))
    least = math.ceil(n_labelled / folds / 2)  # half of the mean size
    drawing = _GroupFolds(dataset, rows, folds, config.test_seed, (least, n_labelled))
    partitions = [drawing.partition("reference folds", index) for index in range(REFERENCE_PARTITIONS)]
    accepted = [fold for partition in partitions if drawing.accepts(partition) for fold in partition]
    if not accepted:
        raise drawing.error()
    drawing = dataclasses.replace(drawing, limits=(min(map(len, accepted)), max(map(len, accepted))))
    return FoldDrawing(drawing.draw, [drawing.pool(fold) for fold in accepted])
