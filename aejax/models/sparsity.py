"""Sparsity modules: they keep the largest units of each example or batch, the largest examples of each unit, or what is
above a learned threshold.

Each multiplies the code by a mask, so the gradient of a unit that is not kept is exactly zero. Ties are broken by
position, so that no mask keeps more than its number of units.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

THRESHOLD_MOMENTUM = 0.99  # of BatchTopK's running threshold
INITIAL_THRESHOLD = 0.1  # of JumpReLU


def topk_mask(values: Float[Array, "rows columns"], k: int | Int[Array, ""]) -> Bool[Array, "rows columns"]:
    """Returns a mask of the `k` largest values of each row: exactly `k`, of equal values the first.

    A binary search over the bits of a threshold counts the values at or above it, until exactly `k` of every row are,
    or the threshold is the k-th largest value. A partial sort and a scatter of its result would take a large part of a
    training step on CPU.
    """
    keys = _float_order_as_int(jax.lax.stop_gradient(values))

    def unfinished(search: TopKSearch) -> Bool[Array, ""]:
        return (search.bit >= 0) & jnp.any(search.n_kept > k)

    def test_next_bit(search: TopKSearch) -> TopKSearch:
        candidate = search.threshold + (jnp.int32(1) << search.bit)
        count = _count(keys >= candidate[:, None])
        enough = count >= k
        return TopKSearch(
            search.bit - 1, jnp.where(enough, candidate, search.threshold), jnp.where(enough, count, search.n_kept)
        )

    rows, columns = keys.shape
    lowest = jnp.full(rows, jnp.iinfo(jnp.int32).min, jnp.int32)
    start = TopKSearch(jnp.int32(31), lowest, jnp.full(rows, columns, jnp.int32))
    search = jax.lax.while_loop(unfinished, test_next_bit, start)
    threshold = search.threshold[:, None]

    def break_ties() -> Bool[Array, "rows columns"]:
        above, equal = keys > threshold, keys == threshold
        remaining = k - _count(above)
        return above | (equal & (jnp.cumsum(equal, axis=1) <= remaining[:, None]))

    return jax.lax.cond(jnp.any(search.n_kept > k), break_ties, lambda: keys >= threshold)


class TopKSearch(NamedTuple):
    """State of the binary search for each row's `k` largest values."""

    bit: Int[Array, ""]  # the bit to test next
    threshold: Int[Array, " rows"]  # at least `k` values of the row are at or above it
    n_kept: Int[Array, " rows"]  # number of values at or above it


def _count(where: Bool[Array, "rows columns"]) -> Int[Array, " rows"]:
    return jnp.sum(where, axis=1, dtype=jnp.int32)


def _float_order_as_int(values: Float[Array, "..."]) -> Int[Array, "..."]:
    """Returns integers in the same order as these floating-point numbers."""
    bits = jax.lax.bitcast_convert_type(values.astype(jnp.float32), jnp.int32)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


class TopK(nn.Module):
    """The `k` largest units of each example are kept (k-sparse autoencoders, Makhzani and Frey 2013).

    With `decay_steps`, the number falls linearly from `k_start` at the first step of training: units that would die if
    few were kept from the start can learn something first (section 2.2). The step count is a batch statistic.
    """

    k: int
    k_encode: int  # in evaluation mode; the paper keeps more there than in training
    k_start: int = 0  # with `decay_steps` only
    decay_steps: int = 0  # 0: `k` from the first step, and no step count

    @nn.compact
    def __call__(self, latents: Float[Array, "batch latent"], *, train: bool) -> Float[Array, "batch latent"]:
        if not self.decay_steps:
            return latents * topk_mask(latents, self.k if train else self.k_encode)
        step = self.variable("batch_stats", "step", lambda: jnp.zeros((), jnp.float32))
        if not train:
            return latents * topk_mask(latents, self.k_encode)
        remaining = jnp.maximum(0.0, 1.0 - step.value / self.decay_steps)
        k = self.k + jnp.round(remaining * (self.k_start - self.k)).astype(jnp.int32)
        if not self.is_initializing():
            step.value += 1.0
        return latents * topk_mask(latents, k)


