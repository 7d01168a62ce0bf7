"""A preconditioner for multinomial logistic regression: the Hessian's diagonal blocks, one for each class.

The block of class k is `X' diag(p_k (1 - p_k)) X / n` plus the penalty. On coefficients that sum to zero over classes,
the Hessian is to its blocks as a graph's Laplacian to its degrees: no eigenvalue of the quotient is above 2, few are
small. So conjugate gradients keep their pace where the penalty vanishes and where most examples have no doubt left.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from aejax.probe.features import RowBlocks, make_row_blocks

MIN_SAMPLED_ROWS = 4096  # so many rows are all taken; of more, a quarter, the ones that matter
MAX_BLOCK_ENTRIES = 32_000_000  # entries above which all classes are one group, with the mean block
JITTER = 1e-5  # of each diagonal entry: what float32 needs to factorise

HessianBlocks = Float[Array, "groups p p"]  # without the penalty
InverseFactors = Float[Array, "groups p p"]  # inverses of lower Cholesky factors


def systematic_sample(
    importance: Float[Array, " n"], count: int
) -> tuple[Int[Array, " count"], Float[Array, " count"]]:
    """Rows drawn systematically with probability proportional to importance, and what each then counts for.

    Rows that would be drawn more than once are taken once and count once; for the others the sum over the drawn rows
    has the sum over all as its expectation under a random start (Madow 1949). The start is fixed, so nothing is random.
    """
    share = importance / jnp.maximum(jnp.sum(importance), 1e-30)

    def scaled(_: Int[Array, ""], scale: Float[Array, ""]) -> Float[Array, ""]:
        return scale * count / jnp.maximum(jnp.sum(jnp.minimum(1.0, scale * share)), 1e-30)

    scale = jax.lax.fori_loop(0, 20, scaled, jnp.asarray(float(count)))
    chances = jnp.minimum(1.0, scale * share)
    steps = jnp.cumsum(chances)
    at = (jnp.arange(count) + 0.5) * steps[-1] / count
    rows = jnp.minimum(jnp.searchsorted(steps, at), len(importance) - 1)
    return rows, steps[-1] / (count * jnp.maximum(chances[rows], 1e-30))


def compute_hessian_blocks(
    features: Float[Array, "parts rows p"],
    probabilities: Float[Array, "parts rows classes"],
    row_weights: Float[Array, "parts rows"],
) -> HessianBlocks:
    """The blocks at given probabilities, from the rows that matter to each.

    Features keep their layout in parts: inside a loop XLA would hold a reshaped copy beside them.

    Args:
        features: with a last column of ones for the intercept.
        probabilities: of each class.
        shares: each row's weight in the mean loss.
    """
    (parts, size, p), classes = features.shape, probabilities.shape[2]
    n = parts * size
    count = min(n, max(n // 4, 8 * p, MIN_SAMPLED_ROWS))
    weights = (probabilities * (1.0 - probabilities) * row_weights[:, :, None]).reshape(n, classes).T
    if classes * p * p > MAX_BLOCK_ENTRIES:
        weights = jnp.mean(weights, axis=0, keepdims=True)
    lengths = jnp.sum(jnp.square(features), axis=2).reshape(n)

    def block(own: Float[Array, " n"]) -> Float[Array, "p p"]:
        if count == n:
            weighted = (features * jnp.sqrt(own).reshape(parts, size, 1)).reshape(n, p)
            return weighted.T @ weighted
        importance = own * lengths
        rows, counts = systematic_sample(importance + 1e-9 * jnp.max(importance) + 1e-30, count)

        def add(total: Float[Array, "p p"], some: RowBlocks) -> tuple[Float[Array, "p p"], None]:
            at = rows[some.indices]
            weight = jnp.where(some.is_valid, own[at] * counts[some.indices], 0.0)
            weighted = features[at // size, at % size] * jnp.sqrt(weight)[:, None]
            return total + weighted.T @ weighted, None

        return jax.lax.scan(add, jnp.zeros((p, p)), make_row_blocks(count))[0]

    return jax.lax.map(block, weights)


def factorize(hessian_blocks: HessianBlocks, penalty: Float[Array, " p"]) -> InverseFactors:
    """Factors of the blocks with their penalty; of the diagonal alone where float32 cannot factorise a block."""
    identity = jnp.eye(hessian_blocks.shape[1])

    def factor(block: Float[Array, "p p"]) -> Float[Array, "p p"]:
        diagonal = (1.0 + JITTER) * jnp.diagonal(block) + penalty + 1e-12
        lower = jnp.linalg.cholesky(block + jnp.diag(diagonal - jnp.diagonal(block)))
        inverse = jax.scipy.linalg.solve_triangular(lower, identity, lower=True)
        return jnp.where(jnp.all(jnp.isfinite(inverse)), inverse, jnp.diag(1.0 / jnp.sqrt(diagonal)))

    return jax.lax.map(factor, hessian_blocks)


def center_over_classes(coefficients: Float[Array, "p classes"]) -> Float[Array, "p classes"]:
    """The part that sums to zero over classes: the rest changes no probability."""
    return coefficients - jnp.mean(coefficients, axis=1, keepdims=True)


def apply_preconditioner(factors: InverseFactors, residual: Float[Array, "p classes"]) -> Float[Array, "p classes"]:
    """The blocks' inverse, applied within the coefficients that sum to zero over classes."""
    own = center_over_classes(residual)
    if factors.shape[0] == 1:
        return center_over_classes(factors[0].T @ (factors[0] @ own))
    halfway = jnp.einsum("kij,jk->ki", factors, own)
    return center_over_classes(jnp.einsum("kij,ki->jk", factors, halfway))
