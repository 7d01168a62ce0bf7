"""What keeps few of a code's units: for each example, over a batch, or for each unit.

Each is a mask times the code, so the gradient of a unit that is not kept is exactly zero. The mask is made of the
indices that a partial sort gives, so ties never keep one unit too many.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

THRESHOLD_MOMENTUM = 0.99  # of BatchTopK's running threshold


def largest(values: Float[Array, "rows columns"], k: int) -> Bool[Array, "rows columns"]:
    """Where the `k` largest values of each row are; exactly `k`, the first of equals."""
    _, columns = jax.lax.top_k(jax.lax.stop_gradient(values), k)
    rows = jnp.arange(values.shape[0])[:, None]
    return jnp.zeros(values.shape, bool).at[rows, columns].set(True)


class TopK(nn.Module):
    """The `k` largest units of each example are kept (k-sparse autoencoders, Makhzani and Frey 2013)."""

    k: int
    k_encode: int  # in evaluation mode; the paper keeps more there than in training

    @nn.compact
    def __call__(self, latents: Float[Array, "batch latent"], *, train: bool) -> Float[Array, "batch latent"]:
        return latents * largest(latents, self.k if train else self.k_encode)


class BatchTopK(nn.Module):
    """The `k * batch` largest activities of a batch are kept, so examples may differ in theirs (Bussmann et al. 2024).

    In evaluation mode an example cannot look at others: kept is what exceeds a threshold, the running mean of the
    smallest activity kept in training. Before any training it is zero.
    """

    k: int  # mean number of units kept for an example; activities must not be negative

    @nn.compact
    def __call__(self, latents: Float[Array, "batch latent"], *, train: bool) -> Float[Array, "batch latent"]:
        unset = -1.0
        threshold = self.variable("batch_stats", "threshold", lambda: jnp.full((), unset))
        if not train:
            return latents * (latents > jnp.maximum(threshold.value, 0.0))
        kept = largest(latents.reshape(1, -1), self.k * latents.shape[0]).reshape(latents.shape)
        if not self.is_initializing():
            smallest = jnp.min(jnp.where(kept, jax.lax.stop_gradient(latents), jnp.inf))
            running = THRESHOLD_MOMENTUM * threshold.value + (1 - THRESHOLD_MOMENTUM) * smallest
            threshold.value = jnp.where(threshold.value == unset, smallest, running)
        return latents * kept


class LifetimeTopK(nn.Module):
    """Of each unit, the largest activities over a batch are kept (winner-take-all, Makhzani and Frey 2015).

    Every unit wins somewhere, so none dies. In evaluation mode nothing is removed, as in the paper.
    """

    share: float  # of the batch in which a unit is kept; at least one example

    @nn.compact
    def __call__(self, latents: Float[Array, "batch latent"], *, train: bool) -> Float[Array, "batch latent"]:
        if not train:
            return latents
        winners = max(1, round(self.share * latents.shape[0]))
        return latents * largest(latents.T, winners).T
