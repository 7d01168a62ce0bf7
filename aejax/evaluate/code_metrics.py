"""Measures of codes and reconstructions: active units, sparsity and explained variance."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Scalar

ACTIVE_VARIANCE = 0.01  # of a unit over examples, above which it is active (Burda et al. 2016, 4.2)


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
    entropy = jnp.sum(jax.scipy.special.entr(shares))
    return {"entries_used": entry[-1].astype(jnp.float32) + 1, "perplexity": jnp.exp(entropy)}
