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
from aejax.data.order import generator
from aejax.errors import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class Split:
    """Rows of one dataset, by role. The test rows are the same for every seed; the rest is drawn per seed."""

    train: Int[np.ndarray, "seeds n_train"]
    valid: Int[np.ndarray, "seeds n_valid"]
    labelled_train: Int[np.ndarray, "seeds n_labelled_train"]  # rows whose labels a classifier is fitted on
    labelled_valid: Int[np.ndarray, "seeds n_labelled_valid"]  # rows whose labels choose between classifiers
    test: Int[np.ndarray, " n_test"]

    @functools.cached_property
    def sha256(self) -> str:
        """Hex digest of every row of every role: equal digests mean paired results."""
        digest = hashlib.sha256()
        for field in dataclasses.fields(self):
            rows = np.ascontiguousarray(getattr(self, field.name), np.int64)
            digest.update(f"{field.name}{rows.shape}".encode() + rows.tobytes())
        return digest.hexdigest()


def stratified_order(
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


def _held_out_test(dataset: Dataset, config: SplitConfig) -> Int[np.ndarray, " n_test"]:
    if dataset.test_rows is not None:
        return dataset.test_rows
    if config.split == "tutorial":
        return train_test_split(np.arange(len(dataset.labels)), test_size=0.33, random_state=1)[1]
    count = math.ceil(config.test_fraction * len(dataset.labels))
    return np.sort(stratified_order(dataset.labels, generator(config.test_seed, "test"))[:count])


def _labelled(labels: Int[np.ndarray, " n"], fraction: float, seed: int, role: str) -> Int[np.ndarray, " m"]:
    """Positions of a class-balanced share of `labels`: at least one of each class, nested in the fraction."""
    if fraction == 1:
        return np.arange(len(labels))
    count = max(math.ceil(fraction * len(labels)), len(np.unique(labels)))
    return stratified_order(labels, generator(seed, role), every_class_first=True)[:count]


def make_split(dataset: Dataset, config: SplitConfig, seeds: int) -> Split:
    """Draw every seed's rows.

    Raises:
        InputError: a share leaves no rows, or a class without training or test rows.
    """
    test = _held_out_test(dataset, config)
    rest = np.setdiff1d(np.arange(len(dataset.labels)), test)
    drawn = [rest[stratified_order(dataset.labels[rest], generator(seed, "valid"))] for seed in range(seeds)]
    n_valid = round(config.valid_fraction * len(rest))
    chosen_by, fitted_by = [rows[:n_valid] for rows in drawn], [np.sort(rows[n_valid:]) for rows in drawn]
    _check_classes(dataset, fitted_by, test)
    everything = config.split == "tutorial"  # autoencoders train on all rows outside the test; classifiers still choose

    def labelled(rows: list[np.ndarray], role: str) -> np.ndarray:
        picks = [_labelled(dataset.labels[r], config.label_fraction, seed, role) for seed, r in enumerate(rows)]
        return np.stack([r[pick] for r, pick in zip(rows, picks, strict=True)])

    return Split(
        train=np.tile(rest, (seeds, 1)) if everything else np.stack(fitted_by),
        valid=np.zeros((seeds, 0), np.int64) if everything else np.stack(chosen_by),
        labelled_train=labelled(fitted_by, "labelled train"),
        labelled_valid=labelled(chosen_by, "labelled valid"),
        test=test,
    )


def _check_classes(dataset: Dataset, train: list[np.ndarray], test: np.ndarray) -> None:
    shares = "give more rows of it, or smaller --test-fraction and --valid-fraction"
    for role, rows in [("test", test), *((f"training (seed {seed})", rows) for seed, rows in enumerate(train))]:
        if role == "test" and dataset.test_rows is not None:
            continue  # an official test set is taken as it is
        absent = np.flatnonzero(np.bincount(dataset.labels[rows], minlength=dataset.classes) == 0)
        name = dataset.class_names[absent[0]] if absent.size else ""
        require(
            absent.size == 0,
            f"{dataset.name}: class {name!r} has no {role} rows; {shares}",
        )
