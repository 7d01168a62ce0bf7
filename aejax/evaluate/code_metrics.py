"""What a code looks like: how much of it is used, and by whom."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Scalar

ACTIVE_VARIANCE = 0.01  # of a unit over examples, above which it is active (Burda et al. 2016, 4.2)


def compute_code_metrics(
    train_codes: Float[Array, "n_train latent"], test_codes: Float[Array, "n_test latent"]
) -> dict[str, Scalar]:
    """Use of the code's units.

    Returns:
        `l0`: units that are not zero, mean over test examples; `dead_units`: units that are zero for every training
        example; `active_units`: units whose variance over test examples is above `ACTIVE_VARIANCE`.
    """
    return {
        "l0": jnp.mean(jnp.sum((test_codes != 0).astype(jnp.float32), axis=1)),
        "dead_units": jnp.sum(jnp.all(train_codes == 0, axis=0)).astype(jnp.float32),
        "active_units": jnp.sum(jnp.var(test_codes, axis=0) > ACTIVE_VARIANCE).astype(jnp.float32),
    }


def explained_variance(reconstruction: Float[Array, "n d"], target: Float[Array, "n d"]) -> Scalar:
    """Share of the variance of `target`, around each feature's mean, that `recon` accounts for; 1 at best."""
    residual = jnp.sum(jnp.mean(jnp.square(reconstruction - target), axis=0))
    return 1 - residual / jnp.maximum(jnp.sum(jnp.var(target, axis=0)), 1e-12)
