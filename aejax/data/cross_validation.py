"""Draws the test folds of repeated stratified cross-validation, all of one size."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from aejax.config import SplitConfig
from aejax.data.dataset import UNLABELLED, Dataset
from aejax.data.grouping import count_groups
from aejax.data.shuffling import make_generator, stratified_permutation
from aejax.errors import InputError, require

REFERENCE_PARTITIONS = 8  # partitions of the groups, independent of the number of seeds, that fix the size of folds
MAX_ATTEMPTS = 100  # draws of a partition whose folds are not smaller or larger than those of the reference partitions
CANDIDATES = 8  # random partitions of the groups, of which the most equal is drawn; more leave few groups no choice
HOLDOUT_HINT = "or give --design holdout, which tests every seed on the same rows"


class Fold(NamedTuple):
    """The rows of the dataset from which one training draws its roles."""

    test: Int[np.ndarray, " n_test"]
    pool: Int[np.ndarray, " n"]  # training and validation rows, those without a label included


def count_folds(dataset: Dataset, config: SplitConfig) -> int:
    """Returns the number of folds whose test rows are about `--test-fraction` of all rows.

    Raises:
        InputError: it is one, or the test rows are not to be drawn as folds.
    """
    require(
        dataset.test_rows is None and config.split != "tutorial",
        f"{dataset.name}: --design cross-validation is for data without a test set of their own; leave it out",
    )
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
    folds = count_folds(dataset, config)
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

    A fold is cut to the smallest of these sizes, in proportion to the classes. No pool has fewer rows without a label
    than those of the reference.
    """
    groups, labels, folds = dataset.groups, dataset.labels, count_folds(dataset, config)
    assert groups is not None
    labelled = rows[labels[rows] != UNLABELLED]

    def count_unlabelled(fold: Fold) -> int:
        return int(np.count_nonzero(labels[fold.pool] == UNLABELLED))

    def partitions(use: str, attempts: int, fewest: int, most: int, fewest_unlabelled: int) -> Iterator[list[Fold]]:
        for attempt in range(attempts):
            tests = _partition_groups(dataset, labelled, folds, make_generator(config.test_seed, use, attempt))
            partition = [Fold(test, rows[~np.isin(groups[rows], groups[test])]) for test in tests]
            is_complete = all(len(np.unique(labels[test])) == dataset.n_classes for test in tests)
            has_sizes = all(fewest <= len(test) <= most for test in tests)
            if is_complete and has_sizes and min(map(count_unlabelled, partition)) >= fewest_unlabelled:
                yield partition

    half = math.ceil(len(labelled) / folds / 2)  # of the mean size
    accepted = partitions("reference folds", REFERENCE_PARTITIONS, half, len(labelled), 0)
    reference = [fold for partition in accepted for fold in partition]
    sizes, drawn = [len(fold.test) for fold in reference], []
    limits = (min(sizes), max(sizes), min(map(count_unlabelled, reference))) if reference else None
    for repetition in range(repetitions):
        use = f"folds {repetition}"
        partition = next(partitions(use, MAX_ATTEMPTS, *limits), None) if limits else None
        if partition is None:
            raise InputError(
                f"{dataset.name}: the groups are too few or too unequal for {folds} folds that all have rows of every "
                f"class; raise --test-fraction for fewer folds, {HOLDOUT_HINT}"
            )
        for index, (test, pool) in enumerate(partition):
            rng = make_generator(config.test_seed, f"{use}: rows", index)
            order = stratified_permutation(labels[test], rng, every_class_first=True)
            drawn.append(Fold(np.sort(test[order[: min(sizes)]]), pool))
    return drawn, [fold.pool for fold in reference]


def _partition_groups(
    dataset: Dataset, labelled: Int[np.ndarray, " n"], folds: int, rng: np.random.Generator
) -> list[Int[np.ndarray, " _m"]]:
    """Returns the labelled rows of each fold of a random partition, of about equally many rows of every class.

    Groups come in random order, the next one with probability in proportion to its rows, so that small groups, which
    come late, can even out the folds. A group goes to the fold that leaves the rows of every class most equal: of the
    smallest sum, over classes and folds, of squared counts divided by the rows of the class. The partition of the
    smallest sum of some candidates is returned.
    """
    assert dataset.groups is not None
    group_of_row, counts, _ = count_groups(dataset.labels[labelled], dataset.groups[labelled])
    weights, candidates = 1 / np.maximum(counts.sum(axis=0), 1), np.arange(CANDIDATES)
    orders = np.argsort(rng.exponential(size=(CANDIDATES, len(counts))) / counts.sum(axis=1), axis=1)
    counts_of_folds = np.zeros((CANDIDATES, folds, counts.shape[1]))
    fold_of_group = np.empty((CANDIDATES, len(counts)), int)
    for groups in orders.T:  # one of each candidate
        increase = np.einsum("pfc,pc->pf", counts_of_folds, counts[groups] * weights)
        chosen = np.argmin(increase.round(9), axis=1)  # the first of equals, however sums are rounded
        counts_of_folds[candidates, chosen] += counts[groups]
        fold_of_group[candidates, groups] = chosen
    sums = (counts_of_folds**2 @ weights).sum(axis=1).round(9)
    lacks_class = (counts_of_folds == 0).any(axis=(1, 2))
    best = np.lexsort((sums, lacks_class))[0]
    fold_of_row = fold_of_group[best, group_of_row]
    return [labelled[fold_of_row == fold] for fold in rng.permutation(folds)]
