"""Who trains, who chooses, who judges: index arrays, the same shape for every seed."""

import dataclasses
import functools
import hashlib
import math

import numpy as np
from jaxtyping import Int
from sklearn.model_selection import train_test_split

from aejax.config import SplitConfig
from aejax.data.dataset import Dataset
from aejax.data.label_budget import sample_labels_per_class
from aejax.data.leakage import Duplicates, find_duplicates, require_disjoint, require_training_rows
from aejax.data.memory import require_host_memory
from aejax.data.shuffling import make_generator
from aejax.errors import InputError, require


@dataclasses.dataclass(frozen=True, kw_only=True)
class Split:
    """Rows of one dataset, by role. The test rows are the same for every seed; the rest is drawn per seed.

    Raises:
        LeakError: a row has two roles that must be apart.
    """

    train: Int[np.ndarray, "seeds n_train"]
    valid: Int[np.ndarray, "seeds n_valid"]
    labelled_train: Int[np.ndarray, "seeds n_labelled_train"]  # rows whose labels a classifier is fitted on
    labelled_valid: Int[np.ndarray, "seeds n_labelled_valid"]  # rows whose labels choose between classifiers
    test: Int[np.ndarray, " n_test"]

    def __post_init__(self) -> None:
        for seed in range(len(self.train)):
            labelled_train, labelled_valid = self.labelled_train[seed], self.labelled_valid[seed]
            require_disjoint(self.train[seed], self.test, "a training and a test row", seed)
            require_disjoint(self.valid[seed], self.test, "a validation and a test row", seed)
            require_disjoint(self.train[seed], self.valid[seed], "a training and a validation row", seed)
            require_disjoint(labelled_train, self.test, "a labelled and a test row", seed)
            require_disjoint(labelled_valid, self.test, "a labelled and a test row", seed)
            require_disjoint(labelled_train, labelled_valid, "labelled for training and for validation", seed)

    @property
    def labelled(self) -> Int[np.ndarray, "seeds n_labelled"]:
        """Every row whose label a seed's classifier sees, in training or in choosing."""
        return np.concatenate([self.labelled_train, self.labelled_valid], axis=1)

    def check_training_rows(self, rows: Int[np.ndarray, "seeds n"], fitted_object: str) -> Int[np.ndarray, "seeds n"]:
        """The same rows, on which `what` may be fitted. Raises LeakError if a seed's validation or test row is one."""
        return require_training_rows(rows, self.valid, self.test, fitted_object)

    @functools.cached_property
    def sha256(self) -> str:
        """Hex digest of every row of every role: equal digests mean paired results."""
        digest = hashlib.sha256()
        for field in dataclasses.fields(self):
            rows = np.ascontiguousarray(getattr(self, field.name), np.int64)
            digest.update(f"{field.name}{rows.shape}".encode() + rows.tobytes())
        return digest.hexdigest()


