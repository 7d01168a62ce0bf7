"""Splits a dataset into training, validation, labelled and test rows: index arrays of equal shape for all seeds."""

import dataclasses
import functools
import hashlib
import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int
from sklearn.model_selection import train_test_split

from aejax.config import SplitConfig
from aejax.data.cross_validation import Fold, count_folds, draw_folds
from aejax.data.dataset import UNLABELLED, Dataset
from aejax.data.grouping import RoleSizes, count_groups, draw_groups, draw_validation_groups, plan_role_sizes
from aejax.data.label_budget import choose_labelled_rows, class_shares
from aejax.data.leakage import require_disjoint
from aejax.data.memory import require_host_memory
from aejax.data.near_duplicates import find_dropped_rows
from aejax.data.shuffling import make_generator, stratified_permutation
from aejax.errors import InputError, require

DRAWN_ROLES = ("train", "valid", "labelled_train", "labelled_valid")  # that every seed draws
DISJOINT_ROLES = (
    ("train", "test", "a training and a test row"),
    ("valid", "test", "a validation and a test row"),
    ("train", "valid", "a training and a validation row"),
    ("labelled_train", "test", "a labelled and a test row"),
    ("labelled_valid", "test", "a labelled and a test row"),
    ("labelled_train", "labelled_valid", "labelled for training and for validation"),
)
DRAWS_PER_TEST_SEED = 10_000  # of validation rows and labels, where --test-seed cannot draw an official test set again


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Split:
    """Rows of one dataset by role, for every seed.

    Without folds all seeds share the test rows, and each seed draws the others.

    Raises:
        LeakageError: a row, or rows of one group, have two roles that must be disjoint.
    """

    train: Int[np.ndarray, "seeds n_train"]
    valid: Int[np.ndarray, "seeds n_valid"]
    labelled_train: Int[np.ndarray, "seeds n_labelled_train"]  # rows whose labels a classifier is fitted on
    labelled_valid: Int[np.ndarray, "seeds n_labelled_valid"]  # rows whose labels select a classifier
    test: Int[np.ndarray, "seeds n_test"]
    folds: int = 1  # of a repetition of cross-validation; 1: all seeds share the test rows
    groups: Int[np.ndarray, " n"] | None = None  # group of every row of the dataset

    def __post_init__(self) -> None:
        for seed in range(len(self.train)):
            rows = {name: value[seed] for name, value in self.roles.items()}
            for role, other_role, description in DISJOINT_ROLES:
                require_disjoint(rows[role], rows[other_role], self.groups, description, seed)

    def __repr__(self) -> str:
        return f"Split({', '.join(f'{name}={rows.shape}' for name, rows in self.roles.items())})"

    @property
    def roles(self) -> dict[str, np.ndarray]:
        """The row arrays by field name."""
        return {name: getattr(self, name) for name in (*DRAWN_ROLES, "test")}

    @property
    def shared_test(self) -> bool:
        """Whether all seeds have the same test rows."""
        return self.folds == 1

    @property
    def labelled(self) -> Int[np.ndarray, "seeds n_labelled"]:
        """Rows whose labels a classifier of each seed uses, for training or validation."""
        return np.concatenate([self.labelled_train, self.labelled_valid], axis=1)

    def check_training_rows(
        self,
        rows: Int[np.ndarray, "entries n"],
        fitted_object: str,
        valid: Int[np.ndarray, "entries m"] | None = None,
    ) -> Int[np.ndarray, "entries n"]:
        """Returns `rows` after checking that none of a seed's rows, nor its group, is in its test or validation rows.

        Args:
            rows: the rows that something is fitted on; entry i belongs to seed i % seeds.
            fitted_object: its name in error messages.
            valid: rows that validate what is fitted on each entry; default: the validation rows of the seed.

        Raises:
            LeakageError: names the first row that is.
        """
        description = f"a row that {fitted_object} is fitted on and a"
        valid = self.valid if valid is None else valid
        for index, entry in enumerate(rows):
            seed = index % len(self.train)
            for role, other_rows in (("test", self.test[seed]), ("validation", valid[index])):
                require_disjoint(entry, other_rows, self.groups, f"{description} {role} row", seed)
        return rows

    @functools.cached_property
    def sha256(self) -> str:
        """Hex digest of all rows of all roles; equal digests mean that results are paired."""
        return self._digest(self.roles)

    @functools.cached_property
    def unlabelled_sha256(self) -> str:
        """Hex digest of the rows without those whose labels are used; equal digests mean that features are equal."""
        return self._digest({name: rows for name, rows in self.roles.items() if not name.startswith("labelled")})

    def _digest(self, roles: Mapping[str, np.ndarray]) -> str:
        digest = hashlib.sha256()
        for name, rows in roles.items():
            rows = rows[0] if name == "test" and self.shared_test else rows
            digest.update(f"{name}{rows.shape}".encode() + np.ascontiguousarray(rows, np.int64).tobytes())
        return digest.hexdigest()


