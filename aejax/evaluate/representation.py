"""Metrics of one representation, and the similarity of two.

*Codes*: units that are used, entries of quantized codes, explained variance and recovered directions, compiled by JAX.

*Metrics*: effective and intrinsic dimension, alignment and uniformity, neighbourhood purity. They run on the host, in
NumPy and float64: a few thousand rows need no compilation.

*Debiased linear CKA*: the similarity of two representations of the same rows, whatever their widths. Kornblith et al.
(2019) with the unbiased estimator of HSIC by Song et al. (2007), which is the inner product of U-centred Gram matrices
(Székely and Rizzo 2014, equation 3.2), so with matrices at unit norm each CKA is one inner product. The biased
estimator is large for wide features of few rows even where they are independent; this one is 0 on average there, and
may be negative.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num, Scalar
from scipy.spatial.distance import squareform
from scipy.stats import entropy
from sklearn.preprocessing import StandardScaler, normalize

ACTIVE_VARIANCE = 0.01  # of a unit over examples, above which it is active (Burda et al. 2016, 4.2)
PURITY_NEIGHBORS = 10
MIN_CKA_ROWS = 4  # CKA is not defined for fewer
TWONN_CENSORED_SHARE = 0.1  # of the distance ratios, the largest, which are mostly noise (Facco et al. 2017)


def compute_code_metrics(
    train_codes: Float[Array, "n_train latent"], test_codes: Float[Array, "n_test latent"]
) -> dict[str, Scalar]:
    """Counts the units that a code uses.

    Returns:
        `l0`: units that are not zero, the mean over test examples; `dead_units`: units that are zero for every training
        example; `active_units`: units whose variance over test examples is above `ACTIVE_VARIANCE`.
    """
    return {
        "l0": jnp.mean(jnp.sum((test_codes != 0).astype(jnp.float32), axis=1)),
        "dead_units": jnp.sum(jnp.all(train_codes == 0, axis=0)).astype(jnp.float32),
        "active_units": jnp.sum(jnp.var(test_codes, axis=0) > ACTIVE_VARIANCE).astype(jnp.float32),
    }


def explained_variance(reconstruction: Float[Array, "n d"], target: Float[Array, "n d"]) -> Scalar:
    """Returns the share of the variance of `target` around its mean that `reconstruction` explains; at most 1."""
    residual = jnp.sum(jnp.mean(jnp.square(reconstruction - target), axis=0))
    return 1 - residual / jnp.maximum(jnp.sum(jnp.var(target, axis=0)), 1e-12)


def direction_recovery(atoms: Float[Array, "units d"], directions: Float[Array, "g d"]) -> Scalar:
    """Returns the largest absolute cosine of each direction with an atom, the mean over directions; 1 is perfect.

    The mean maximum cosine similarity of Sharkey et al. (2022), without signs, as a unit may have either. Zero vectors
    have a cosine of 0.
    """
    unit = [
        vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=1, keepdims=True), 1e-12) for vectors in (atoms, directions)
    ]
    cosines = jnp.matmul(unit[1], unit[0].T, precision="highest")
    return jnp.mean(jnp.max(jnp.abs(cosines), axis=1))


def compute_code_usage(codes: Float[Array, "n latent"], units: int) -> dict[str, Scalar]:
    """Describes how a quantized code, vectors of `units` numbers each, uses its entries.

    Returns:
        `entries_used`: different vectors; `perplexity`: the exponential of the entropy of their frequencies, from 1 to
        `entries_used`, which it is if all are equally frequent.
    """
    vectors = codes.reshape(-1, units) + 0.0  # no negative zeros
    ordered = jnp.take(vectors, jnp.lexsort(vectors.T), axis=0)
    is_new = jnp.any(ordered[1:] != ordered[:-1], axis=1)
    entry = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(is_new, dtype=jnp.int32)])
    shares = jax.ops.segment_sum(jnp.ones(len(vectors)), entry, num_segments=len(vectors)) / len(vectors)
    nats = jnp.sum(jax.scipy.special.entr(shares))
    return {"entries_used": entry[-1].astype(jnp.float32) + 1, "perplexity": jnp.exp(nats)}


def effective_rank(features: Float[np.ndarray, "m d"]) -> float:
    """Returns the exponential of the entropy of the centred features' singular values, which are scaled to sum to one.

    Roy and Vetterli (2007), definition 1: from 1 to the rank; d where all directions vary equally. 0 for constant
    features.
    """
    return rankme(center_features(features))


def center_features(features: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m d"]:
    """Subtracts each feature's mean; the result is exactly 0 for a constant feature, whose mean may be rounded."""
    deviations = features - features.mean(axis=0)
    rounding = 1e-12 * np.abs(features).max(axis=0)  # far below the resolution of float32 features
    return np.where(np.abs(deviations).max(axis=0) > rounding, deviations, 0.0)


