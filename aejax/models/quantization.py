"""Quantizers: modules that replace the vectors of a code by the nearest of a finite number of entries.

A code of `n * units` numbers is n vectors. Gradients pass straight through: the derivative of a quantized value with
respect to the value is 1.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from aejax.models.autoencoder import Autoencoder

USAGE_DECAY = 0.99  # of the running counts and means of entries (van den Oord et al. 2017, appendix A.1)
DEAD_SHARE = 0.1  # of the mean usage, below which an entry is replaced
INITIAL_SCALE = 0.5  # deviation of entries before training
MAX_DEFAULT_UNITS, MAX_DEFAULT_ENTRIES = 4, 1024
BOUND_MARGIN = 1e-3  # by which values stay away from the border between two levels


class VectorQuantizer(nn.Module):
    """Replaces each vector by the nearest entry of one codebook (van den Oord et al. 2017, equations 1 and 2).

    The codebook is a batch statistic: entries are running means of the vectors nearest to them, which takes the place
    of the codebook loss (appendix A.1). Entries that are hardly used become vectors of the batch (random restarts,
    Dhariwal et al. 2020, section 3.1), at the first step all but those that are used ten times as often as the mean.
    """

    units: int  # of a vector; divides the width of the code
    entries: int

    @nn.compact
    def __call__(self, latents: Float[Array, "batch latent"], *, train: bool) -> Float[Array, "batch latent"]:
        def initial() -> Float[Array, "entries units"]:
            shape = (self.entries, self.units)
            return INITIAL_SCALE * jax.random.normal(self.make_rng("params"), shape, jnp.float32)

        codebook = self.variable("batch_stats", "codebook", initial)
        usage = self.variable("batch_stats", "usage", lambda: jnp.zeros(self.entries, jnp.float32))
        vectors = latents.astype(jnp.float32).reshape(-1, self.units)
        nearest = nearest_entries(vectors, codebook.value)
        quantized = jnp.take(codebook.value, nearest, axis=0).reshape(latents.shape)
        if train and not self.is_initializing():
            fixed = jax.lax.stop_gradient(vectors)
            codebook.value, usage.value = update_codebook(codebook.value, usage.value, fixed, nearest)
        return straight_through(latents, quantized)


def nearest_entries(vectors: Float[Array, "n units"], codebook: Float[Array, "entries units"]) -> Int[Array, " n"]:
    """Returns the index of the entry nearest to each vector; of equally near ones the first."""
    products = jnp.matmul(vectors, codebook.T, precision="highest")
    return jnp.argmin(jnp.sum(jnp.square(codebook), axis=1)[None] - 2 * products, axis=1)


def update_codebook(
    codebook: Float[Array, "entries units"],
    usage: Float[Array, " entries"],
    vectors: Float[Array, "n units"],
    nearest: Int[Array, " n"],
) -> tuple[Float[Array, "entries units"], Float[Array, " entries"]]:
    """Returns the codebook and its usage after a batch.

    Running counts and sums decay by USAGE_DECAY; an entry is the quotient. Entries used less than DEAD_SHARE of what
    equal use would give are replaced by the first vectors of the batch, whose order is random.
    """
    chosen = jax.nn.one_hot(nearest, len(codebook), dtype=jnp.float32)
    counts = USAGE_DECAY * usage + (1 - USAGE_DECAY) * jnp.sum(chosen, axis=0)
    batch_sums = jnp.matmul(chosen.T, vectors, precision="highest")
    sums = USAGE_DECAY * usage[:, None] * codebook + (1 - USAGE_DECAY) * batch_sums
    means = jnp.where(counts[:, None] > 0, sums / jnp.maximum(counts, 1e-30)[:, None], codebook)
    equal_use = len(vectors) / len(codebook)
    dead = counts < DEAD_SHARE * equal_use
    position = jnp.cumsum(dead) - 1  # among the dead
    replaced = dead & (position < len(vectors))
    fresh = jnp.take(vectors, position, axis=0, mode="clip")
    return jnp.where(replaced[:, None], fresh, means), jnp.where(replaced, equal_use, counts)


class FiniteScalarQuantizer(nn.Module):
    """Bounds each unit and rounds it to one of a few levels from -1 to 1 (Mentzer et al. 2023, section 3.1).

    A vector has `prod(levels)` values, an implicit codebook; there is nothing to learn and no loss.
    """

    levels: tuple[int, ...]  # of the units of a vector

    @property
    def units(self) -> int:
        """Units of a vector."""
        return len(self.levels)

    @property
    def entries(self) -> int:
        """Number of values of a vector."""
        return math.prod(self.levels)

    @nn.compact
    def __call__(self, latents: Float[Array, "batch latent"], *, train: bool) -> Float[Array, "batch latent"]:
        levels = np.resize(self.levels, latents.shape[1])
        half, offset, shift = (constant[None] for constant in level_constants(levels))
        bounded = jnp.tanh(latents.astype(jnp.float32) + shift) * half - offset
        return straight_through(bounded, jnp.round(bounded)) / (levels // 2)[None]


def level_constants(
    levels: Int[np.ndarray, " latent"],
) -> tuple[Float[np.ndarray, " latent"], Float[np.ndarray, " latent"], Float[np.ndarray, " latent"]]:
    """Returns half the range, the offset and the shift that the paper's code has for each number of levels."""
    half = ((levels - 1) * (1 - BOUND_MARGIN) / 2).astype(np.float32)
    offset = np.where(levels % 2 == 0, 0.5, 0.0).astype(np.float32)
    return half, offset, np.tan(offset / half)


def straight_through(values: Float[Array, "*shape"], quantized: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns exactly the quantized values, with the derivative 1 with respect to `values`."""
    return jax.lax.stop_gradient(quantized) + (values - jax.lax.stop_gradient(values))


Quantizer = VectorQuantizer | FiniteScalarQuantizer


def quantizer_of(model: Autoencoder | None) -> Quantizer | None:
    """Returns the quantizer of a model's code; None if the code is continuous."""
    quantizer = getattr(getattr(model, "encoder", None), "sparsity", None)
    return quantizer if isinstance(quantizer, VectorQuantizer | FiniteScalarQuantizer) else None
