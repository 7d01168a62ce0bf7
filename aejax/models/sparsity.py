"""What keeps few of a code's units: for each example, over a batch, or for each unit.

Each is a mask times the code, so the gradient of a unit that is not kept is exactly zero. Ties never keep one too many.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

THRESHOLD_MOMENTUM = 0.99  # of BatchTopK's running threshold


def topk_mask(values: Float[Array, "rows columns"], k: int) -> Bool[Array, "rows columns"]:
    """Where the `k` largest values of each row are; exactly `k`, the first of equals.

    A number that exactly `k` of a row are not below is looked for bit by bit, counting, until every row has one; where
    equals leave no such number it is the k-th largest itself. A partial sort, and the scatter of what it took, would
    be a large part of a training step on CPU.
    """
    keys = _float_order_as_int(jax.lax.stop_gradient(values))

    def missing(search: TopKSearch) -> Bool[Array, ""]:
        return (search.bit >= 0) & jnp.any(search.n_kept > k)

    def narrowed(search: TopKSearch) -> TopKSearch:
        candidate = search.threshold + (jnp.int32(1) << search.bit)
        count = _count(keys >= candidate[:, None])
        enough = count >= k
        return TopKSearch(
            search.bit - 1, jnp.where(enough, candidate, search.threshold), jnp.where(enough, count, search.n_kept)
        )

    rows, columns = keys.shape
    lowest = jnp.full(rows, jnp.iinfo(jnp.int32).min, jnp.int32)
    found = jax.lax.while_loop(missing, narrowed, TopKSearch(jnp.int32(31), lowest, jnp.full(rows, columns, jnp.int32)))
    least = found.threshold[:, None]

    def first() -> Bool[Array, "rows columns"]:
        more, equal = keys > least, keys == least
        wanted = k - _count(more)
        return more | (equal & (jnp.cumsum(equal, axis=1) <= wanted[:, None]))

    return jax.lax.cond(jnp.any(found.n_kept > k), first, lambda: keys >= least)


class TopKSearch(NamedTuple):
    """How far the search for each row's `k` largest has come."""

    bit: Int[Array, ""]  # that is tried next
    threshold: Int[Array, " rows"]  # at least `k` of the row are not below it
    n_kept: Int[Array, " rows"]  # how many these are


def _count(where: Bool[Array, "rows columns"]) -> Int[Array, " rows"]:
    return jnp.sum(where, axis=1, dtype=jnp.int32)


def _float_order_as_int(values: Float[Array, "..."]) -> Int[Array, "..."]:
    """Integers that are ordered as these floating-point numbers are."""
    bits = jax.lax.bitcast_convert_type(values.astype(jnp.float32), jnp.int32)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


class TopK(nn.Module):
    """The `k` largest units of each example are kept (k-sparse autoencoders, Makhzani and Frey 2013)."""

    k: int
    k_encode: int  # in evaluation mode; the paper keeps more there than in training

    @nn.compact
    def __call__(self, latents: Float[Array, "batch latent"], *, train: bool) -> Float[Array, "batch latent"]:
        return latents * topk_mask(latents, self.k if train else self.k_encode)


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
        kept = topk_mask(latents.reshape(1, -1), self.k * latents.shape[0]).reshape(latents.shape)
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
        return latents * topk_mask(latents.T, winners).T