def rankme(features: Float[np.ndarray, "m d"]) -> float:
    """Returns the effective rank of the uncentred features: RankMe (Garrido et al. 2023), equation 1.

    A mean far from zero is one large singular value, so this is below `effective_rank` there. The paper's 1e-7 inside
    the logarithm is not added.
    """
    singular = _singular_values(features)
    return float(np.exp(entropy(singular))) if singular.any() else 0.0


def _singular_values(features: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " values"]:
    """Returns singular values from the smaller Gram matrix, ten times faster than by SVD."""
    wide = features.shape[0] < features.shape[1]
    squares = np.linalg.eigvalsh(features @ features.T if wide else features.T @ features)
    rounding = len(squares) * np.finfo(np.float64).eps * squares[-1]
    return np.sqrt(np.where(squares > rounding, squares, 0.0))


def intrinsic_dimension(features: Float[np.ndarray, "m d"]) -> float:
    """Estimates the intrinsic dimension at the scale of nearest neighbours: TwoNN (Facco et al. 2017).

    The ratio of the distances to the second and the first neighbour has the density d r^(-d - 1), so its logarithm is
    exponential with rate d. The largest TWONN_CENSORED_SHARE of the ratios are censored at the largest one kept; the
    maximum-likelihood rate is then kept / (sum of kept logarithms + censored * the last of them). Repeated rows count
    once. NaN for fewer than three different rows, and where all ratios are 1.
    """
    distinct = np.unique(features, axis=0)
    if len(distinct) < 3:
        return float("nan")
    first, second = np.partition(_pairwise_squared_distances(center_features(distinct)), 1, axis=1)[:, :2].T
    positive = first > 0  # rows that differ by less than the rounding of their distance are left out
    log_ratios = np.sort(np.log(second[positive] / first[positive])) / 2  # of distances, not of their squares
    kept = len(log_ratios) - int(TWONN_CENSORED_SHARE * len(log_ratios))
    total = log_ratios[:kept].sum() + (len(log_ratios) - kept) * log_ratios[kept - 1 : kept].sum()
    return float(kept / total) if total > 0 else float("nan")


def _pairwise_squared_distances(rows: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m m"]:
    """Returns squared Euclidean distances between rows, by one product; infinite on the diagonal.

    Scikit-learn's neighbour search has an overhead of a tenth of a second per call, for every method and seed.
    """
    norms = np.sum(rows**2, axis=1)
    squared = np.maximum(norms[:, None] + norms[None, :] - 2 * rows @ rows.T, 0.0)
    np.fill_diagonal(squared, np.inf)
    return squared


def alignment(features: Float[np.ndarray, "m d"], labels: Int[np.ndarray, " m"]) -> float:
    """Returns the mean squared distance between rows of the same class, on the unit sphere; 0 at best, at most 4.

    Wang and Isola (2020), equation 2 with alpha = 2, with pairs of a class as the positive pairs. Rows of zeros stay
    zero. NaN where no class has two rows. Closed form: the squared distances between n rows sum to n times their
    squared norms minus the squared norm of their sum.
    """
    sphere = normalize(features)
    total, pairs = 0.0, 0
    for label in np.unique(labels):
        rows = sphere[labels == label]
        total += len(rows) * float(np.sum(rows**2)) - float(np.sum(rows.sum(axis=0) ** 2))
        pairs += len(rows) * (len(rows) - 1) // 2
    return max(total, 0.0) / pairs if pairs else float("nan")


def uniformity(features: Float[np.ndarray, "m d"]) -> float:
    """Returns the logarithm of the mean of exp(-2 * squared distance) over pairs of rows, on the unit sphere.

    Wang and Isola (2020), equation 3 with t = 2: 0 where all rows have the same direction, lower the more evenly they
    are spread. Rows of zeros stay zero. NaN for fewer than two rows.
    """
    count = len(features)
    if count < 2:
        return float("nan")
    kernel = np.exp(-2 * _pairwise_squared_distances(normalize(features)))  # 0 on the diagonal
    return float(np.log(kernel.sum() / (count * (count - 1))))


def knn_purity(features: Float[np.ndarray, "m d"], labels: Int[np.ndarray, " m"]) -> float:
    """Returns the share of each row's PURITY_NEIGHBORS nearest other rows that have its class, the mean over rows.

    Euclidean distance of features standardised over these rows, as for the probe. With fewer rows all others are
    neighbours; NaN for a single row.
    """
    if len(features) < 2:
        return float("nan")
    squared = _pairwise_squared_distances(StandardScaler().fit_transform(features))
    count = min(PURITY_NEIGHBORS, len(features) - 1)
    nearest = np.argpartition(squared, count - 1, axis=1)[:, :count]
    return float(np.mean(labels[nearest] == labels[:, None]))


# Functions of features and labels, in the order of the table.
REPRESENTATION_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "effective_rank": lambda features, labels: effective_rank(features),
    "rankme": lambda features, labels: rankme(features),
    "intrinsic_dimension": lambda features, labels: intrinsic_dimension(features),
    "alignment": alignment,
    "uniformity": lambda features, labels: uniformity(features),
    "knn_purity": knn_purity,
    "dead_units": lambda features, labels: float(np.sum(np.all(features == 0, axis=0))),
    "active_units": lambda features, labels: float(np.sum(np.var(features, axis=0) > ACTIVE_VARIANCE)),
}


