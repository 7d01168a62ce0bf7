"""Suspicions about a dataset: each is a sentence that names the column or class, and the flag that acts on it."""

import math
import shlex
from collections.abc import Iterator, Mapping, Sized
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from aejax.data.column_rules import (
    MAX_INTERVALS,
    count_label_runs,
    interval_rule_correct,
    log_binomial,
    log_chance,
    value_rule_correct,
)
from aejax.data.dataset import UNLABELLED, Dataset
from aejax.data.shuffling import make_generator
from aejax.errors import list_names

MIN_ACCURACY = 0.995  # of a rule on one column that gives the label away
MIN_ERROR_REDUCTION = 0.9  # relative to always predicting the largest class
MAX_CHANCE = 0.01  # that some column of random numbers gives such a rule
MIN_ROWS = 20  # fewer identify nothing
MIN_CLASS_ROWS = 10  # outside the test set
DOMINANT_SHARE = 0.9  # of the rows
SCREENED_ROWS = 2000  # rows by which columns are screened; only those that pass are checked on all rows
FEATURES_PER_BLOCK = 1024  # features sorted at a time
MAX_CHECKED_COLUMNS = 200  # columns that pass the screening; with more, the whole problem is easy
MAX_VALUES = 20  # a number with as few distinct values is a category, too


class Values(NamedTuple):
    """One column of a table, as it was before categories were encoded."""

    name: str
    start: int  # its first feature in the inputs
    width: int  # its features
    is_category: bool

    @property
    def features(self) -> slice:
        """Its features in the inputs."""
        return slice(self.start, self.start + self.width)


def find_suspicions(dataset: Dataset, test_rows: Int[np.ndarray, " n_test"]) -> tuple[str, ...]:
    """Returns what is suspicious about the rows outside the test set.

    Columns are checked in tables alone. Ids and rules of many columns are left out: then the problem is easy, or
    the columns are counts.

    Args:
        dataset: in memory.
        test_rows: rows of the test set, which no warning depends on, except that ids differ in all rows of a file.
    """
    if dataset.n_classes < 2 or dataset.stream is not None:
        return ()
    rows = np.setdiff1d(np.arange(dataset.n_examples), test_rows)
    labelled = rows[dataset.labels[rows] != UNLABELLED]
    warnings = [*_class_warnings(dataset, labelled)]
    if len(dataset.example_shape) == 1 and len(labelled) >= MIN_ROWS:
        columns = list(_columns(dataset))
        ids = _find_ids(dataset, columns, np.arange(dataset.n_examples) if dataset.test_rows is None else rows)
        by_class = _sorted_by_class(dataset, rows)
        others = [column for column in columns if not (by_class and ids.get(column))]
        warnings += [*_id_warnings(dataset, ids, by_class), *_rule_warnings(dataset, others, labelled)]
        warnings += _constant_warnings(dataset, columns, rows) if dataset.value_range is None else ()
    return tuple(warnings)


def _columns(dataset: Dataset) -> Iterator[Values]:
    if dataset.table is None:
        names = dataset.feature_names or [str(position) for position in range(dataset.example_shape[0])]
        for position, name in enumerate(names):
            yield Values(name, position, 1, is_category=False)
        return
    start = 0
    for column in dataset.table.columns:
        width = len(column.categories) if column.encoding == "onehot" else 1
        yield Values(column.name, start, width, column.kind == "category")
        start += width + column.indicator


