"""What the test must not tell anybody: rows kept apart by role, and examples that stand on both sides."""

import hashlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped


class LeakageError(AssertionError):
    """A mistake in the program: something was fitted on, or depends on, what it must not see."""


def require_disjoint(rows: Int[np.ndarray, " n"], other_rows: Int[np.ndarray, " m"], roles: str, seed: int) -> None:
    """Refuse row numbers that are in both.

    Raises:
        LeakError: with the first such row.
    """
    both = rows[np.isin(rows, other_rows)]
    if both.size:
        raise LeakageError(
            f"row {both[0]} is both {roles} (seed {seed}; {both.size} such rows): roles must not overlap"
        )


def require_training_rows(
    rows: Int[np.ndarray, "seeds n"],
    valid: Int[np.ndarray, "seeds n_valid"],
    test: Int[np.ndarray, " n_test"],
    fitted_object: str,
) -> Int[np.ndarray, "seeds n"]:
    """The same rows, of which no seed's is one of its validation rows or a test row.

    Args:
        rows: what something is to be fitted on.
        valid: each seed's validation rows.
        test: the test rows.
        what: is to be fitted.

    Raises:
        LeakError: with the first row that is.
    """
    for seed, own in enumerate(rows):
        require_disjoint(own, test, f"a row that {fitted_object} is fitted on and a test row", seed)
        require_disjoint(own, valid[seed], f"a row that {fitted_object} is fitted on and a validation row", seed)
    return rows


class Duplicates(NamedTuple):
    """Examples outside the test rows that equal a test example, byte for byte; their labels may differ."""

    rows: Int[np.ndarray, " duplicates"]  # outside the test, in ascending order
    test_rows: Int[np.ndarray, " duplicates"]  # for each the first test row that holds the same


def find_duplicates(inputs: Shaped[np.ndarray, "n *shape"], test_rows: Int[np.ndarray, " n_test"]) -> Duplicates:
    """Every example outside the test rows that is one of them.

    Examples are the same if the 128-bit BLAKE2b digests of their stored bytes are: one pass over the data.
    """
    flat = np.ascontiguousarray(inputs).reshape(len(inputs), -1)
    digests = [hashlib.blake2b(row.data, digest_size=16).digest() for row in flat]
    first: dict[bytes, int] = {}
    for row in test_rows.tolist():
        first.setdefault(digests[row], row)
    in_test = set(test_rows.tolist())
    pairs = [(row, first[digest]) for row, digest in enumerate(digests) if digest in first and row not in in_test]
    found = np.array(pairs, np.int64).reshape(-1, 2)
    return Duplicates(found[:, 0], found[:, 1])
