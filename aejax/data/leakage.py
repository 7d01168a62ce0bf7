"""Leakage checks: rows with two roles, and examples that occur on both sides of a split."""

import hashlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped

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


def find_repeats(dataset: Dataset) -> Duplicates:
    """Finds every example that equals another one, but for one of each set: the first with a label, if there is one."""
    order = np.argsort(dataset.labels == UNLABELLED, kind="stable")
    digests = _digest_rows(dataset.inputs)
    first: dict[bytes, int] = {}
    for row in order.tolist():
        first.setdefault(digests[row], row)
    kept = np.array([first[digest] for digest in digests], np.int64)
    rows = np.flatnonzero(kept != np.arange(len(kept)))
    return Duplicates(rows, kept[rows])


def _digest_rows(inputs: Shaped[np.ndarray, "n *shape"]) -> list[bytes]:
    flat = np.ascontiguousarray(inputs).reshape(len(inputs), -1)
    return [hashlib.blake2b(row.data, digest_size=16).digest() for row in flat]


def find_duplicates(inputs: Shaped[np.ndarray, "n *shape"], test_rows: Int[np.ndarray, " n_test"]) -> Duplicates:
    """Finds every example outside the test rows that equals a test example.

    Examples are compared by 128-bit BLAKE2b digests of their bytes, in one pass over the data.
    """
    digests = _digest_rows(inputs)
    first: dict[bytes, int] = {}
    for row in test_rows.tolist():
        first.setdefault(digests[row], row)
    in_test = set(test_rows.tolist())
    pairs = [(row, first[digest]) for row, digest in enumerate(digests) if digest in first and row not in in_test]
    rows = np.array(pairs, np.int64).reshape(-1, 2)
    return Duplicates(rows[:, 0], rows[:, 1])