def _read(dataset: Dataset, column: Values, rows: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Returns a column's values: numbers, or the positions of its categories (-1: none of them)."""
    features = dataset.inputs[rows, column.features].astype(np.float64)
    if features.shape[1] == 1:
        return features[:, 0] + (0.0 if dataset.offsets is None else dataset.offsets[column.features])
    return np.where(features.any(axis=1), features.argmax(axis=1), -1.0)


def _quote(dataset: Dataset, column: Values) -> tuple[str, str]:
    """Returns a column's name and what leaves it out."""
    named = dataset.feature_names is not None or dataset.table is not None
    return f"column {column.name!r}", f"--drop-columns {shlex.quote(column.name)}" if named else "leave it out"


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


def _find_ids(dataset: Dataset, columns: list[Values], rows: Int[np.ndarray, " n"]) -> dict[Values, bool]:
    """Returns the columns whose values differ in all rows and are whole numbers, categories, or in order (True)."""
    screened = _screen(rows)
    found = {
        column: in_order
        for column in columns
        if _identifies(column, _read(dataset, column, screened)) is not None
        and (in_order := _identifies(column, _read(dataset, column, rows))) is not None
    }
    return found if _few(columns, found) else {}


def _sorted_by_class(dataset: Dataset, rows: Int[np.ndarray, " n"]) -> bool:
    labels = dataset.labels[rows]
    labels = labels[labels != UNLABELLED]
    return bool(np.count_nonzero(np.diff(labels)) == len(np.unique(labels)) - 1)


def _id_warnings(dataset: Dataset, ids: Mapping[Values, bool], by_class: bool) -> Iterator[str]:
    for column, in_order in ids.items():
        name, fix = _quote(dataset, column)
        what = "only rises or falls from row to row" if in_order else "has another value in every row"
        why = "; as the rows are sorted by class, it gives the label away" if in_order and by_class else ""
        yield f"{name} {what}, as a row number or an id does{why}; if it is one, {fix}"


def _identifies(column: Values, values: Float[np.ndarray, " n"]) -> bool | None:
    """Returns whether a column identifies rows by being in order, or unordered (False); None: it does not."""
    steps = np.diff(values)
    if len(values) >= MIN_ROWS and (np.all(steps > 0) or np.all(steps < 0)):
        return True
    if not column.is_category and not np.array_equal(values, np.rint(values)):
        return None
    return False if len(np.unique(values)) == len(values) else None


def _rule_warnings(dataset: Dataset, columns: list[Values], labelled: Int[np.ndarray, " n"]) -> Iterator[str]:
    """Warns of columns that alone classify nearly every row, unless half of the columns do."""
    labels = dataset.labels[labelled]
    passing = _screen_rules(dataset, columns, labelled)
    if len(passing) > MAX_CHECKED_COLUMNS:
        return
    checked = (
        (column, _rule_accuracy(_read(dataset, column, labelled), labels, column, len(columns))) for column in passing
    )
    found = [(column, accuracy) for column, accuracy in checked if accuracy is not None]
    for column, accuracy in found if _few(columns, found) and 2 * len(found) <= len(columns) else ():
        name, fix = _quote(dataset, column)
        same = accuracy == 1 and len(np.unique(_read(dataset, column, labelled))) == len(np.unique(labels))
        what = "is the label in other words" if same else "alone gives the label away"
        yield (
            f"{name} {what}: a rule on its value is right in {100 * accuracy:.4g} % of the {len(labels):,} rows "
            f"outside the test set; if it is not known before the label is, {fix}"
        )


def _screen_rules(dataset: Dataset, columns: list[Values], labelled: Int[np.ndarray, " n"]) -> list[Values]:
    """Returns the columns that may have a rule: categories, few values, or few runs of labels when sorted by it."""
    rows = _screen(labelled)
    labels = dataset.labels[rows]
    max_runs = dataset.n_classes + 2 * math.ceil(2 * (1 - MIN_ACCURACY) * len(rows))
    n_features = dataset.example_shape[0]
    few_runs, few_values = np.empty(n_features, bool), np.empty(n_features, bool)
    for start in range(0, n_features, FEATURES_PER_BLOCK):
        block = slice(start, start + FEATURES_PER_BLOCK)
        inputs = dataset.inputs[rows, block].astype(np.float32, copy=False)
        few_runs[block] = count_label_runs(inputs, labels) <= max_runs
        few_values[block] = np.count_nonzero(np.diff(np.sort(inputs, axis=0), axis=0), axis=0) < MAX_VALUES
    screened_accuracy = 1 - 2 * (1 - MIN_ACCURACY)

    def passes(column: Values) -> bool:
        if not column.is_category and not few_values[column.features].all():
            return bool(few_runs[column.features].all())
        return value_rule_correct(_read(dataset, column, rows), labels) >= screened_accuracy * len(rows)

    return [column for column in columns if passes(column)]


def _rule_accuracy(
    values: Float[np.ndarray, " n"], labels: Int[np.ndarray, " n"], column: Values, n_columns: int
) -> float | None:
    """Returns the accuracy of the best rule on a column; None where it is no better than the label's largest class."""
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    n, n_values = len(labels), len(np.unique(values))
    if column.is_category or n_values <= MAX_VALUES:
        correct, log_rules = value_rule_correct(values, labels), n_values * math.log(len(counts))
    else:
        intervals = min(len(counts), MAX_INTERVALS)
        correct = interval_rule_correct(values, labels, intervals)
        log_rules = log_binomial(n - 1, intervals - 1) + intervals * math.log(len(counts))
    errors = n - correct
    is_rule = errors <= (1 - MIN_ACCURACY) * n and errors <= (1 - MIN_ERROR_REDUCTION) * (n - counts.max())
    by_chance = math.log(n_columns) + log_chance(counts, log_rules, errors) > math.log(MAX_CHANCE)
    return correct / n if is_rule and not by_chance else None


def _constant_warnings(dataset: Dataset, columns: list[Values], rows: Int[np.ndarray, " n"]) -> Iterator[str]:
    constant = _constant_features(dataset, rows)
    names = [column.name for column in columns if constant[column.features].all()]
    if names:
        fix = _quote(dataset, columns[0])[1].split()[0]
        flag = f"{fix} {' '.join(map(shlex.quote, names[:10]))}" if fix.startswith("--") else "leave them out"
        yield f"constant in all rows outside the test set, so no help: {list_names(names)}; {flag}"


def _constant_features(dataset: Dataset, rows: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " d"]:
    first = dataset.inputs[rows[0]]
    constant = np.ones(len(first), bool)
    for start in range(0, len(rows), SCREENED_ROWS):
        block = dataset.inputs[rows[start : start + SCREENED_ROWS]]
        constant &= ((block == first) | (np.isnan(block) & np.isnan(first))).all(axis=0)
    return constant
