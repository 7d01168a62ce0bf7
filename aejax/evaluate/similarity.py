"""Linear CKA, debiased: how alike two representations of the same rows are, whatever their widths.

Kornblith et al. (2019) with the unbiased estimator of HSIC by Song et al. (2007), which is the inner product of
U-centred similarities (Székely and Rizzo 2014, equation 3.2). Between representations that are reduced to their own of
these, at unit norm, each CKA is one inner product. The plain estimator calls wide features of few rows alike though
they are independent; this one is 0 on average there, and may be below.
"""

import numpy as np
from jaxtyping import Float, Num
from scipy.spatial.distance import squareform

from aejax.evaluate.representation import center_features

MIN_ROWS = 4  # below which the estimator is not defined


def normalized_gram(features: Num[np.ndarray, "m d"]) -> Float[np.ndarray, " pairs"]:
    """U-centred inner products between the rows of every pair i < j, at unit norm, in float32.

    NaN where they say nothing: fewer than four rows, features that are not finite or that never vary.
    """
    count = len(features)
    rows = np.asarray(features, np.float64)
    if count < MIN_ROWS or not np.all(np.isfinite(rows)):
        return np.full(count * (count - 1) // 2, np.nan, np.float32)
    rows = center_features(rows)  # changes nothing but the rounding
    gram = rows @ rows.T
    np.fill_diagonal(gram, 0.0)
    sums = gram.sum(axis=1) / (count - 2)
    gram -= sums[:, None] + sums[None, :] - gram.sum() / ((count - 1) * (count - 2))
    similarity = squareform(gram, checks=False)  # the pairs i < j: the estimator leaves the diagonal out
    norm = np.linalg.norm(similarity)
    return (similarity / norm if norm > 0 else np.full_like(similarity, np.nan)).astype(np.float32)


def cka(one: Float[np.ndarray, " pairs"], other: Float[np.ndarray, " pairs"]) -> float:
    """Debiased linear CKA of two representations, from the `unit_similarity` of each over the same rows; at most 1."""
    return float(np.clip(one @ other, -1.0, 1.0))


def mean_pairwise_cka(features_by_seed: Num[np.ndarray, "seeds m d"]) -> float:
    """Mean CKA over all pairs of different seeds' features of the same rows; NaN for a single seed.

    The inner products of all pairs are what the squared norm of the similarities' sum has beyond their own, so that no
    more than one of them is held.
    """
    count = len(features_by_seed)
    if count < 2:
        return float("nan")
    total, own = np.zeros(0), 0.0
    for features in features_by_seed:
        similarity = normalized_gram(features).astype(np.float64)
        total = total + similarity if total.size else similarity
        own += float(similarity @ similarity)
    return (float(total @ total) - own) / (count * (count - 1))


def reduce_width(features: Num[np.ndarray, "m d"]) -> Float[np.ndarray, "m r"]:
    """Features with the same CKA with any others, at most as many as rows, in float32; NaN if some are not finite."""
    rows, width = features.shape
    if not np.all(np.isfinite(features)):
        return np.full((rows, min(rows, width)), np.nan, np.float32)
    if width > rows:
        features = np.asarray(np.linalg.qr(center_features(np.asarray(features, np.float64)).T, mode="r")).T
    return np.array(features, np.float32)
