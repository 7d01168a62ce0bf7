"""Numbers groups of rows, and draws whole ones: rows of one patient or speaker never lie on two sides of a split.

Groups come in random order. One is drawn if that brings the rows drawn so far closer to the requested fraction of every
class, measured by the sum over classes of the squared difference divided by the rows of the class.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from aejax.data.shuffling import make_generator
from aejax.errors import InputError, require

MAX_OVERSHOOT = 2.0  # how far a group that a class needs may overshoot, relative to the one that overshoots least
REFERENCE_DRAWS = 32  # draws of validation groups, independent of the seeds, that fix the number of rows of each role
DRAWS_PER_POOL = 8  # the same for each of several test folds
MAX_ATTEMPTS = 1000  # draws of validation groups, of which about half are accepted
GROUPS_PER_BLOCK = 256  # groups whose gain is computed at a time


def number_groups(names: pd.Series) -> Int[np.ndarray, " n"]:
    """Returns the number of each row's group, in the order of their names; -1 for a row without one.

    Spaces around a name are no part of it, and blank text is no name.
    """
    if names.dtype.kind in "OU":  # text or categories: a call for each of millions of numbers would take a second
        names = names.map(lambda name: name.strip() or None if isinstance(name, str) else name, na_action="ignore")
    return pd.factorize(names, sort=True)[0]


class GroupCounts(NamedTuple):
    """Labelled rows by group and class, and unlabelled rows by group."""

    group_of_row: Int[np.ndarray, " n"]  # position of its group in the other arrays
    labelled: Int[np.ndarray, "groups classes"]
    unlabelled: Int[np.ndarray, " groups"]


def count_groups(labels: Int[np.ndarray, " n"], groups: Int[np.ndarray, " n"]) -> GroupCounts:
    """Counts the rows of every group; a negative label is none."""
    names, group_of_row = np.unique(groups, return_inverse=True)
    has_label, n_classes = labels >= 0, int(labels.max(initial=0)) + 1
    cells = group_of_row[has_label] * n_classes + labels[has_label]
    labelled = np.bincount(cells, minlength=len(names) * n_classes).reshape(len(names), n_classes)
    return GroupCounts(group_of_row, labelled, np.bincount(group_of_row[~has_label], minlength=len(names)))


def draw_groups(
    counts: Int[np.ndarray, "groups classes"], fraction: float, rng: np.random.Generator
) -> Bool[np.ndarray, " groups"]:
    """Returns which groups are drawn, none for a fraction of 0; those that are not still hold rows of every class.

    A class that no drawn group has gets one group more, even beyond the fraction, if another keeps rows of the class:
    one at random of those that overshoot at most twice as far as the best.
    """
    drawing = _Drawing(counts, fraction)
    if fraction == 0:
        return drawing.drawn
    order = rng.permutation(len(counts))
    for start in range(0, len(order), GROUPS_PER_BLOCK):
        block = order[start : start + GROUPS_PER_BLOCK]
        for group in block[drawing.gains(block) > 0, None]:  # gains only shrink as groups are drawn
            if drawing.gains(group)[0] > 0 and drawing.leaves_every_class(group)[0]:
                drawing.take(group)
    for label in np.argsort(drawing.totals, kind="stable"):
        candidates = order[counts[order, label] > 0]
        if drawing.drawn[candidates].any():
            continue
        candidates = candidates[drawing.leaves_every_class(candidates)]
        if candidates.size:
            gains = drawing.gains(candidates)
            drawing.take(candidates[gains >= MAX_OVERSHOOT * min(gains.max(), 0)][:1])  # rounding may exceed 0
    return drawing.drawn


class _Drawing:
    """Groups drawn so far, and the rows that are missing to the requested fraction of every class."""

    def __init__(self, counts: Int[np.ndarray, "groups classes"], fraction: float) -> None:
        self.counts, self.totals = counts, counts.sum(axis=0)
        self.drawn = np.zeros(len(counts), bool)
        self._weights = 1 / np.maximum(self.totals, 1)
        self._missing, self._left = fraction * self.totals, self.totals

    def gains(self, groups: Int[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        """Returns by how much the squared distance from the fraction would shrink with each of some groups."""
        return (self.counts[groups] * (2 * self._missing - self.counts[groups])) @ self._weights

    def leaves_every_class(self, groups: Int[np.ndarray, " k"]) -> Bool[np.ndarray, " k"]:
        """Returns whether every class would still have rows outside the drawn groups, with each of some groups."""
        return ((self._left > self.counts[groups]) | (self.totals == 0)).all(axis=1)

    def take(self, group: Int[np.ndarray, " 1"]) -> None:
        """Draws a group."""
        self.drawn[group] = True
        self._missing = self._missing - self.counts[group[0]]
        self._left = self._left - self.counts[group[0]]


class RoleSizes(NamedTuple):
    """Rows of each role, equally many for every seed."""

    n_valid: int
    n_train: int  # labelled
    n_unlabelled: int  # in training


def _count_roles(counts: GroupCounts, in_valid: Bool[np.ndarray, " groups"]) -> RoleSizes:
    """Returns the rows of each role with some groups in validation; their rows without a label have none."""
    return RoleSizes(
        int(counts.labelled[in_valid].sum()),
        int(counts.labelled[~in_valid].sum()),
        int(counts.unlabelled[~in_valid].sum()),
    )


def draw_validation_groups(counts: GroupCounts, fraction: float, sizes: RoleSizes, seed: int) -> Bool[np.ndarray, " n"]:
    """Returns which of the counted rows, those outside a seed's test rows, are in its validation groups.

    These leave at least `sizes` rows of each role.

    Raises:
        InputError: no draw leaves enough rows of each role, as may happen where the test groups differ by seed.
    """
    for attempt in range(MAX_ATTEMPTS if fraction > 0 else 1):
        drawn = draw_groups(counts.labelled, fraction, make_generator(seed, "valid groups", attempt))
        if all(count >= required for count, required in zip(_count_roles(counts, drawn), sizes, strict=True)):
            return drawn[counts.group_of_row]
    raise InputError(
        f"--group-column: the groups are too few or too unequal for as many rows of each role in every training "
        f"(seed {seed}); give --design holdout"
    )


def plan_role_sizes(name: str, pools: Sequence[GroupCounts], fraction: float) -> RoleSizes:
    """Returns the number of rows of each role that all seeds share.

    The rows of a draw vary with the sizes of its groups. Reference draws, which do not depend on the seeds, fix the
    fewest: those of the half of each pool's draws that come closest to the fraction. A seed draws until it has at
    least as many, and leaves the few rows beyond them unused.

    Args:
        name: of the dataset, for messages.
        pools: groups outside the test rows, of one test set or of some test folds.
        fraction: of the labelled rows for validation.

    Raises:
        InputError: no group can be held out without losing the last rows of a class.
    """
    fewest, draws_per_pool = [], REFERENCE_DRAWS if len(pools) == 1 else DRAWS_PER_POOL
    for number, counts in enumerate(pools):
        indices = range(number * draws_per_pool, (number + 1) * draws_per_pool)
        generators = [make_generator(index, "reference groups") for index in indices]
        draws = [draw_groups(counts.labelled, fraction, generator) for generator in generators]
        require(
            fraction == 0 or draws[0].any(),
            f"{name}: --group-column leaves no group for validation: each holds the last training rows of a class; "
            "give rows of at least three groups for every class (training, validation and test), or leave "
            "--group-column out",
        )
        sizes = np.array([_count_roles(counts, drawn) for drawn in draws])
        distance = np.abs(sizes[:, 0] - fraction * sizes[:, :2].sum(axis=1))
        closest = np.argsort(distance, kind="stable")[: -(-len(draws) // 2)]
        fewest.append(sizes[closest].min(axis=0))
    return RoleSizes(*np.min(fewest, axis=0).tolist())
