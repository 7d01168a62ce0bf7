"""Debiased linear CKA: the similarity of two representations of the same rows, whatever their widths.

Kornblith et al. (2019) with the unbiased estimator of HSIC by Song et al. (2007), which is the inner product of
U-centred Gram matrices (Székely and Rizzo 2014, equation 3.2), so with matrices at unit norm each CKA is one inner
product. The biased estimator is large for wide features of few rows even where they are independent; this one is 0 on
average there, and may be negative.
"""

import numpy as np
from jaxtyping import Float, Num
from scipy.spatial.distance import squareform

from aejax.evaluate.representation import center_features

MIN_ROWS = 4  # the estimator is not defined for fewer


def normalized_gram(features: Num[np.ndarray, "m d"]) -> Float[np.ndarray, " pairs"]:
    """Returns the U-centred inner products of all pairs of rows i < j, at unit norm, in float32.

    NaN for fewer than four rows, and for features that are constant or not finite.
    """
    count = len(features)
    rows = np.asarray(features, np.float64)
    if count < MIN_ROWS or not np.all(np.isfinite(rows)):
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
