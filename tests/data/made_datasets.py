"""Datasets of given labels and groups."""

from typing import Any

import numpy as np

from aejax.data.dataset import UNLABELLED, Dataset


def made(labels: Any, groups: Any = None, *, inputs: Any = None, test_rows: Any = None) -> Dataset:
    """Returns a dataset with these labels, of which negative ones are none; nothing of it is checked."""
    labels = np.asarray(labels, np.int32)
    inputs = np.random.default_rng(0).normal(size=(len(labels), 2)) if inputs is None else inputs
    return Dataset(
        name="made",
        inputs=np.asarray(inputs, np.float32),
        labels=labels,
        class_names=tuple(map(str, range(labels.max() + 1))),
        value_range=None,
        test_rows=test_rows,
        groups=None if groups is None else np.asarray(groups, np.int32),
    )


def grouped(seed: int = 0, n: int = 600, n_groups: int = 60) -> Dataset:
    """Returns a dataset of groups of unequal sizes and classes, in which a tenth of the rows has no label."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(n_groups, n, p=rng.dirichlet(np.full(n_groups, 5.0)))
    labels = (groups + rng.integers(0, 2, n)) % 3
    return made(np.where(rng.random(n) < 0.1, UNLABELLED, labels), groups)
