"""Corruptions of inputs; the reconstruction target stays clean (Vincent et al. 2010, sections 3.3 and 5)."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from aejax.config import ObjectiveConfig
from aejax.models.variational import per_example_keys
from aejax.objectives.objective import ScalarLike


class CorruptedInputs(NamedTuple):
    """Corrupted inputs, and which entries were corrupted."""

    inputs: Float[Array, "batch d"]
    mask: Bool[Array, "batch d"]  # corrupted entries; with Gaussian noise, all


CorruptFn = Callable[[PRNGKeyArray, Float[Array, "batch d"]], CorruptedInputs]


def gaussian_noise(noise_std: ScalarLike) -> CorruptFn:
    """Adds independent Gaussian noise; `noise_std` is its standard deviation in scaled input units."""

    def corrupt(key: PRNGKeyArray, inputs: Float[Array, "batch d"]) -> CorruptedInputs:
        noisy = inputs + noise_std * jax.random.normal(key, inputs.shape, inputs.dtype)
        return CorruptedInputs(noisy, jnp.ones(inputs.shape, bool))

    return corrupt


def masking_noise(share: ScalarLike) -> CorruptFn:
    """Sets each entry to zero with probability `share`."""

    def corrupt(key: PRNGKeyArray, inputs: Float[Array, "batch d"]) -> CorruptedInputs:
        mask = jax.random.bernoulli(key, share, inputs.shape)
        return CorruptedInputs(jnp.where(mask, 0.0, inputs), mask)

    return corrupt


def salt_and_pepper_noise(share: ScalarLike, bounded: bool) -> CorruptFn:
    """Sets each entry to the lowest or the highest value, each with probability `share / 2`.

    Args:
        share: probability that an entry is replaced.
        bounded: the extremes are 0 and 1; otherwise those of each feature in the batch, or, as a feature has one value
            in a batch of one example, those of all features of the example.
    """

    def corrupt(key: PRNGKeyArray, inputs: Float[Array, "batch d"]) -> CorruptedInputs:
        axis = 0 if len(inputs) > 1 else None
        drawn = jax.random.uniform(key, inputs.shape, inputs.dtype)
        lowest = jnp.zeros((1, inputs.shape[1]), inputs.dtype) if bounded else jnp.min(inputs, axis=axis, keepdims=True)
        highest = jnp.ones((1, inputs.shape[1]), inputs.dtype) if bounded else jnp.max(inputs, axis=axis, keepdims=True)
        peppered = jnp.where(drawn < share / 2, lowest, inputs)
        return CorruptedInputs(
            jnp.where(drawn >= 1 - share / 2, highest, peppered), (drawn < share / 2) | (drawn >= 1 - share / 2)
        )

    return corrupt


def make_corruption(config: ObjectiveConfig, bounded: bool) -> CorruptFn:
    """Returns the corruption named by a config; `bounded`: scaled values lie in [0, 1]."""
    corruptions = {
        "gaussian": lambda: gaussian_noise(config.noise_std),
        "masking": lambda: masking_noise(config.noise_share),
        "salt-and-pepper": lambda: salt_and_pepper_noise(config.noise_share, bounded),
    }
    return with_noise_seed(corruptions[config.corruption](), config.noise_seed)


def with_noise_seed(corrupt: CorruptFn, seed: int) -> CorruptFn:
    """Returns the same corruption with independent noise for every `seed`."""
    return lambda key, inputs: corrupt(jax.random.fold_in(key, seed), inputs)


def patch_grid(shape: tuple[int, ...], patch: int) -> tuple[int, ...]:
    """Returns how many patches an image has in each direction, or the number of features of a table as `(d,)`."""
    return (math.ceil(shape[0] / patch), math.ceil(shape[1] / patch)) if len(shape) == 3 else shape


def patch_mask(share: float, shape: tuple[int, ...], patch: int) -> CorruptFn:
    """Sets a fixed share of the parts of each example to zero: square patches of images, features of tables.

    Args:
        share: share of parts to mask, rounded so that at least one is masked and one is not.
        shape: shape of one example: `(height, width, channels)`, or `(d,)`.
        patch: side of a patch in pixels; patches at the right and lower edge may be smaller.

    He et al. (2022) mask patches; Pathak et al. (2016) compute the loss on masked entries only.
    """
    grid = patch_grid(shape, patch)
    n_parts = math.prod(grid)
    n_masked = min(max(round(share * n_parts), 1), n_parts - 1)

    def corrupt(key: PRNGKeyArray, inputs: Float[Array, "batch d"]) -> CorruptedInputs:
        _, chosen = jax.lax.top_k(jax.random.uniform(key, (len(inputs), n_parts)), n_masked)
        rows = jnp.arange(len(inputs))[:, None]
        mask = jnp.zeros((len(inputs), n_parts), bool).at[rows, chosen].set(True)
        if len(shape) == 3:
            pixels = jnp.repeat(jnp.repeat(mask.reshape(-1, *grid), patch, axis=1), patch, axis=2)
            image = pixels[:, : shape[0], : shape[1], None]
            mask = jnp.broadcast_to(image, (len(inputs), *shape)).reshape(inputs.shape)
        return CorruptedInputs(jnp.where(mask, 0.0, inputs), mask)

    return corrupt


def corrupt_per_example(corrupt: CorruptFn, inputs: Float[Array, "batch d"]) -> CorruptedInputs:
    """Corrupts inputs with a key derived from each example, so that evaluation always corrupts it in the same way."""

    def corrupt_one(key: PRNGKeyArray, example: Float[Array, " d"]) -> CorruptedInputs:
        return jax.tree.map(lambda leaf: leaf[0], corrupt(key, example[None]))

    return jax.vmap(corrupt_one)(per_example_keys(inputs, key_use=1), inputs)