def stratified_permutation(
    labels: Int[np.ndarray, " n"], rng: np.random.Generator, *, every_class_first: bool = False
) -> Int[np.ndarray, " n"]:
    """A random order of `0..n-1` in which every prefix has the classes in proportion, to within one example each.

    The i-th example of a class of m stands at (i + u) / m with one random u for the order. Prefixes of one order are
    nested, so label subsets of growing size contain each other.

    Args:
        labels: class of each example.
        rng: source of the draw.
        every_class_first: put one example of each class in front, so that no prefix of `classes` or more lacks one.
    """
    position = np.empty(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        position[rng.permutation(rows)] = (np.arange(len(rows)) + 0.5) / len(rows)
        if every_class_first:
            position[rows[np.argmin(position[rows])]] -= 1.0
    return np.lexsort((rng.random(len(labels)), position))


def _choose_test_rows(dataset: Dataset, config: SplitConfig) -> Int[np.ndarray, " n_test"]:
    if dataset.test_rows is not None:
        return dataset.test_rows
    if config.split == "tutorial":
        return train_test_split(np.arange(len(dataset.labels)), test_size=0.33, random_state=1)[1]
    count = math.ceil(config.test_fraction * len(dataset.labels))
    return np.sort(stratified_permutation(dataset.labels, make_generator(config.test_seed, "test"))[:count])


def _sample_label_fraction(
    labels: Int[np.ndarray, " n"], fraction: float, seed: int, role: str
) -> Int[np.ndarray, " m"]:
    """Positions of a class-balanced share of `labels`: at least one of each class, nested in the fraction."""
    if fraction == 1:
        return np.arange(len(labels))
    count = max(math.ceil(fraction * len(labels)), len(np.unique(labels)))
    return stratified_permutation(labels, make_generator(seed, role), every_class_first=True)[:count]


def make_split(dataset: Dataset, config: SplitConfig, seeds: int) -> Split:
    """Draw every seed's rows.

    Raises:
        InputError: a share leaves no rows, or a class without training or test rows; or examples that are in the test
            too are refused.
    """
    test = _choose_test_rows(dataset, config)
    rest = np.setdiff1d(np.arange(len(dataset.labels)), test)
    if config.duplicates != "keep":
        found = find_duplicates(dataset.inputs, test)
        if config.duplicates == "refuse":
            _reject_duplicates(dataset, found)
        rest = np.setdiff1d(rest, found.rows)
    row_number = rest.itemsize  # each row stands three times: drawn, in its role, labelled
    require_host_memory(3 * row_number * seeds * len(rest), f"--seeds {seeds}: the row numbers of their splits")
    drawn = [rest[stratified_permutation(dataset.labels[rest], make_generator(seed, "valid"))] for seed in range(seeds)]
    n_valid = round(config.valid_fraction * len(rest))
    chosen_by, fitted_by = [rows[:n_valid] for rows in drawn], [np.sort(rows[n_valid:]) for rows in drawn]
    _require_every_class(dataset, fitted_by, test)
    everything = config.split == "tutorial"  # autoencoders train on all rows outside the test; classifiers still choose
    labelled = [
        _choose_labelled_rows(dataset, config, *rows, seed)
        for seed, rows in enumerate(zip(fitted_by, chosen_by, strict=True))
    ]
    return Split(
        train=np.tile(rest, (seeds, 1)) if everything else np.stack(fitted_by),
        valid=np.zeros((seeds, 0), np.int64) if everything else np.stack(chosen_by),
        labelled_train=np.stack([train for train, _ in labelled]),
        labelled_valid=np.stack([valid for _, valid in labelled]),
        test=test,
    )


def _choose_labelled_rows(
    dataset: Dataset, config: SplitConfig, train: Int[np.ndarray, " n"], valid: Int[np.ndarray, " m"], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """One seed's labelled rows, for training and for validation."""
    if config.labels_per_class is not None:
        return sample_labels_per_class(dataset, train, valid, config.labels_per_class, seed)
    labels, fraction = dataset.labels, config.label_fraction
    return (
        train[_sample_label_fraction(labels[train], fraction, seed, "labelled train")],
        valid[_sample_label_fraction(labels[valid], fraction, seed, "labelled valid")],
    )


def _reject_duplicates(dataset: Dataset, found: Duplicates) -> None:
    if found.rows.size:
        raise InputError(
            f"{dataset.name}: {len(found.rows)} examples outside the test are also test examples, the first in row "
            f"{found.rows[0]} as in test row {found.test_rows[0]}; --duplicates drop leaves them out of training"
        )


def _require_every_class(dataset: Dataset, train: list[np.ndarray], test: np.ndarray) -> None:
    shares = "give more rows of it, or smaller --test-fraction and --valid-fraction"
    for role, rows in [("test", test), *((f"training (seed {seed})", rows) for seed, rows in enumerate(train))]:
        if role == "test" and dataset.test_rows is not None:
            continue  # an official test set is taken as it is
        absent = np.flatnonzero(np.bincount(dataset.labels[rows], minlength=dataset.n_classes) == 0)
        name = dataset.class_names[absent[0]] if absent.size else ""
        require(
            absent.size == 0,
            f"{dataset.name}: class {name!r} has no {role} rows; {shares}",
        )