def measure_representation(features: Num[np.ndarray, "m d"], labels: Int[np.ndarray, " m"]) -> dict[str, float]:
    """Computes all REPRESENTATION_METRICS for one seed's features; all NaN where a feature is not finite.

    Args:
        features: before the probe standardises them.
        labels: class of each row.
    """
    rows = np.asarray(features, np.float64)
    if not np.all(np.isfinite(rows)):
        return dict.fromkeys(REPRESENTATION_METRICS, float("nan"))
    return {name: metric(rows, labels) for name, metric in REPRESENTATION_METRICS.items()}


def normalized_gram(features: Num[np.ndarray, "m d"]) -> Float[np.ndarray, " pairs"]:
    """Returns the U-centred inner products of all pairs of rows i < j, at unit norm, in float32.

    NaN for fewer than four rows, and for features that are constant or not finite.
    """
    count = len(features)
    rows = np.asarray(features, np.float64)
    if count < MIN_CKA_ROWS or not np.all(np.isfinite(rows)):
        return np.full(count * (count - 1) // 2, np.nan, np.float32)
    rows = center_features(rows)  # no effect but on rounding: U-centring removes the mean
    gram = rows @ rows.T
    np.fill_diagonal(gram, 0.0)
    sums = gram.sum(axis=1) / (count - 2)
    gram -= sums[:, None] + sums[None, :] - gram.sum() / ((count - 1) * (count - 2))
    similarity = squareform(gram, checks=False)  # the pairs i < j: the estimator excludes the diagonal
    norm = np.linalg.norm(similarity)
    return (similarity / norm if norm > 0 else np.full_like(similarity, np.nan)).astype(np.float32)


def cka(one: Float[np.ndarray, " pairs"], other: Float[np.ndarray, " pairs"]) -> float:
    """Returns the debiased linear CKA of two representations from the `normalized_gram` of each; at most 1."""
    return float(np.clip(one @ other, -1.0, 1.0))


def mean_pairwise_cka(features_by_seed: Num[np.ndarray, "seeds m d"]) -> float:
    """Returns the mean CKA over all pairs of different seeds' features of the same rows; NaN for a single seed.

    Summed over pairs the inner products are ||sum_s g_s||^2 - sum_s ||g_s||^2, so one matrix is in memory at a time.
    """
    count = len(features_by_seed)
    if count < 2:
        return float("nan")
    total, squared_norms = np.zeros(1), 0.0
    for features in features_by_seed:
        gram = normalized_gram(features).astype(np.float64)
        total = total + gram
        squared_norms += float(gram @ gram)
    return (float(total @ total) - squared_norms) / (count * (count - 1))


def reduce_width(features: Num[np.ndarray, "m d"]) -> Float[np.ndarray, "m r"]:
    """Returns float32 features of width at most m with the same CKA to any others; NaN if any is not finite."""
    rows, width = features.shape
    if not np.all(np.isfinite(features)):
        return np.full((rows, min(rows, width)), np.nan, np.float32)
    if width > rows:
        features = np.asarray(np.linalg.qr(center_features(np.asarray(features, np.float64)).T, mode="r")).T
    return np.array(features, np.float32)
