"""Suspicions about a dataset: each is a sentence that names the column or class, and the flag that acts on it."""

import dataclasses
import math
import shlex
from collections.abc import Iterator, Sequence, Sized
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from sklearn.tree import DecisionTreeClassifier

from aejax.data.dataset import UNLABELLED, Dataset
from aejax.data.shuffling import make_generator
from aejax.data.table_schema import Column
from aejax.errors import list_names

MIN_ACCURACY = 0.995  # of a rule on one column that gives the label away
MIN_ERROR_REDUCTION = 0.9  # relative to always predicting the largest class
MAX_CHANCE = 0.01  # that some column of random numbers gives such a rule
MIN_ROWS = 20  # fewer identify nothing
MIN_CLASS_ROWS = 10  # outside the test set
DOMINANT_SHARE = 0.9  # of the rows
SCREENED_ROWS = 2000  # rows by which columns are screened; only those that pass are checked on all rows
MAX_CHECKED_COLUMNS = 200  # columns that pass the screening; with more, the whole problem is easy
MAX_VALUES = 20  # a number with as few distinct values is a category, too
MAX_INTERVALS = 10  # of a rule of cut points; fewer classes: one for each class


class Values(NamedTuple):
    """One column of a table."""

    name: str
    features: Shaped[np.ndarray, "n width"]  # several for a category that is one-hot
    offset: float  # that was subtracted from a number
    is_category: bool

    def read(self, rows: Int[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """Returns numbers, or the positions of categories (-1: none of them)."""
        features = self.features[rows].astype(np.float64)
        if features.shape[1] == 1:
            return features[:, 0] + self.offset
        return np.where(features.any(axis=1), features.argmax(axis=1), -1.0)


def add_warnings(dataset: Dataset, warnings: Sequence[str]) -> Dataset:
    """Returns the dataset with these warnings, once each, after those of its description."""
    every = tuple(dict.fromkeys([*dataset.description.warnings, *warnings]))
    if every == dataset.description.warnings:
        return dataset
    return dataclasses.replace(dataset, description=dataclasses.replace(dataset.description, warnings=every))


def find_suspicions(dataset: Dataset, test_rows: Int[np.ndarray, " n_test"]) -> tuple[str, ...]:
    """Returns what is suspicious about the rows outside the test set.

    Columns are checked in tables alone. Ids and rules of many columns are left out: then the problem is easy, or
    the columns are counts. No warning depends on the test rows, except that ids differ in all rows of a file.
    """
    if dataset.n_classes < 2 or dataset.stream is not None:
        return ()
    rows = np.setdiff1d(np.arange(dataset.n_examples), test_rows)
    labelled = rows[dataset.labels[rows] != UNLABELLED]
    warnings = [*_class_warnings(dataset, labelled)]
    if len(dataset.example_shape) == 1 and len(labelled) >= MIN_ROWS:
        columns = list(_columns(dataset))
        by_class = np.count_nonzero(np.diff(dataset.labels[labelled])) == len(np.unique(dataset.labels[labelled])) - 1
        ids = _find_ids(columns, np.arange(dataset.n_examples) if dataset.test_rows is None else rows)
        for name, in_order in ids.items():
            what = "only rises or falls from row to row" if in_order else "has another value in every row"
            why = "; as the rows are sorted by class, it gives the label away" if in_order and by_class else ""
            fix = _drop_hint(dataset, [name])
            warnings.append(f"column {name!r} {what}, as a row number or an id does{why}; if it is one, {fix}")
        others = [column for column in columns if not (by_class and ids.get(column.name))]
        warnings += _rule_warnings(dataset, others, labelled)
        if dataset.value_range is None and (names := _find_constant(columns, rows)):
            fix = _drop_hint(dataset, names)
            warnings.append(f"constant in all rows outside the test set, so no help: {list_names(names)}; {fix}")
    return tuple(warnings)


def _columns(dataset: Dataset) -> Iterator[Values]:
    names = dataset.feature_names or map(str, range(dataset.example_shape[0]))
    columns = dataset.table.columns if dataset.table else [Column(name=name, kind="number") for name in names]
    start = 0
    for column in columns:
        end = start + len(column.feature_names)
        offset = 0.0 if dataset.offsets is None else dataset.offsets[start]
        features = dataset.inputs[:, start : end - column.indicator]
        yield Values(column.name, features, float(offset), column.kind == "category")
        start = end


def _drop_hint(dataset: Dataset, names: list[str]) -> str:
    if dataset.feature_names is None and dataset.table is None:
        return "leave it out"
    return f"--drop-columns {' '.join(map(shlex.quote, names[:10]))}"


def _class_warnings(dataset: Dataset, labelled: Int[np.ndarray, " n"]) -> Iterator[str]:
    counts = np.bincount(dataset.labels[labelled], minlength=dataset.n_classes)
    rare = np.flatnonzero(counts < MIN_CLASS_ROWS)
    if rare.size:
        names = list_names([dataset.class_names[label] for label in rare])
        yield (
            f"fewer than {MIN_CLASS_ROWS} rows outside the test set are of class {names}: results about so few say "
            "little; merge or drop such classes, and see --metric balanced_accuracy"
        )
    largest, share = int(np.argmax(counts)), counts.max() / counts.sum()
    if share >= DOMINANT_SHARE:
        yield (
            f"class {dataset.class_names[largest]!r} has {100 * share:.1f} % of the rows, so always predicting it is "
            "right that often; compare by --metric balanced_accuracy"
        )
    others = [name for name in dataset.class_names if name != "-1"]
    if "-1" in dataset.class_names and len(others) > 1 and all(map(str.isdecimal, others)):
        yield "class -1 stands among classes from 0 up, as rows without a label do; if they have none, --unlabelled -1"


def _screen(rows: Int[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
    """Returns at most SCREENED_ROWS random ones of the rows, in order."""
    if len(rows) <= SCREENED_ROWS:
        return rows
    return np.sort(make_generator(0, "screened rows").choice(rows, SCREENED_ROWS, replace=False))


def _few(columns: list[Values], found: Sized) -> bool:
    """Returns whether so few of the columns have a property that it is suspicious."""
    return len(found) <= max(2, len(columns) // 10)


def _find_ids(columns: list[Values], rows: Int[np.ndarray, " n"]) -> dict[str, bool]:
    """Returns the columns whose values differ in all rows and are whole numbers, categories, or in order (True)."""
    screened, found = _screen(rows), {}
    for column in columns:
        if _identifies(column, screened) is not None and (in_order := _identifies(column, rows)) is not None:
            found[column.name] = in_order
    return found if _few(columns, found) else {}


def _identifies(column: Values, rows: Int[np.ndarray, " n"]) -> bool | None:
    """Returns whether a column identifies rows by being in order, or unordered (False); None: it does not."""
    values = column.read(rows)
    steps = np.diff(values)
    if len(values) >= MIN_ROWS and (np.all(steps > 0) or np.all(steps < 0)):
        return True
    if not column.is_category and not np.array_equal(values, np.rint(values)):
        return None
    return False if len(np.unique(values)) == len(values) else None


def _find_constant(columns: list[Values], rows: Int[np.ndarray, " n"]) -> list[str]:
    screened = (_screen(rows), rows)
    return [column.name for column in columns if all(len(np.unique(column.read(some))) == 1 for some in screened)]


def _rule_warnings(dataset: Dataset, columns: list[Values], labelled: Int[np.ndarray, " n"]) -> Iterator[str]:
    """Warns of columns that alone classify nearly every row, unless half of the columns do."""
    labels, screened = dataset.labels[labelled], _screen(labelled)
    passing = [column for column in columns if _may_have_rule(column, screened, dataset.labels[screened])]
    if len(passing) > MAX_CHECKED_COLUMNS:
        return
    rules = ((column, _rule_accuracy(column, labelled, labels, len(columns))) for column in passing)
    found = [(column, accuracy) for column, accuracy in rules if accuracy is not None]
    for column, accuracy in found if _few(columns, found) and 2 * len(found) <= len(columns) else ():
        same = accuracy == 1 and len(np.unique(column.read(labelled))) == len(np.unique(labels))
        what = "is the label in other words" if same else "alone gives the label away"
        yield (
            f"column {column.name!r} {what}: a rule on its value is right in {100 * accuracy:.4g} % of the "
            f"{len(labels):,} rows outside the test set; if it is not known before the label is, "
            f"{_drop_hint(dataset, [column.name])}"
        )


def _may_have_rule(column: Values, rows: Int[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> bool:
    """Returns whether a rule on a column may be right in nearly all of some rows.

    Rows sorted by a column with a rule of k intervals and e errors have at most k + 2 e runs of equal labels.
    """
    ranks = np.unique(column.read(rows), return_inverse=True)[1]
    errors = math.ceil(2 * (1 - MIN_ACCURACY) * len(labels))
    if column.is_category or ranks.max() < MAX_VALUES:
        return _count_most_common(ranks, labels) >= len(labels) - errors
    runs = 1 + np.count_nonzero(np.diff(labels[np.lexsort((labels, ranks))]))
    return bool(runs <= len(np.unique(labels)) + 2 * errors)


def _count_most_common(ranks: Int[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> int:
    """Returns how many rows have the most common label of the rows with their value."""
    counts = np.zeros((ranks.max() + 1, labels.max() + 1), np.int64)
    np.add.at(counts, (ranks, labels), 1)
    return int(counts.max(axis=1).sum())


def _rule_accuracy(
    column: Values, rows: Int[np.ndarray, " n"], labels: Int[np.ndarray, " n"], n_columns: int
) -> float | None:
    """Returns the accuracy of a rule on a column; None where it is low, or some column might have it by chance.

    A rule gives a class to each value of a category, or to each of a few intervals of a number. The chance is at most
    the share of all orders of the labels that the rules of every column, with as many errors, can give.
    """
    ranks, counts = np.unique(column.read(rows), return_inverse=True)[1], np.bincount(labels)
    n, n_classes = len(labels), int(np.count_nonzero(counts))
    if column.is_category or ranks.max() < MAX_VALUES:
        correct, log_rules = _count_most_common(ranks, labels), (ranks.max() + 1) * math.log(n_classes)
    else:
        intervals = max(2, min(n_classes, MAX_INTERVALS))
        tree = DecisionTreeClassifier(max_leaf_nodes=intervals, random_state=0).fit(ranks[:, None], labels)
        correct = int(np.count_nonzero(tree.predict(ranks[:, None]) == labels))
        log_rules = math.log(math.comb(n - 1, intervals - 1)) + intervals * math.log(n_classes)
    errors = n - correct
    if errors > min((1 - MIN_ACCURACY) * n, (1 - MIN_ERROR_REDUCTION) * (n - counts.max())):
        return None
    log_orders = math.lgamma(n + 1) - sum(math.lgamma(count + 1) for count in counts.tolist())
    log_results = math.log(n_columns) + log_rules + math.log(math.comb(n, errors)) + errors * math.log(n_classes)
    return correct / n if log_results - log_orders <= math.log(MAX_CHANCE) else None
