"""Finds examples that nearly equal a test example, or another one: rounded, shifted or re-encoded copies."""

import warnings

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from aejax.config import SplitConfig
from aejax.data.dataset import Dataset
from aejax.data.leakage import Duplicates, find_duplicates, labelled_first
from aejax.data.near_images import find_image_pairs
from aejax.data.shuffling import make_generator
from aejax.errors import InputError

TOLERANCE = 0.01  # largest difference of two equal values, relative to the column's interquartile range
CROWDED = 8.0  # by how much a wider tolerance is larger, to see whether neighbours are common
MIN_FEATURES = 3  # with fewer, rows are close to each other by chance
MAX_DIMENSIONS = 12  # of the space in which neighbours are searched
NEIGHBORS = 3  # test rows that each row is compared with; if all are within the wider tolerance, rows are crowded
MIN_SPREAD_ROWS = 200  # rows by which the spread of a column is measured, at least
PARTITIONS, BLOCKS = 2, 5  # of rows that are compared without a test set
VALUES_PER_BLOCK = 1 << 22
MAX_REMEMBERED = 8  # data and test sets whose copies are remembered
MISSING_VALUE = 10.0  # a missing value, in interquartile ranges: far from most others

_copies: dict[tuple[str, bytes], tuple[Duplicates, Duplicates]] = {}  # by hash of the data, and by test rows


def find_copies(dataset: Dataset, test_rows: Int[np.ndarray, " n_test"] | None) -> tuple[Duplicates, Duplicates]:
    """Returns the rows that equal a test row, and those that nearly do; without a test set, another row.

    They are remembered by content: variations of a run, and budgets of labels, have the same rows.
    """
    key = dataset.sha256, b"" if test_rows is None else test_rows.tobytes()
    if key not in _copies:
        exact = find_duplicates(dataset, test_rows)
        found = exact, find_near_duplicates(dataset, test_rows, exact)
        if len(_copies) == MAX_REMEMBERED:
            del _copies[next(iter(_copies))]
        _copies[key] = found
    return _copies[key]


def find_dropped_rows(
    dataset: Dataset, config: SplitConfig, test_rows: Int[np.ndarray, " n_test"] | None
) -> Int[np.ndarray, " n_dropped"]:
    """Returns the rows of `find_copies` that the config drops. Raises `InputError` if it rejects them."""
    if config.duplicates == "keep":
        return np.zeros(0, np.int64)
    exact = find_duplicates(dataset, test_rows)
    if config.duplicates == "refuse" and exact.rows.size:
        count, row, other = len(exact.rows), exact.rows[0], exact.test_rows[0]
        what = f"examples outside the test are also test examples, the first in row {row} as in test row {other}"
        fix = "leaves them out of training"
        if test_rows is None:
            what, fix = f"examples equal another one, the first in row {row} as in row {other}", "keeps one of each"
        raise InputError(f"{dataset.name}: {count} {what}; --duplicates drop {fix}")
    if config.duplicates == "drop-near":
        return np.concatenate([exact.rows, find_near_duplicates(dataset, test_rows, exact).rows])
    return exact.rows


def find_near_duplicates(
    dataset: Dataset, test_rows: Int[np.ndarray, " n_test"] | None, exact: Duplicates
) -> Duplicates:
    """Finds the rows outside the test set that nearly equal a test row, without those that are exactly equal.

    Images are compared after shifts, by `find_image_pairs`. Rows of tables are nearly equal if every value differs by
    at most `TOLERANCE` interquartile ranges of its column; none is reported where rows are so close by chance. Without
    a test set, rows are compared with each other, and all but one of each set are found.
    """
    if test_rows is None:
        return _find_near_repeats(dataset, exact)
    rows = np.setdiff1d(np.arange(dataset.n_examples), np.concatenate([test_rows, exact.rows]))
    if not rows.size:
        return Duplicates(rows, rows)
    is_image = len(dataset.example_shape) == 3
    pairs = (
        find_image_pairs(dataset.inputs, rows, test_rows) if is_image else _find_table_pairs(dataset, rows, test_rows)
    )
    return Duplicates(pairs[:, 0], pairs[:, 1])


def _find_near_repeats(dataset: Dataset, exact: Duplicates) -> Duplicates:
    """Compares the rows of every block of each of `PARTITIONS` random partitions with all others.

    Two rows that are in one block of each partition, 4 % of all pairs, are not compared.
    """
    rows, pairs = np.setdiff1d(np.arange(dataset.n_examples), exact.rows), [np.zeros((0, 2), np.int64)]
    for index in range(PARTITIONS):
        shuffled = make_generator(0, "blocks of rows", index).permutation(rows)
        for block in filter(len, np.array_split(shuffled, BLOCKS)):
            found = find_near_duplicates(dataset, np.sort(block), exact)
            pairs.append(np.stack(found, axis=1))
    one, other = np.concatenate(pairs).T
    graph = coo_array((np.ones(len(one)), (one, other)), shape=(dataset.n_examples,) * 2)
    _, component = connected_components(graph, directed=False)
    order = labelled_first(dataset)
    names, first = np.unique(component[order], return_index=True)
    kept = order[first][np.searchsorted(names, component)]
    repeats = np.flatnonzero(kept != np.arange(len(kept)))
    return Duplicates(repeats, kept[repeats])


