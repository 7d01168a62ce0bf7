"""Leakage checks: rows with two roles, and examples that occur on both sides of a split."""

import hashlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from aejax.data.dataset import UNLABELLED, Dataset


class LeakageError(AssertionError):
    """A bug in the program: something was fitted on, or depends on, data that it must not use."""


def require_disjoint(
    rows: Int[np.ndarray, " m"],
    other_rows: Int[np.ndarray, " k"],
    groups: Int[np.ndarray, " n"] | None,
    roles: str,
    seed: int,
) -> None:
    """Raises LeakageError, naming the first row, if two sets of rows, or the groups of their rows, overlap."""
    common = {"row": np.isin(rows, other_rows)}
    if groups is not None:
        common["the group of row"] = np.isin(groups[rows], groups[other_rows])
    for what, shared in common.items():
        if shared.any():
            row, count = rows[shared][0], shared.sum()
            raise LeakageError(f"{what} {row} is both {roles} (seed {seed}; {count} such rows): roles must not overlap")


class Duplicates(NamedTuple):
    """Examples that are byte for byte equal to another one; labels may differ.

    With one test set, those outside it that equal a test example; in cross-validation, all but one of each set.
    """

    rows: Int[np.ndarray, " duplicates"]  # ascending
    test_rows: Int[np.ndarray, " duplicates"]  # the first equal test row of each; or the row that is kept


def find_duplicates(dataset: Dataset, test_rows: Int[np.ndarray, " n_test"] | None) -> Duplicates:
    """Finds every example outside the test rows that equals a test example.

    Without a test set, every example that equals another one, but for one of each set: the first with a label, if there
    is one. Examples are compared by 128-bit BLAKE2b digests of their bytes, in one pass over the data.
    """
    flat = np.ascontiguousarray(dataset.inputs).reshape(dataset.n_examples, -1)
    digests = [hashlib.blake2b(row.data, digest_size=16).digest() for row in flat]
    order = labelled_first(dataset) if test_rows is None else test_rows
    first = {digests[row]: row for row in reversed(order.tolist())}
    equal = np.array([first.get(digest, -1) for digest in digests], np.int64)
    is_duplicate = (equal >= 0) & (equal != np.arange(len(equal)))
    if test_rows is not None:
        is_duplicate[test_rows] = False
    rows = np.flatnonzero(is_duplicate)
    return Duplicates(rows, equal[rows])


def labelled_first(dataset: Dataset) -> Int[np.ndarray, " n"]:
    """Returns all rows, those without a label last: of equal ones, the first is kept."""
    return np.argsort(dataset.labels == UNLABELLED, kind="stable")
