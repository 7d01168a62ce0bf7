"""Which labels a classifier may see, and labels that mean nothing."""

import numpy as np
from jaxtyping import Int, Int32

from aejax.data.dataset import Dataset
from aejax.data.shuffling import make_generator
from aejax.errors import require

LABELS_PER_VALID_LABEL = 5  # of so many labels of a class, one is for validation


def sample_labels_per_class(
    dataset: Dataset, train: Int[np.ndarray, " n_train"], valid: Int[np.ndarray, " n_valid"], count: int, seed: int
) -> tuple[Int[np.ndarray, " m_train"], Int[np.ndarray, " m_valid"]]:
    """Rows to be labelled: exactly `count` of every class, a fifth of them (at least one) for validation.

    `count` is the whole budget: choosing by a label is using it. Validation labels come from the validation rows and,
    where these have too few of a class, from training rows. Both parts are nested in `count`.

    Args:
        dataset: whose labels.
        train: one seed's training rows.
        valid: its validation rows.
        count: labels of each class, at least 2.
        seed: the draw's.

    Raises:
        InputError: a class has too few rows.
    """
    n_valid = max(1, count // LABELS_PER_VALID_LABEL)
    fitted_by, chosen_by = [], []
    rng = make_generator(seed, "labels per class")
    for label, name in enumerate(dataset.class_names):
        own = rng.permutation(train[dataset.labels[train] == label])
        held_out = rng.permutation(valid[dataset.labels[valid] == label])
        require(
            count <= len(own) + len(held_out) and count - n_valid <= len(own),
            f"--labels-per-class {count}: class {name!r} has only {len(own)} training and {len(held_out)} validation "
            f"rows (seed {seed}); ask for fewer labels, or give more rows of it",
        )
        fitted_by.append(own[: count - n_valid])
        chosen_by.append(np.concatenate([held_out, own[::-1]])[:n_valid])
    return np.sort(np.concatenate(fitted_by)), np.sort(np.concatenate(chosen_by))


def make_seed_labels(
    labels: Int32[np.ndarray, " n"], labelled: Int[np.ndarray, "seeds m"], *, permuted: bool
) -> Int32[np.ndarray, "seeds n"]:
    """The labels of all rows as each seed's classifier sees them.

    Args:
        labels: as they are.
        labelled: each seed's labelled rows, training and validation together.
        permuted: deal the labels of these rows out among them at random: as many of each class as before, and nothing
            to be learned. Those of the test rows stay.
    """
    seen = np.tile(labels, (len(labelled), 1))
    if permuted:
        for seed, rows in enumerate(labelled):
            seen[seed, rows] = labels[make_generator(seed, "permuted labels").permutation(rows)]
    return seen