def make_split(dataset: Dataset, config: SplitConfig, seeds: int) -> Split:
    """Draws the rows of every seed: by `--design cross-validation` with other test rows, else with the same.

    Training t of cross-validation is tested on fold t % folds of repetition t // folds. Rows without a label are
    training rows of every seed, and have no other role. Rows of one group are on one side: unlabelled rows of a test or
    validation group are left out of training.

    Raises:
        InputError: a fraction leaves no rows, or a class without training or test rows; the dataset has examples that
            are also test examples and the config rejects them; or an official test set divides groups.
    """
    labels, groups = dataset.labels, dataset.groups
    n_folds = count_folds(dataset, config) if config.design == "cross-validation" else 1
    test = choose_test_rows(dataset, config) if n_folds == 1 else None
    rows = np.setdiff1d(np.arange(dataset.n_examples), find_dropped_rows(dataset, config, test))
    if test is not None:
        rows = _drop_test_groups(dataset, np.setdiff1d(rows, test), test)
    # Each row number is stored three times: drawn, in its role, and as a labelled row. Each fold also has its own pool.
    copies = 3 if test is not None else 4
    require_host_memory(copies * rows.itemsize * seeds * len(rows), f"--seeds {seeds}: the row numbers of their splits")
    if test is None:
        folds, reference_pools = draw_folds(dataset, config, rows, -(-seeds // n_folds))
        tests = np.stack([fold.test for fold in folds[:seeds]])
    else:
        folds, reference_pools = [Fold(test, rows)] * seeds, [rows]
        tests = np.broadcast_to(test, (seeds, len(test)))
    sizes = None
    if groups is not None:
        counts = [count_groups(labels[pool], groups[pool]) for pool in reference_pools]
        sizes = plan_role_sizes(dataset.name, counts, config.valid_fraction)
    shares = class_shares(dataset, rows[labels[rows] != UNLABELLED])
    first = 0 if dataset.test_rows is None else DRAWS_PER_TEST_SEED * config.test_seed
    drawn = [_split_seed(dataset, config, folds[seed].pool, sizes, first + seed, shares) for seed in range(seeds)]
    roles = {role: np.stack([rows_of_seed[role] for rows_of_seed in drawn]) for role in DRAWN_ROLES}
    return Split(test=tests, folds=n_folds, groups=groups, **roles)


def choose_test_rows(dataset: Dataset, config: SplitConfig) -> Int[np.ndarray, " n_test"]:
    """Returns the official test rows, or draws labelled rows."""
    labels = dataset.labels
    if dataset.test_rows is not None:
        n_unlabelled = np.count_nonzero(labels[dataset.test_rows] == UNLABELLED)
        n_test = len(dataset.test_rows)
        require(n_unlabelled == 0, f"{dataset.name}: {n_unlabelled} of {n_test} test rows have no label; label them")
        return dataset.test_rows
    labelled = np.flatnonzero(labels != UNLABELLED)
    if config.split == "tutorial":
        require(
            dataset.groups is None,
            "--split tutorial draws single rows, which would divide groups; leave out --split or --group-column",
        )
        test = train_test_split(labelled, test_size=0.33, random_state=1)[1]
    elif dataset.groups is not None:
        counts = count_groups(labels[labelled], dataset.groups[labelled])
        drawn = draw_groups(counts.labelled, config.test_fraction, make_generator(config.test_seed, "test groups"))
        test = labelled[drawn[counts.group_of_row]]
    else:
        count = math.ceil(config.test_fraction * len(labelled))
        order = stratified_permutation(labels[labelled], make_generator(config.test_seed, "test"))
        test = np.sort(labelled[order[:count]])
    _require_every_class(dataset, test, "test")
    return test


def _drop_test_groups(dataset: Dataset, pool: Int[np.ndarray, " n"], test: np.ndarray) -> Int[np.ndarray, " m"]:
    """Returns `pool` without unlabelled rows of the test's groups; a labelled one is an error of the data."""
    if dataset.groups is None:
        return pool
    divided = np.isin(dataset.groups[pool], dataset.groups[test])
    labelled = pool[divided & (dataset.labels[pool] != UNLABELLED)]
    if labelled.size:
        test_row = test[np.argmax(dataset.groups[test] == dataset.groups[labelled[0]])]
        raise InputError(
            f"{dataset.name}: {len(labelled)} training rows are of groups that have test rows, too, the first in row "
            f"{labelled[0]} as in test row {test_row}; drop them from one side, or leave --group-column out"
        )
    return pool[~divided]


def _split_seed(
    dataset: Dataset,
    config: SplitConfig,
    pool: Int[np.ndarray, " n"],
    sizes: RoleSizes | None,
    seed: int,
    shares: Float[np.ndarray, " classes"],
) -> dict[str, np.ndarray]:
    """Draws the rows of `DRAWN_ROLES` of one seed from those outside the test split.

    With `sizes`, whole groups are drawn; `shares` as in `choose_labelled_rows`.
    """
    has_label = dataset.labels[pool] != UNLABELLED
    labelled, unlabelled = pool[has_label], pool[~has_label]
    if sizes is None:
        drawn = labelled[stratified_permutation(dataset.labels[labelled], make_generator(seed, "valid"))]
        n_valid = round(config.valid_fraction * len(labelled))
        train, valid = np.sort(drawn[n_valid:]), drawn[:n_valid]
    else:
        train, valid, unlabelled = _split_groups(dataset, config.valid_fraction, pool, sizes, seed)
    _require_every_class(dataset, train, f"training (seed {seed})")
    labelled_train, labelled_valid = choose_labelled_rows(dataset, config, train, valid, seed, shares)
    if config.split == "tutorial":  # autoencoders train on all rows outside the test; classifiers still validate
        train, valid = labelled, np.zeros(0, np.int64)
    train = np.sort(np.concatenate([train, unlabelled]))
    return dict(zip(DRAWN_ROLES, (train, valid, labelled_train, labelled_valid), strict=True))


def _split_groups(
    dataset: Dataset, valid_fraction: float, pool: Int[np.ndarray, " n"], sizes: RoleSizes, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws validation groups, and returns the numbers of rows that all seeds share: training, validation, unlabelled.

    Of the few rows beyond these numbers, random ones are left out, in proportion to the classes.
    """
    assert dataset.groups is not None
    labels, groups = dataset.labels[pool], dataset.groups[pool]
    in_valid = draw_validation_groups(count_groups(labels, groups), valid_fraction, sizes, seed)
    has_label = labels != UNLABELLED

    def choose(rows: Int[np.ndarray, " n"], count: int, use: str) -> Int[np.ndarray, " count"]:
        order = stratified_permutation(dataset.labels[rows], make_generator(seed, use), every_class_first=True)
        return rows[order[:count]]

    train = np.sort(choose(pool[has_label & ~in_valid], sizes.n_train, "train of groups"))
    valid = choose(pool[has_label & in_valid], sizes.n_valid, "valid")
    unlabelled = choose(pool[~has_label & ~in_valid], sizes.n_unlabelled, "unlabelled of groups")
    return train, valid, unlabelled


def _require_every_class(dataset: Dataset, rows: np.ndarray, role: str) -> None:
    absent = np.flatnonzero(np.bincount(dataset.labels[rows], minlength=dataset.n_classes) == 0)
    name = dataset.class_names[absent[0]] if absent.size else ""
    source = f" (labels: {dataset.description.label_source})" if dataset.description.label_source else ""
    fix = "smaller --test-fraction and --valid-fraction" if dataset.groups is None else "rows of more groups"
    require(
        absent.size == 0,
        f"{dataset.name}: class {name!r} has no {role} rows{source}; give more rows of it, or {fix}",
    )
