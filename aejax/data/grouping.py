"""Draws whole groups of rows, so that rows of one patient or speaker never lie on two sides of a split.

Groups come in random order. One is drawn if that brings the rows drawn so far closer to the requested fraction of every
class, measured by the sum over classes of the squared difference divided by the rows of the class.
"""

import dataclasses
import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from aejax.data.shuffling import make_generator
from aejax.errors import require

MAX_OVERSHOOT = 2.0  # how far a group that a class needs may overshoot, relative to the one that overshoots least
REFERENCE_DRAWS = 32  # draws of validation groups, independent of the seeds, that fix the number of rows of each role
GROUPS_PER_BLOCK = 256  # groups whose gain is computed at a time


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
    """Returns which groups are drawn; those that are not still hold rows of every class.

    A class that no drawn group has gets one group more, even beyond the fraction, if another keeps rows of the class:
    one at random of those that overshoot at most twice as far as the best.
    """
    drawing = _Drawing(counts, fraction)
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
            drawing.take(candidates[gains >= MAX_OVERSHOOT * gains.max()][:1])
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


def draw_test_groups(
    labels: Int[np.ndarray, " n"], groups: Int[np.ndarray, " n"], fraction: float, test_seed: int
) -> Bool[np.ndarray, " n"]:
    """Returns which rows are of the groups drawn for the test."""
    counts = count_groups(labels, groups)
    return draw_groups(counts.labelled, fraction, make_generator(test_seed, "test groups"))[counts.group_of_row]


@dataclasses.dataclass(frozen=True)
class ValidationGroups:
    """Draws the validation groups of every seed, and the number of rows of each role, which all seeds share.

    The rows of a draw vary with the sizes of its groups. Reference draws, which do not depend on the seeds, fix limits:
    those of the half of them that come closest to the fraction. A seed draws until it is within these limits; it then
    has at least `n_valid`, `n_train` and `n_unlabelled` rows, and leaves the few rows beyond them unused.
    """

    counts: GroupCounts
    fraction: float
    valid_limits: tuple[int, int]  # fewest and most labelled rows in validation groups
    max_unlabelled: int  # most unlabelled rows in validation groups, which are no training rows

    @property
    def n_valid(self) -> int:
        """Validation rows of every seed."""
        return self.valid_limits[0]

    @property
    def n_train(self) -> int:
        """Labelled training rows of every seed."""
        return int(self.counts.labelled.sum()) - self.valid_limits[1]

    @property
    def n_unlabelled(self) -> int:
        """Unlabelled training rows of every seed."""
        return int(self.counts.unlabelled.sum()) - self.max_unlabelled

    def draw(self, seed: int) -> Bool[np.ndarray, " n"]:
        """Returns which rows are of the validation groups of one seed."""
        for attempt in itertools.count():
            drawn = draw_groups(self.counts.labelled, self.fraction, make_generator(seed, "valid groups", attempt))
            if self._accepts(drawn):
                break
        return drawn[self.counts.group_of_row]

    def _accepts(self, drawn: Bool[np.ndarray, " groups"]) -> bool:
        low, high = self.valid_limits
        n_valid, n_unlabelled = (rows[drawn].sum() for rows in (self.counts.labelled, self.counts.unlabelled))
        return bool(low <= n_valid <= high and n_unlabelled <= self.max_unlabelled)


def plan_validation_groups(
    name: str, labels: Int[np.ndarray, " n"], groups: Int[np.ndarray, " n"], fraction: float
) -> ValidationGroups:
    """Makes the reference draws.

    Args:
        name: of the dataset, for messages.
        labels: of all rows outside the test set; negative: none.
        groups: of the same rows.
        fraction: of the labelled rows for validation, above 0.

    Raises:
        InputError: no group can be held out without losing the last rows of a class.
    """
    counts = count_groups(labels, groups)
    generators = (make_generator(index, "reference groups") for index in range(REFERENCE_DRAWS))
    draws = [draw_groups(counts.labelled, fraction, generator) for generator in generators]
    require(
        draws[0].any(),
        f"{name}: --group-column leaves no group for validation: each holds the last training rows of a class; give "
        "rows of at least three groups for every class (training, validation and test), or leave --group-column out",
    )
    valid = np.array([counts.labelled[drawn].sum() for drawn in draws])
    unlabelled = np.array([counts.unlabelled[drawn].sum() for drawn in draws])
    closest = np.argsort(np.abs(valid - fraction * counts.labelled.sum()), kind="stable")[: -(-len(draws) // 2)]
    limits = int(valid[closest].min()), int(valid[closest].max())
    return ValidationGroups(counts, fraction, limits, int(unlabelled[closest].max()))
