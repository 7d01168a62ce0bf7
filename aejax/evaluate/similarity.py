"""Linear CKA, debiased: how alike two representations of the same rows are, whatever their widths.

Kornblith et al. (2019) with the unbiased estimator of HSIC by Song et al. (2007), which is the inner product of
U-centred similarities (Székely and Rizzo 2014, equation 3.2). A representation is reduced to its own of these once, at
unit norm; after that each CKA is one inner product. The plain estimator calls wide features of few rows alike though
they are independent; this one is 0 on average there, and may be below.
"""

import numpy as np
from jaxtyping import Float, Num
from scipy.spatial.distance import squareform

from aejax.evaluate.diagnostics import centred

FEWEST_ROWS = 4  # below which the estimator is not defined


def unit_similarity(features: Num[np.ndarray, "m d"]) -> Float[np.ndarray, " pairs"]:
    """U-centred inner products between the rows of every pair i < j, at unit norm, in float32.

    NaN where they say nothing: fewer than four rows, features that are not finite or that never vary.
    """
    count = len(features)
    rows = np.asarray(features, np.float64)
    if count < FEWEST_ROWS or not np.all(np.isfinite(rows)):
        return np.full(count * (count - 1) // 2, np.nan, np.float32)
    rows = centred(rows)  # changes nothing but the rounding
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


def mean_cka_between(similarities: Float[np.ndarray, "seeds pairs"]) -> float:
    """Mean CKA over all pairs of different seeds of one method; NaN for a single seed."""
    seeds = len(similarities)
    if seeds < 2:
        return float("nan")
    table = similarities @ similarities.T
    return float((table.sum() - np.trace(table)) / (seeds * (seeds - 1)))
