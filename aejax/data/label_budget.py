"""Chooses the rows whose labels a classifier may use, and changes labels: for a control, or as a regime."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, Int32

from aejax.config import SplitConfig
from aejax.data.dataset import UNLABELLED, Dataset
from aejax.data.shuffling import make_generator, stratified_permutation
from aejax.errors import require

LABELS_PER_VALID_LABEL = 5  # one label in five of each class is for validation

UNLABELLED_CLASS = "unlabelled"  # the class of all rows where none has a label
PROPORTION_TOLERANCE = 2  # examples of a class by which a fold, and a draw of it, deviate from its share

Rows = Int[np.ndarray, "..."]


def choose_labelled_rows(
    dataset: Dataset,
    config: SplitConfig,
    train: Int[np.ndarray, " n_train"],
    valid: Int[np.ndarray, " n_valid"],
    seed: int,
    shares: Float[np.ndarray, " classes"],
) -> tuple[Rows, Rows]:
    """Returns the labelled rows of one seed, for training and for validation.

    Args:
        dataset: the labels.
        config: the label budget: a fraction of all labels, or a number per class; and the imbalance of classes.
        train: training rows of this seed that have a label.
        valid: validation rows of this seed.
        seed: the seed.
        shares: of the classes in the labelled rows that every seed draws from; they fix the numbers that seeds share.

    Raises:
        InputError: a class has too few rows.
    """
    if config.labels_per_class is not None:
        return _sample_per_class(dataset, train, valid, config, seed)

    def sample(rows: Rows, n_classes: int, use: str, of_each_class: int) -> Rows:
        """Returns a stratified fraction, nested in larger ones, with a row of each of up to `n_classes` classes."""
        if config.label_fraction < 1:
            count = max(math.ceil(config.label_fraction * len(rows)), n_classes)
            rng = make_generator(seed, use)
            rows = rows[stratified_permutation(dataset.labels[rows], rng, every_class_first=True)[:count]]
        if config.class_imbalance is None:
            return rows
        counts = _unequal_counts(len(rows) * shares, config.class_imbalance, of_each_class)
        return _take_from_classes(dataset, rows, counts, make_generator(seed, f"{use} imbalance"), config)

    n_classes = dataset.n_classes
    if dataset.groups is None:
        n_classes = _count_drawn_classes(shares * (len(train) + len(valid)), len(valid))
    return sample(train, dataset.n_classes, "labelled train", 1), sample(valid, n_classes, "labelled valid", 0)


def class_shares(dataset: Dataset, rows: Rows) -> Float[np.ndarray, " classes"]:
    """Returns the share of each class in labelled rows."""
    return np.bincount(dataset.labels[rows], minlength=dataset.n_classes) / max(1, len(rows))


def _count_drawn_classes(counts: Float[np.ndarray, " classes"], n_drawn: int) -> int:
    """Returns how many classes have one of the first rows of a stratified permutation of classes of some sizes.

    Seeds may have a rare class or not, by ties and by the fold; the number of their labels must not depend on that.
    """
    first = np.sort(0.5 / counts)  # position of each class's first row, see `stratified_permutation`
    others_before = np.maximum(np.ceil(np.outer(first, counts) - 0.5 - 1e-9) - 1, 0).sum(axis=1)
    return int(np.count_nonzero(others_before + np.arange(len(first)) < n_drawn))


def _class_weights(n_classes: int, imbalance: float) -> Float[np.ndarray, " classes"]:
    """Returns sizes of classes relative to the largest: `imbalance ** (-c / (classes - 1))`, as in Cui et al. 2019.

    >>> _class_weights(3, 100).round(2), _class_weights(2, 0.1)
    (array([1.  , 0.1 , 0.01]), array([0.1, 1. ]))
    """
    weights = imbalance ** (-np.arange(n_classes) / max(1, n_classes - 1))
    return np.asarray(weights / weights.max())


def _unequal_counts(
    expected: Float[np.ndarray, " classes"], imbalance: float, at_least: int
) -> Int[np.ndarray, " classes"]:
    """Returns the largest class sizes of an imbalance that rows drawn in proportion have.

    Stratified folds and draws hold each class within one example, so two fewer than expected are always there, and all
    seeds have the same numbers.
    """
    weights = _class_weights(len(expected), imbalance)
    largest = np.min(np.maximum(np.floor(expected) - PROPORTION_TOLERANCE, at_least) / weights)
    return np.maximum(np.floor(largest * weights * (1 + 1e-9)), at_least).astype(int)


def _take_from_classes(
    dataset: Dataset, rows: Rows, counts: Int[np.ndarray, " classes"], rng: np.random.Generator, config: SplitConfig
) -> Rows:
    """Returns as many random rows of each class as `counts` has."""
    shuffled, kept = rng.permutation(rows), []
    for label, count in enumerate(counts):
        of_class = shuffled[dataset.labels[shuffled] == label]
        require(
            len(of_class) >= count,
            f"--class-imbalance {config.class_imbalance:g}: some seed has {len(of_class)} rows of class "
            f"{dataset.class_names[label]!r} where {count} are needed; give the largest number, --labels-per-class",
        )
        kept.append(of_class[:count])
    return np.sort(np.concatenate(kept))


def _sample_per_class(
    dataset: Dataset,
    train: Int[np.ndarray, " n_train"],
    valid: Int[np.ndarray, " n_valid"],
    config: SplitConfig,
    seed: int,
) -> tuple[Rows, Rows]:
    """Returns exactly `labels_per_class` rows of every class, a fifth of them (at least one) for validation.

    With an imbalance this is the number of the largest class, and the smallest has at least two. The
    number includes validation labels: choosing a model by a label uses the label. Validation labels come from the
    validation rows and, where a class has too few of them, from training rows, unless that would divide groups. Both
    parts are nested in this number.
    """
    assert config.labels_per_class is not None
    flag = f"--labels-per-class {config.labels_per_class}"
    counts = budget_counts([config.labels_per_class], dataset.n_classes, config.class_imbalance)[0]
    labelled_train, labelled_valid = [], []
    rng = make_generator(seed, "labels per class")
    for label, name in enumerate(dataset.class_names):
        count = int(counts[label])
        n_valid = max(1, count // LABELS_PER_VALID_LABEL)
        class_train = rng.permutation(train[dataset.labels[train] == label])
        class_valid = rng.permutation(valid[dataset.labels[valid] == label])
        require(
            dataset.groups is None or n_valid <= len(class_valid),
            f"{flag}: class {name!r} has only {len(class_valid)} validation rows (seed {seed}), of {n_valid} needed; "
            "--group-column keeps those of training out; ask for fewer labels, or raise --valid-fraction",
        )
        require(
            count <= len(class_train) + len(class_valid) and count - n_valid <= len(class_train),
            f"{flag}: class {name!r} has only {len(class_train)} training and {len(class_valid)} validation rows "
            f"(seed {seed}), of {count} needed; ask for fewer labels, or give more rows of it",
        )
        labelled_train.append(class_train[: count - n_valid])
        labelled_valid.append(np.concatenate([class_valid, class_train[::-1]])[:n_valid])
    return np.sort(np.concatenate(labelled_train)), np.sort(np.concatenate(labelled_valid))


def budget_counts(
    budgets: Sequence[int] | Int[np.ndarray, " budgets"], n_classes: int, imbalance: float | None
) -> Int[np.ndarray, "budgets classes"]:
    """Returns how many labels of each class budgets have, which are labels per class, or of the largest class."""
    weights = np.ones(n_classes) if imbalance is None else _class_weights(n_classes, imbalance)
    return np.maximum(2, np.round(np.outer(budgets, weights))).astype(int)


def largest_label_budget(
    dataset: Dataset,
    train: Int[np.ndarray, "seeds n_train"],
    valid: Int[np.ndarray, "seeds n_valid"],
    imbalance: float | None = None,
) -> int:
    """Returns the largest budget for which every class has labels for every seed, from the labelled rows of each seed.

    With an imbalance it is the number of the largest class, and the rows are those of which the imbalance is drawn.
    """

    def smallest(rows: Int[np.ndarray, "seeds n"]) -> Int[np.ndarray, " classes"]:
        return np.min([np.bincount(of_seed, minlength=dataset.n_classes) for of_seed in dataset.labels[rows]], axis=0)

    n_train, n_valid = smallest(train), smallest(valid)
    budgets = np.arange(2, int((n_train + n_valid).max()) + 1)
    counts = budget_counts(budgets, dataset.n_classes, imbalance)
    of_valid = np.maximum(1, counts // LABELS_PER_VALID_LABEL)
    possible = (counts <= n_train + n_valid) & (counts - of_valid <= n_train)
    if dataset.groups is not None:
        possible &= of_valid <= n_valid
    return int(budgets[possible.all(axis=1)].max(initial=0))


def make_seed_labels(
    labels: Int32[np.ndarray, " n"], labelled: Int[np.ndarray, "seeds m"], *, permuted: bool
) -> Int32[np.ndarray, "seeds n"]:
    """Returns the labels of all rows for the classifier of each seed.

    Args:
        labels: the true labels.
        labelled: labelled rows of each seed, training and validation together.
        permuted: permutes the labels of these rows at random, which keeps class counts and removes all information;
            labels of other rows, such as test rows, stay true.
    """
    seed_labels = np.tile(labels, (len(labelled), 1))
    if permuted:
        for seed, rows in enumerate(labelled):
            seed_labels[seed, rows] = labels[make_generator(seed, "permuted labels").permutation(rows)]
    return seed_labels


def add_label_noise(dataset: Dataset, config: SplitConfig) -> Int32[np.ndarray, " n"]:
    """Returns the labels that classifiers are fitted to: each is replaced with probability `config.label_noise`.

    The other class is drawn uniformly (symmetric noise). A row keeps its noisy label in every training; rows that are
    noisy at one share are noisy at every larger one.
    """
    labels, n_classes = dataset.labels, dataset.n_classes
    if not config.label_noise or n_classes < 2:
        return labels
    rng = make_generator(config.test_seed, "label noise")
    replaced = (rng.random(len(labels)) < config.label_noise) & (labels != UNLABELLED)
    others = (labels + rng.integers(1, n_classes, len(labels))) % n_classes
    return np.where(replaced, others, labels).astype(np.int32)


def with_some_class(dataset: Dataset) -> Dataset:
    """Returns the dataset; if no row has a label, all are of one class, so that they are split like any others."""
    if dataset.n_classes:
        return dataset
    return dataclasses.replace(dataset, labels=np.zeros(len(dataset.labels), np.int32), class_names=(UNLABELLED_CLASS,))
