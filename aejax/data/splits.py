"""Splits a dataset into training, validation, labelled and test rows: index arrays of equal shape for all seeds."""

import dataclasses
import functools
import hashlib
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from sklearn.model_selection import train_test_split

from aejax.config import SplitConfig
from aejax.data.dataset import Dataset
from aejax.data.label_budget import choose_labelled_rows
from aejax.data.leakage import find_duplicates, require_disjoint
from aejax.data.memory import require_host_memory
from aejax.data.shuffling import make_generator, stratified_permutation
from aejax.errors import InputError, require

DISJOINT_ROLES = (
    ("train", "test", "a training and a test row"),
    ("valid", "test", "a validation and a test row"),
    ("train", "valid", "a training and a validation row"),
    ("labelled_train", "test", "a labelled and a test row"),
    ("labelled_valid", "test", "a labelled and a test row"),
    ("labelled_train", "labelled_valid", "labelled for training and for validation"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Split:
    """Rows of one dataset by role; all seeds share the test rows, and each seed draws the others.

    Raises:
        LeakageError: a row has two roles that must be disjoint.
    """

    train: Int[np.ndarray, "seeds n_train"]
    valid: Int[np.ndarray, "seeds n_valid"]
    labelled_train: Int[np.ndarray, "seeds n_labelled_train"]  # rows whose labels a classifier is fitted on
    labelled_valid: Int[np.ndarray, "seeds n_labelled_valid"]  # rows whose labels select a classifier
    test: Int[np.ndarray, " n_test"]

    def __post_init__(self) -> None:
        for seed in range(len(self.train)):
            rows = {name: self.test if name == "test" else value[seed] for name, value in self.roles.items()}
            for role, other_role, description in DISJOINT_ROLES:
                require_disjoint(rows[role], rows[other_role], description, seed)

    @property
    def roles(self) -> dict[str, np.ndarray]:
        """The row arrays by field name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def labelled(self) -> Int[np.ndarray, "seeds n_labelled"]:
        """Rows whose labels a classifier of each seed uses, for training or validation."""
        return np.concatenate([self.labelled_train, self.labelled_valid], axis=1)

    def check_training_rows(self, rows: Int[np.ndarray, "seeds n"], fitted_object: str) -> Int[np.ndarray, "seeds n"]:
        """Returns `rows` after checking that none of a seed's rows is a test row or one of its validation rows.

        Args:
            rows: the rows that something is fitted on.
            fitted_object: its name in error messages.

        Raises:
            LeakageError: names the first row that is.
        """
        description = f"a row that {fitted_object} is fitted on and a"
        for seed, seed_rows in enumerate(rows):
            require_disjoint(seed_rows, self.test, f"{description} test row", seed)
            require_disjoint(seed_rows, self.valid[seed], f"{description} validation row", seed)
        return rows

    @functools.cached_property
    def sha256(self) -> str:
        """Hex digest of all rows of all roles; equal digests mean that results are paired."""
        digest = hashlib.sha256()
        for name, rows in self.roles.items():
            digest.update(f"{name}{rows.shape}".encode() + np.ascontiguousarray(rows, np.int64).tobytes())
        return digest.hexdigest()


class _SeedRows(NamedTuple):
    """The rows of one seed."""

    train: Int[np.ndarray, " n_train"]
    valid: Int[np.ndarray, " n_valid"]
    labelled_train: Int[np.ndarray, " n_labelled_train"]
    labelled_valid: Int[np.ndarray, " n_labelled_valid"]


def make_split(dataset: Dataset, config: SplitConfig, seeds: int) -> Split:
    """Draws the rows of every seed.

    Raises:
        InputError: a fraction leaves no rows, or a class without training or test rows; or the dataset has examples
            that are also test examples and the config rejects them.
    """
    test = _choose_test_rows(dataset, config)
    pool = np.setdiff1d(np.arange(len(dataset.labels)), test)
    if config.duplicates != "keep":
        pool = np.setdiff1d(pool, _find_duplicate_rows(dataset, config, test))
    # Each row number is stored three times: drawn, in its role, and as a labelled row.
    require_host_memory(3 * pool.itemsize * seeds * len(pool), f"--seeds {seeds}: the row numbers of their splits")
    if dataset.test_rows is None:
        _require_every_class(dataset, test, "test")
    drawn = [_split_seed(dataset, config, pool, seed) for seed in range(seeds)]
    return Split(test=test, **{name: np.stack([rows[i] for rows in drawn]) for i, name in enumerate(_SeedRows._fields)})


def _choose_test_rows(dataset: Dataset, config: SplitConfig) -> Int[np.ndarray, " n_test"]:
    if dataset.test_rows is not None:
        return dataset.test_rows
    if config.split == "tutorial":
        return train_test_split(np.arange(len(dataset.labels)), test_size=0.33, random_state=1)[1]
    count = math.ceil(config.test_fraction * len(dataset.labels))
    return np.sort(stratified_permutation(dataset.labels, make_generator(config.test_seed, "test"))[:count])


def _find_duplicate_rows(dataset: Dataset, config: SplitConfig, test: np.ndarray) -> Int[np.ndarray, " n_duplicates"]:
    duplicates = find_duplicates(dataset.inputs, test)
    if config.duplicates == "refuse" and duplicates.rows.size:
        raise InputError(
            f"{dataset.name}: {len(duplicates.rows)} examples outside the test are also test examples, the first in "
            f"row {duplicates.rows[0]} as in test row {duplicates.test_rows[0]}; --duplicates drop leaves them out of "
            "training"
        )
    return duplicates.rows


def _split_seed(dataset: Dataset, config: SplitConfig, pool: Int[np.ndarray, " n"], seed: int) -> _SeedRows:
    """Draws the rows of one seed from those outside the test split."""
    drawn = pool[stratified_permutation(dataset.labels[pool], make_generator(seed, "valid"))]
    n_valid = round(config.valid_fraction * len(pool))
    train, valid = np.sort(drawn[n_valid:]), drawn[:n_valid]
    _require_every_class(dataset, train, f"training (seed {seed})")
    labelled_train, labelled_valid = choose_labelled_rows(dataset, config, train, valid, seed)
    if config.split == "tutorial":  # autoencoders train on all rows outside the test; classifiers still validate
        train, valid = pool, np.zeros(0, np.int64)
    return _SeedRows(train, valid, labelled_train, labelled_valid)


def _require_every_class(dataset: Dataset, rows: np.ndarray, role: str) -> None:
    absent = np.flatnonzero(np.bincount(dataset.labels[rows], minlength=dataset.n_classes) == 0)
    name = dataset.class_names[absent[0]] if absent.size else ""
    require(
        absent.size == 0,
        f"{dataset.name}: class {name!r} has no {role} rows; give more rows of it, or smaller --test-fraction and "
        "--valid-fraction",
    )
