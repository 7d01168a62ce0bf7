"""Chooses the rows whose labels a classifier may use, and permutes labels for a control."""

import math

import numpy as np
from jaxtyping import Int, Int32

from aejax.config import SplitConfig
from aejax.data.dataset import Dataset
from aejax.data.shuffling import make_generator, stratified_permutation
from aejax.errors import require

LABELS_PER_VALID_LABEL = 5  # one label in five of each class is for validation

Rows = Int[np.ndarray, "..."]


def choose_labelled_rows(
    dataset: Dataset,
    config: SplitConfig,
    train: Int[np.ndarray, " n_train"],
    valid: Int[np.ndarray, " n_valid"],
    seed: int,
) -> tuple[Rows, Rows]:
    """Returns the labelled rows of one seed, for training and for validation.

    Args:
        dataset: the labels.
        config: the label budget: a fraction of all labels, or a number per class.
        train: training rows of this seed that have a label.
        valid: validation rows of this seed.
        seed: the seed.

    Raises:
        InputError: a class has too few rows.
    """
    if config.labels_per_class is not None:
        return _sample_per_class(dataset, train, valid, config.labels_per_class, seed)

    def sample(rows: Rows, use: str) -> Rows:
        labels = dataset.labels[rows]
        # Groups may leave a seed without validation rows of a class; the number of labels must not depend on the seed.
        n_classes = len(np.unique(labels)) if dataset.groups is None else dataset.n_classes
        return rows[_sample_fraction(labels, config.label_fraction, n_classes, make_generator(seed, use))]

    return sample(train, "labelled train"), sample(valid, "labelled valid")


def _sample_fraction(
    labels: Int[np.ndarray, " n"], fraction: float, n_classes: int, rng: np.random.Generator
) -> Int[np.ndarray, " m"]:
    """Returns positions of a stratified fraction of `labels`, at least `n_classes`, nested in `fraction`.

    They include one of each class in `labels`.
    """
    if fraction == 1:
        return np.arange(len(labels))
    count = max(math.ceil(fraction * len(labels)), n_classes)
    return stratified_permutation(labels, rng, every_class_first=True)[:count]


def _sample_per_class(
    dataset: Dataset, train: Int[np.ndarray, " n_train"], valid: Int[np.ndarray, " n_valid"], count: int, seed: int
) -> tuple[Rows, Rows]:
    """Returns exactly `count` rows of every class, a fifth of them (at least one) for validation.

    `count` includes validation labels: choosing a model by a label uses the label. Validation labels come from the
    validation rows and, where a class has too few of them, from training rows, unless that would divide groups. Both
    parts are nested in `count`.
    """
    n_valid = max(1, count // LABELS_PER_VALID_LABEL)
    labelled_train, labelled_valid = [], []
    rng = make_generator(seed, "labels per class")
    for label, name in enumerate(dataset.class_names):
        class_train = rng.permutation(train[dataset.labels[train] == label])
        class_valid = rng.permutation(valid[dataset.labels[valid] == label])
        require(
            dataset.groups is None or n_valid <= len(class_valid),
            f"--labels-per-class {count}: class {name!r} has only {len(class_valid)} validation rows (seed {seed}); "
            "--group-column keeps those of training out; ask for fewer labels, or raise --valid-fraction",
        )
        require(
            count <= len(class_train) + len(class_valid) and count - n_valid <= len(class_train),
            f"--labels-per-class {count}: class {name!r} has only {len(class_train)} training and {len(class_valid)} "
            f"validation rows (seed {seed}); ask for fewer labels, or give more rows of it",
        )
        labelled_train.append(class_train[: count - n_valid])
        labelled_valid.append(np.concatenate([class_valid, class_train[::-1]])[:n_valid])
    return np.sort(np.concatenate(labelled_train)), np.sort(np.concatenate(labelled_valid))


def largest_label_budget(
    dataset: Dataset, train: Int[np.ndarray, "seeds n_train"], valid: Int[np.ndarray, "seeds n_valid"]
) -> int:
    """Returns the most labels per class that every class has for every seed.

    Args:
        dataset: the labels.
        train: training rows of each seed that have a label.
        valid: validation rows of each seed.
    """

    def smallest(rows: Int[np.ndarray, "seeds n"]) -> Int[np.ndarray, " classes"]:
        return np.min([np.bincount(of_seed, minlength=dataset.n_classes) for of_seed in dataset.labels[rows]], axis=0)

    n_train, n_valid = smallest(train), smallest(valid)
    counts = np.arange(2, int((n_train + n_valid).min()) + 1)
    of_valid = np.maximum(1, counts // LABELS_PER_VALID_LABEL)
    possible = counts - of_valid <= n_train.min()
    if dataset.groups is not None:
        possible &= of_valid <= n_valid.min()
    return int(counts[possible].max(initial=0))


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
