"""What a code is charged for, per example."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

Penalty = Callable[[Float[Array, "batch latent"]], Float[Array, " batch"]]


def l1_activity(weight: float) -> Penalty:
    """`weight * sum_j |z_j|`: a Laplace prior on the code, which draws units to zero."""
    return lambda latents: weight * jnp.sum(jnp.abs(latents), axis=1)
