"""Leakage checks: rows with two roles, and examples that occur on both sides of a split."""

import hashlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped


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
    """Examples outside the test rows that are byte for byte equal to a test example; labels may differ."""

    rows: Int[np.ndarray, " duplicates"]  # outside the test rows, ascending
    test_rows: Int[np.ndarray, " duplicates"]  # the first equal test row of each


def find_duplicates(inputs: Shaped[np.ndarray, "n *shape"], test_rows: Int[np.ndarray, " n_test"]) -> Duplicates:
    """Finds every example outside the test rows that equals a test example.

    Examples are compared by 128-bit BLAKE2b digests of their bytes, in one pass over the data.
    """
    flat = np.ascontiguousarray(inputs).reshape(len(inputs), -1)
    digests = [hashlib.blake2b(row.data, digest_size=16).digest() for row in flat]
    first: dict[bytes, int] = {}
    for row in test_rows.tolist():
        first.setdefault(digests[row], row)
    in_test = set(test_rows.tolist())
    pairs = [(row, first[digest]) for row, digest in enumerate(digests) if digest in first and row not in in_test]
    rows = np.array(pairs, np.int64).reshape(-1, 2)
    return Duplicates(rows[:, 0], rows[:, 1])