def _find_table_pairs(
    dataset: Dataset, rows: Int[np.ndarray, " n"], test_rows: Int[np.ndarray, " n_test"]
) -> Int[np.ndarray, "pairs 2"]:
    """Returns pairs of a row and the test row closest to it, if both are nearly equal and that is not common there."""
    flat = dataset.inputs.reshape(len(dataset.inputs), -1)
    if flat.shape[1] < MIN_FEATURES:
        return np.zeros((0, 2), np.int64)
    scaling = _fit_scaling(flat)
    candidates = _search_neighbors(flat, scaling, rows, test_rows)
    distances = _largest_differences(flat, scaling, candidates)
    order = np.lexsort((distances, candidates[:, 0]))
    candidates, distances = candidates[order], distances[order]
    first = np.flatnonzero(np.diff(candidates[:, 0], prepend=-1))
    n_around = np.add.reduceat(distances <= CROWDED * TOLERANCE, first) if first.size else first
    candidates, distances = candidates[first], distances[first]
    near = candidates[(distances <= TOLERANCE) & (n_around < NEIGHBORS)]
    n_wider = np.count_nonzero((distances > TOLERANCE) & (distances <= CROWDED * TOLERANCE))
    # By chance, d-dimensional rows have 8**d times as many neighbours within 8 times the distance; copies do not.
    return near if 4 * len(near) > n_wider else near[:0]


Scaling = tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]]  # median and interquartile range of the columns


def _fit_scaling(flat: np.ndarray) -> Scaling:
    """Returns the median and the spread of every column; a spread of 0 is replaced by the deviation, or by 1."""
    n_rows = min(len(flat), max(MIN_SPREAD_ROWS, VALUES_PER_BLOCK // flat.shape[1]))
    sample = flat[np.sort(make_generator(0, "spread").choice(len(flat), n_rows, replace=False))].astype(np.float64)
    quantile = np.nanquantile if np.isnan(sample).any() else np.quantile  # the former takes a column at a time
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column without values
        low, median, high = quantile(sample, [0.25, 0.5, 0.75], axis=0)
        deviation = np.nanstd(sample, axis=0)
    spread = np.where(high > low, high - low, deviation)
    return np.nan_to_num(median), np.where(spread > 0, spread, 1.0)


def _scale(flat: np.ndarray, scaling: Scaling, rows: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n d"]:
    return np.nan_to_num((flat[rows] - scaling[0]) / scaling[1], nan=MISSING_VALUE)


def _search_neighbors(
    flat: np.ndarray, scaling: Scaling, rows: Int[np.ndarray, " n"], test_rows: Int[np.ndarray, " n_test"]
) -> Int[np.ndarray, "pairs 2"]:
    """Returns pairs of a row and one of the test rows next to it, within the wider tolerance.

    Of many columns, random orthonormal combinations are compared. They shrink a difference of norm r to about
    sqrt(k / d) r, and to more than twice that with probability below 1e-5.
    """
    d = flat.shape[1]
    k = min(d, MAX_DIMENSIONS)
    projection = np.linalg.qr(make_generator(0, "projection").normal(size=(d, k)))[0] if d > k else np.eye(d)

    def project(which: Int[np.ndarray, " m"]) -> Float[np.ndarray, "m k"]:
        step = max(1, VALUES_PER_BLOCK // d)
        blocks = [
            _scale(flat, scaling, which[start : start + step]) @ projection for start in range(0, len(which), step)
        ]
        return np.concatenate(blocks)

    radius = CROWDED * TOLERANCE * (1.0 if d == k else 2 * np.sqrt(k))
    tree = cKDTree(project(test_rows))
    neighbors = min(NEIGHBORS, len(test_rows))
    _, found = tree.query(
        project(rows), k=[*range(1, neighbors + 1)], p=np.inf if d == k else 2, distance_upper_bound=radius, workers=-1
    )
    row, rank = np.nonzero(found < len(test_rows))  # absent neighbours have that number
    return np.stack([rows[row], test_rows[found[row, rank]]], axis=1)


def _largest_differences(
    flat: np.ndarray, scaling: Scaling, pairs: Int[np.ndarray, "pairs 2"]
) -> Float[np.ndarray, " pairs"]:
    """Returns the largest difference in a column of each pair, in interquartile ranges."""
    step = max(1, VALUES_PER_BLOCK // flat.shape[1])
    blocks = (pairs[start : start + step] for start in range(0, len(pairs), step))
    differences = [
        np.abs(_scale(flat, scaling, block[:, 0]) - _scale(flat, scaling, block[:, 1])).max(axis=1) for block in blocks
    ]
    return np.concatenate([*differences, np.zeros(0)])
