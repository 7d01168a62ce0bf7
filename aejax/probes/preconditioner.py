"""A block-diagonal preconditioner for multinomial logistic regression: the Hessian's diagonal block of each class.

The block of class k is `X' diag(p_k (1 - p_k)) X / n` plus the penalty. On coefficients that sum to zero over classes,
the Hessian relates to its blocks as a graph's Laplacian to its degrees: no eigenvalue of the preconditioned Hessian is
above 2, and few are small. So conjugate gradients stay fast for small penalties and for confident predictions.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from aejax.probes.features import RowBlocks, make_row_blocks

MIN_SAMPLED_ROWS = 4096  # up to here all rows are used; of more rows a quarter, by importance
MAX_BLOCK_ENTRIES = 32_000_000  # above which all classes share the mean block
JITTER = 1e-5  # relative to each diagonal entry, for a Cholesky factorisation in float32

HessianBlocks = Float[Array, "groups p p"]  # without the penalty
InverseFactors = Float[Array, "groups p p"]  # inverses of lower Cholesky factors


def systematic_sample(
    importance: Float[Array, " n"], count: int
) -> tuple[Int[Array, " count"], Float[Array, " count"]]:
    """Samples rows systematically with probability proportional to importance; returns rows and their weights.

    Rows whose probability would exceed 1 are sampled once with weight 1; for the others the weighted sum over the
    sample is unbiased under a random start (Madow 1949). The start is fixed, so the sample is deterministic.
    """
    share = importance / jnp.maximum(jnp.sum(importance), 1e-30)

    def rescale(_: Int[Array, ""], scale: Float[Array, ""]) -> Float[Array, ""]:
        return scale * count / jnp.maximum(jnp.sum(jnp.minimum(1.0, scale * share)), 1e-30)

    scale = jax.lax.fori_loop(0, 20, rescale, jnp.asarray(float(count)))
    probabilities = jnp.minimum(1.0, scale * share)
    cumulative = jnp.cumsum(probabilities)
    points = (jnp.arange(count) + 0.5) * cumulative[-1] / count
    rows = jnp.minimum(jnp.searchsorted(cumulative, points), len(importance) - 1)
    return rows, cumulative[-1] / (count * jnp.maximum(probabilities[rows], 1e-30))


def compute_hessian_blocks(
    features: Float[Array, "parts rows p"],
    probabilities: Float[Array, "parts rows classes"],
    row_weights: Float[Array, "parts rows"],
) -> HessianBlocks:
    """Computes the blocks at given probabilities, each from the most important rows.

    Features are indexed in their layout in parts: inside a loop XLA would keep a reshaped copy as well.

    Args:
        features: with a last column of ones for the intercept.
        probabilities: of each class.
        row_weights: of each row in the mean loss.
    """
    (parts, size, p), classes = features.shape, probabilities.shape[2]
    n = parts * size
    count = min(n, max(n // 4, 8 * p, MIN_SAMPLED_ROWS))
    weights = (probabilities * (1.0 - probabilities) * row_weights[:, :, None]).reshape(n, classes).T
    if classes * p * p > MAX_BLOCK_ENTRIES:
        weights = jnp.mean(weights, axis=0, keepdims=True)
    squared_norms = jnp.sum(jnp.square(features), axis=2).reshape(n)

    def block(class_weights: Float[Array, " n"]) -> Float[Array, "p p"]:
        if count == n:
            weighted = (features * jnp.sqrt(class_weights).reshape(parts, size, 1)).reshape(n, p)
            return weighted.T @ weighted
        importance = class_weights * squared_norms
        rows, sample_weights = systematic_sample(importance + 1e-9 * jnp.max(importance) + 1e-30, count)

        def add(total: Float[Array, "p p"], sampled: RowBlocks) -> tuple[Float[Array, "p p"], None]:
            at = rows[sampled.indices]
            weight = jnp.where(sampled.is_valid, class_weights[at] * sample_weights[sampled.indices], 0.0)
            weighted = features[at // size, at % size] * jnp.sqrt(weight)[:, None]
            return total + weighted.T @ weighted, None

        return jax.lax.scan(add, jnp.zeros((p, p)), make_row_blocks(count))[0]

    return jax.lax.map(block, weights)


def factorize(hessian_blocks: HessianBlocks, penalty: Float[Array, " p"]) -> InverseFactors:
    """Factorises blocks plus penalty; of a block that float32 cannot factorise, only the diagonal."""
    identity = jnp.eye(hessian_blocks.shape[1])

    def factor(block: Float[Array, "p p"]) -> Float[Array, "p p"]:
        diagonal = (1.0 + JITTER) * jnp.diagonal(block) + penalty + 1e-12
        lower = jnp.linalg.cholesky(block + jnp.diag(diagonal - jnp.diagonal(block)))
        inverse = jax.scipy.linalg.solve_triangular(lower, identity, lower=True)
        return jnp.where(jnp.all(jnp.isfinite(inverse)), inverse, jnp.diag(1.0 / jnp.sqrt(diagonal)))

    return jax.lax.map(factor, hessian_blocks)


def center_over_classes(coefficients: Float[Array, "p classes"]) -> Float[Array, "p classes"]:
    """Subtracts the mean over classes, which changes no probability."""
    return coefficients - jnp.mean(coefficients, axis=1, keepdims=True)


def apply_preconditioner(factors: InverseFactors, residual: Float[Array, "p classes"]) -> Float[Array, "p classes"]:
    """Applies the blocks' inverse, restricted to coefficients that sum to zero over classes."""
    centered = center_over_classes(residual)
    if factors.shape[0] == 1:
        return center_over_classes(factors[0].T @ (factors[0] @ centered))
    half = jnp.einsum("kij,jk->ki", factors, centered)
    return center_over_classes(jnp.einsum("kij,ki->jk", factors, half))
