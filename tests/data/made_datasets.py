"""Datasets of given labels and groups."""

from typing import Any

import numpy as np

from aejax.data.dataset import Dataset


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