class BatchTopK(nn.Module):
    """The `k * batch` largest activities of a batch are kept, so examples may differ in theirs (Bussmann et al. 2024).

    In evaluation mode examples are independent: units above a threshold are kept, the running mean of the smallest
    activity kept in training. Before any training it is zero.
    """

    k: int  # mean number of units kept for an example; activities must not be negative

    @nn.compact
    def __call__(self, latents: Float[Array, "batch latent"], *, train: bool) -> Float[Array, "batch latent"]:
        unset = -1.0  # before the first batch of training
        threshold = self.variable("batch_stats", "threshold", lambda: jnp.full((), unset, jnp.float32))
        if not train:
            return latents * (latents > jnp.maximum(threshold.value, 0.0))
        kept = topk_mask(latents.reshape(1, -1), self.k * latents.shape[0]).reshape(latents.shape)
        if not self.is_initializing():
            smallest = jnp.min(jnp.where(kept, jax.lax.stop_gradient(latents), jnp.inf))
            running = THRESHOLD_MOMENTUM * threshold.value + (1 - THRESHOLD_MOMENTUM) * smallest
            threshold.value = jnp.where(threshold.value == unset, smallest, running)
        return latents * kept


class LifetimeTopK(nn.Module):
    """The largest activities of each unit over a batch are kept (winner-take-all, Makhzani and Frey 2015).

    Every unit is active for some example, so none dies. In evaluation mode nothing is removed, as in the paper.
    """

    share: float  # of the batch in which a unit is kept; at least one example

    @nn.compact
    def __call__(self, latents: Float[Array, "batch latent"], *, train: bool) -> Float[Array, "batch latent"]:
        if not train:
            return latents
        n_kept = max(1, round(self.share * latents.shape[0]))
        return latents * topk_mask(latents.T, n_kept).T


def step_above(
    values: Float[Array, "batch latent"], threshold: Float[Array, " latent"], bandwidth: float
) -> Float[Array, "batch latent"]:
    """Returns 1 where a value is above its unit's threshold t, else 0, with a pseudo-derivative with respect to t.

    That is `-K((z - t) / bandwidth) / bandwidth` with the kernel K = 1 on (-1/2, 1/2), so that the mean over a batch
    estimates the derivative of the expected step (Rajamanoharan et al. 2024b, section 4). With respect to the values
    it is 0.
    """
    change = threshold - jax.lax.stop_gradient(threshold)  # 0, with the derivative 1
    return (values > threshold[None]) - _window(values, threshold, bandwidth) * change[None]


def jump_relu(
    values: Float[Array, "batch latent"], threshold: Float[Array, " latent"], bandwidth: float
) -> Float[Array, "batch latent"]:
    """Returns the values that are above their unit's threshold t, and 0 for others, with a pseudo-derivative for t.

    That is `-t K((z - t) / bandwidth) / bandwidth` (Rajamanoharan et al. 2024b, section 4).
    """
    fixed = jax.lax.stop_gradient(threshold)
    slope = fixed[None] * _window(values, threshold, bandwidth)
    return values * (values > fixed[None]) - slope * (threshold - fixed)[None]


def _window(
    values: Float[Array, "batch latent"], threshold: Float[Array, " latent"], bandwidth: float
) -> Float[Array, "batch latent"]:
    distance = jax.lax.stop_gradient(values - threshold[None])
    return (jnp.abs(distance) < bandwidth / 2) / bandwidth


class JumpReLU(nn.Module):
    """Units above a threshold of their own, which is positive and learned, are kept (Rajamanoharan et al. 2024b)."""

    bandwidth: float  # of the kernel by which thresholds get a gradient, in the unit of the pre-activations

    @nn.compact
    def __call__(self, latents: Float[Array, "batch latent"], *, train: bool) -> Float[Array, "batch latent"]:
        start = nn.initializers.constant(np.log(INITIAL_THRESHOLD))
        log_threshold = self.param("log_threshold", start, latents.shape[1:], jnp.float32)
        return jump_relu(latents, jnp.exp(log_threshold), self.bandwidth)
