"""Diagnostics of one representation: how many directions it uses, how it is spread, how its classes lie.

They describe features and judge nothing. NumPy on the host in float64: a few thousand rows need no compilation.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int, Num
from scipy.stats import entropy
from sklearn.preprocessing import StandardScaler, normalize

from aejax.evaluate.code_metrics import ACTIVE_VARIANCE

PURITY_NEIGHBORS = 10  # whose classes are compared
TWONN_CENSORED_SHARE = (
    0.1  # share of the largest distance ratios that say nothing of a dimension but noise (Facco et al. 2017)
)


def effective_rank(features: Float[np.ndarray, "m d"]) -> float:
    """Exponential of the entropy, in nats, of the centred features' singular values, which are scaled to sum to one.

    Roy and Vetterli (2007), definition 1: from 1 to the rank; d where all directions vary equally. 0 where nothing
    varies.
    """
    return rankme(center_features(features))


def center_features(features: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m d"]:
    """Deviations from each feature's mean; exactly 0 for a feature that never varies, whose mean may be rounded."""
    deviations = features - features.mean(axis=0)
    rounding = 1e-12 * np.abs(features).max(axis=0)  # far below the resolution of float32, in which features come
    return np.where(np.abs(deviations).max(axis=0) > rounding, deviations, 0.0)


def rankme(features: Float[np.ndarray, "m d"]) -> float:
    """The same of the features as they are, not centred: RankMe (Garrido et al. 2023), equation 1.

    A mean far from zero is one large singular value, so that this is below `effective_rank` there. The paper's 1e-7,
    which guards its logarithm, is not added.
    """
    singular = _singular_values(features)
    return float(np.exp(entropy(singular))) if singular.any() else 0.0


def _singular_values(features: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " values"]:
    """From the smaller product of the features with themselves, ten times faster than their SVD."""
    wide = features.shape[0] < features.shape[1]
    squares = np.linalg.eigvalsh(features @ features.T if wide else features.T @ features)
    rounding = len(squares) * np.finfo(np.float64).eps * squares[-1]
    return np.sqrt(np.where(squares > rounding, squares, 0.0))


def intrinsic_dimension(features: Float[np.ndarray, "m d"]) -> float:
    """TwoNN (Facco et al. 2017): the dimension at the scale of nearest neighbours, by Euclidean distance.

    The ratio of the distances to the second and the first neighbour has the density d r^(-d - 1), so its logarithm is
    exponential with rate d. Of n ratios the `DROPPED` largest are taken only as being at least the largest one kept:
    the maximum-likelihood rate under such censoring, kept / (sum of kept logarithms + dropped * the last of them).
    Repeated rows count once. NaN where the distances say nothing: fewer than three different rows, or all ratios 1.
    """
    distinct = np.unique(features, axis=0)
    if len(distinct) < 3:
        return float("nan")
    first, second = np.partition(_pairwise_squared_distances(center_features(distinct)), 1, axis=1)[:, :2].T
    apart = first > 0  # of rows that differ by less than the rounding of their distance nothing can be said
    log_ratios = np.sort(np.log(second[apart] / first[apart])) / 2  # of distances, not of their squares
    kept = len(log_ratios) - int(TWONN_CENSORED_SHARE * len(log_ratios))
    total = log_ratios[:kept].sum() + (len(log_ratios) - kept) * log_ratios[kept - 1 : kept].sum()
    return float(kept / total) if total > 0 else float("nan")


def _pairwise_squared_distances(rows: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m m"]:
    """Squared Euclidean distances between rows, by one product; infinite from each to itself, which is no neighbour.

    Scikit-learn's neighbours take a tenth of a second before they begin, for every method and seed.
    """
    norms = np.sum(rows**2, axis=1)
    squared = np.maximum(norms[:, None] + norms[None, :] - 2 * rows @ rows.T, 0.0)
    np.fill_diagonal(squared, np.inf)
    return squared


def alignment(features: Float[np.ndarray, "m d"], labels: Int[np.ndarray, " m"]) -> float:
    """Mean squared distance between two rows of the same class, of features on the unit sphere; 0 at best, at most 4.

    Wang and Isola (2020), equation 2 with alpha = 2, for pairs of a class in place of two views of an example. Rows of
    zeros stay in the centre. NaN where no class has two rows. In closed form: the squared distances between n rows sum
    to n times their squared norms less the squared norm of their sum.
    """
    sphere = normalize(features)
    total, pairs = 0.0, 0
    for label in np.unique(labels):
        own = sphere[labels == label]
        total += len(own) * float(np.sum(own**2)) - float(np.sum(own.sum(axis=0) ** 2))
        pairs += len(own) * (len(own) - 1) // 2
    return max(total, 0.0) / pairs if pairs else float("nan")


def uniformity(features: Float[np.ndarray, "m d"]) -> float:
    """Logarithm of the mean of exp(-2 * squared distance) over pairs of rows, of features on the unit sphere.

    Wang and Isola (2020), equation 3 with t = 2: 0 where all rows point the same way, lower the more evenly they are
    spread. Rows of zeros stay in the centre. NaN of fewer than two rows.
    """
    count = len(features)
    if count < 2:
        return float("nan")
    similar = np.exp(-2 * _pairwise_squared_distances(normalize(features)))  # 0 of a row and itself
    return float(np.log(similar.sum() / (count * (count - 1))))


def knn_purity(features: Float[np.ndarray, "m d"], labels: Int[np.ndarray, " m"]) -> float:
    """Share of each row's `NEIGHBOURS` nearest other rows that have its class, mean over rows.

    Euclidean distance of features standardised over these rows, which is how the probe sees them. With fewer rows all
    others are neighbours; NaN of a single row.
    """
    if len(features) < 2:
        return float("nan")
    squared, count = (
        _pairwise_squared_distances(StandardScaler().fit_transform(features)),
        min(PURITY_NEIGHBORS, len(features) - 1),
    )
    nearest = np.argpartition(squared, count - 1, axis=1)[:, :count]
    return float(np.mean(labels[nearest] == labels[:, None]))


def count_dead_units(features: Float[np.ndarray, "m d"]) -> float:
    """Units that are zero for every row."""
    return float(np.sum(np.all(features == 0, axis=0)))


def count_active_units(features: Float[np.ndarray, "m d"]) -> float:
    """Units whose variance over the rows is above `ACTIVE_VARIANCE`."""
    return float(np.sum(np.var(features, axis=0) > ACTIVE_VARIANCE))


# What is said of every method, in the order of the table: functions of features and labels.
REPRESENTATION_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "effective_rank": lambda features, labels: effective_rank(features),
    "rankme": lambda features, labels: rankme(features),
    "intrinsic_dimension": lambda features, labels: intrinsic_dimension(features),
    "alignment": alignment,
    "uniformity": lambda features, labels: uniformity(features),
    "knn_purity": knn_purity,
    "dead_units": lambda features, labels: count_dead_units(features),
    "active_units": lambda features, labels: count_active_units(features),
}


def measure_representation(features: Num[np.ndarray, "m d"], labels: Int[np.ndarray, " m"]) -> dict[str, float]:
    """Every one of `DIAGNOSTICS` for one seed's features; all NaN where a feature is not finite.

    Args:
        features: of m rows, as they are before the probe standardises them.
        labels: class of each row.
    """
    rows = np.asarray(features, np.float64)
    if not np.all(np.isfinite(rows)):
        return dict.fromkeys(REPRESENTATION_METRICS, float("nan"))
    return {name: measure(rows, labels) for name, measure in REPRESENTATION_METRICS.items()}
