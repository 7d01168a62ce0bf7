"""Finds the best classifier that reads one column: cut points between intervals, or a class for each value."""

import math

import numpy as np
from jaxtyping import Float, Int, Shaped

MAX_INTERVALS = 10  # of a rule of cut points; fewer classes: one for each class


def value_rule_correct(values: Shaped[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> int:
    """Returns how many rows the best rule of the form "value -> class" classifies correctly."""
    value_of_row = np.unique(values, return_inverse=True)[1]
    cells, counts = np.unique(value_of_row * (int(labels.max()) + 1) + labels, return_counts=True)
    best = np.zeros(value_of_row.max() + 1, np.int64)
    np.maximum.at(best, cells // (int(labels.max()) + 1), counts)
    return int(best.sum())


def interval_rule_correct(values: Shaped[np.ndarray, " n"], labels: Int[np.ndarray, " n"], intervals: int) -> int:
    """Returns how many rows the best rule with at most `intervals` intervals, a class for each, classifies correctly.

    Two intervals make a decision stump. The search is exact: a dynamic program over blocks of neighbouring values that
    no optimal cut divides. NaN comes after all numbers.
    """
    n_classes = int(labels.max()) + 1
    best = np.zeros((intervals, n_classes), np.int64)  # most correct rows, by intervals minus one and class of the last
    for counts in _count_blocks(values, labels):
        best[1:] = np.maximum(best[1:], best[:-1].max(axis=1, keepdims=True))
        best += counts
    return int(best.max())


def _count_blocks(values: Shaped[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> Int[np.ndarray, "blocks classes"]:
    """Returns class counts of blocks in the order of the values.

    Rows of one value are in one block, and so are neighbouring values that are all of one class.
    """
    order = np.lexsort((labels, values))
    labels = labels[order]
    value_of_row = np.unique(values, return_inverse=True)[1][order]
    starts = np.flatnonzero(np.diff(value_of_row, prepend=-1))
    low, high = (reduce.reduceat(labels, starts) for reduce in (np.minimum, np.maximum))
    joins = (low[1:] == high[1:]) & (low[1:] == low[:-1]) & (high[1:] == high[:-1])
    block_of_row = np.cumsum(np.concatenate([[True], ~joins]))[value_of_row] - 1
    counts = np.zeros((block_of_row[-1] + 1, int(labels.max()) + 1), np.int64)
    np.add.at(counts, (block_of_row, labels), 1)
    return counts


def count_label_runs(inputs: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"]) -> Int[np.ndarray, " d"]:
    """Returns the number of runs of equal labels when the rows are sorted by each column.

    A rule of k intervals with e errors on a column has at most k + 2 e runs.
    """
    by_label = np.argsort(labels, kind="stable")  # equal values come in the order of the labels
    order = np.argsort(inputs[by_label], axis=0, kind="stable")
    return 1 + np.count_nonzero(np.diff(labels[by_label][order], axis=0), axis=0)


def log_chance(class_counts: Int[np.ndarray, " classes"], log_rules: float, errors: int) -> float:
    """Returns the logarithm of a bound on the chance that one of some rules makes at most `errors` errors.

    The bound is the share of all orders of the labels that the rules and `errors` changed labels can give.

    Args:
        class_counts: rows of each class.
        log_rules: logarithm of the number of rules.
        errors: rows that are not classified correctly.
    """
    n, n_classes = int(class_counts.sum()), len(class_counts)
    log_orders = math.lgamma(n + 1) - sum(math.lgamma(count + 1) for count in class_counts.tolist())
    log_changes = log_binomial(n, errors) + errors * math.log(n_classes)
    return log_rules + log_changes - log_orders


def log_binomial(n: int, k: int) -> float:
    """Returns the logarithm of the number of ways to choose `k` of `n`."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
