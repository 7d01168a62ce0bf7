"""Draws the test folds of repeated stratified cross-validation, all of one size."""

import math
from collections.abc import Iterator
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


def draw_folds(
    dataset: Dataset, config: SplitConfig, rows: Int[np.ndarray, " n"], repetitions: int
) -> tuple[list[Fold], list[Int[np.ndarray, " _n"]]]:
    """Returns the folds of all repetitions: partitions of the labelled rows, by class and group.

    Each test fold has `n // folds` of the n labelled rows. The few others are, by a random draw, training rows of the
    whole repetition. With groups, folds are as small as the smallest of some reference partitions; other rows of a test
    group have no role.

    Returns:
        The folds; and, with groups, pools of the reference partitions, which fix the number of rows of each role.

    Raises:
        InputError: a class has fewer rows, or rows of fewer groups, than there are folds.
    """
    folds = count_folds(config)
    labelled = rows[dataset.labels[rows] != UNLABELLED]
    _require_folds_of_every_class(dataset, labelled, folds)
    if dataset.groups is not None:
        return _draw_group_folds(dataset, config, rows, repetitions)
    drawn = []
    for repetition in range(repetitions):
        rng = make_generator(config.test_seed, f"folds {repetition}")
        tests = [np.sort(labelled[positions]) for positions in deal_folds(dataset.labels[labelled], folds, rng)]
        drawn += [Fold(test, np.setdiff1d(rows, test)) for test in tests]
    return drawn, []


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


def _draw_group_folds(
    dataset: Dataset, config: SplitConfig, rows: Int[np.ndarray, " n"], repetitions: int
) -> tuple[list[Fold], list[Int[np.ndarray, " _n"]]]:
    """Returns what `draw_folds` returns, from random partitions whose folds have sizes within those of the reference.

    A fold is cut to the smallest of these sizes, in proportion to the classes.
    """
    groups, labels, folds = dataset.groups, dataset.labels, count_folds(config)
    assert groups is not None
    labelled = rows[labels[rows] != UNLABELLED]

    def partitions(use: str, attempts: int, fewest: int, most: int) -> Iterator[list[Int[np.ndarray, " _m"]]]:
        for attempt in range(attempts):
            partition = _partition_groups(dataset, labelled, folds, make_generator(config.test_seed, use, attempt))
            is_complete = all(len(np.unique(labels[fold])) == dataset.n_classes for fold in partition)
            if is_complete and all(fewest <= len(fold) <= most for fold in partition):
                yield partition

    def pool(fold: Int[np.ndarray, " m"]) -> Int[np.ndarray, " k"]:
        return rows[~np.isin(groups[rows], groups[fold])]

    half = math.ceil(len(labelled) / folds / 2)  # of the mean size
    accepted = partitions("reference folds", REFERENCE_PARTITIONS, half, len(labelled))
    reference = [fold for partition in accepted for fold in partition]
    sizes, drawn = [len(fold) for fold in reference], []
    for repetition in range(repetitions):
        use = f"folds {repetition}"
        partition = next(partitions(use, MAX_ATTEMPTS, min(sizes), max(sizes)), None) if sizes else None
        if partition is None:
            raise InputError(
                f"{dataset.name}: the groups are too few or too unequal for {folds} folds that all have rows of every "
                f"class; raise --test-fraction for fewer folds, {HOLDOUT_HINT}"
            )
        for index, fold in enumerate(partition):
            rng = make_generator(config.test_seed, f"{use}: rows", index)
            order = stratified_permutation(labels[fold], rng, every_class_first=True)
            drawn.append(Fold(np.sort(fold[order[: min(sizes)]]), pool(fold)))
    return drawn, [pool(fold) for fold in reference]


def _partition_groups(
    dataset: Dataset, labelled: Int[np.ndarray, " n"], folds: int, rng: np.random.Generator
) -> list[Int[np.ndarray, " _m"]]:
    """Returns the labelled rows of each fold of a random partition."""
    assert dataset.groups is not None
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=int(rng.integers(2**31)))
    parts = splitter.split(labelled, dataset.labels[labelled], dataset.groups[labelled])
    return [labelled[test] for _, test in parts]
