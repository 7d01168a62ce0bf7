"""What is done to inputs before they are encoded; the target stays clean (Vincent et al. 2010, sections 3.3 and 5)."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from aejax.config import ObjectiveConfig
from aejax.models.variational import per_example_keys
from aejax.objectives.objective import ScalarLike


class CorruptedInputs(NamedTuple):
    """Inputs after a corruption, and where it fell."""

    inputs: Float[Array, "batch d"]
    mask: Bool[Array, "batch d"]  # the entries that were replaced; Gaussian noise touches all


CorruptFn = Callable[[PRNGKeyArray, Float[Array, "batch d"]], CorruptedInputs]


def gaussian_noise(noise_std: ScalarLike) -> CorruptFn:
    """Independent Gaussian noise of this standard deviation is added, in scaled input units."""

    def corrupt(key: PRNGKeyArray, inputs: Float[Array, "batch d"]) -> CorruptedInputs:
        noisy = inputs + noise_std * jax.random.normal(key, inputs.shape)
        return CorruptedInputs(noisy, jnp.ones(inputs.shape, bool))

    return corrupt


def masking_noise(share: ScalarLike) -> CorruptFn:
    """Each entry becomes zero with this probability."""

    def corrupt(key: PRNGKeyArray, inputs: Float[Array, "batch d"]) -> CorruptedInputs:
        touched = jax.random.bernoulli(key, share, inputs.shape)
        return CorruptedInputs(jnp.where(touched, 0.0, inputs), touched)

    return corrupt


def salt_and_pepper_noise(share: ScalarLike, bounded: bool) -> CorruptFn:
    """Each entry becomes the lowest or the highest value, half and half, with this probability.

    Args:
        share: that probability.
        bounded: these values are 0 and 1; otherwise each feature's extremes in the batch.
    """

    def corrupt(key: PRNGKeyArray, inputs: Float[Array, "batch d"]) -> CorruptedInputs:
        drawn = jax.random.uniform(key, inputs.shape)
        lowest = jnp.zeros((1, inputs.shape[1])) if bounded else jnp.min(inputs, axis=0, keepdims=True)
        highest = jnp.ones((1, inputs.shape[1])) if bounded else jnp.max(inputs, axis=0, keepdims=True)
        peppered = jnp.where(drawn < share / 2, lowest, inputs)
        return CorruptedInputs(
            jnp.where(drawn >= 1 - share / 2, highest, peppered), (drawn < share / 2) | (drawn >= 1 - share / 2)
        )

    return corrupt


def make_corruption(config: ObjectiveConfig, bounded: bool) -> CorruptFn:
    """The corruption that a config names; `bounded`: scaled values lie in [0, 1]."""
    corruptions = {
        "gaussian": lambda: gaussian_noise(config.noise_std),
        "masking": lambda: masking_noise(config.noise_share),
        "salt-and-pepper": lambda: salt_and_pepper_noise(config.noise_share, bounded),
    }
    return with_noise_seed(corruptions[config.corruption](), config.noise_seed)


def with_noise_seed(corrupt: CorruptFn, seed: int) -> CorruptFn:
    """Another draw of the same corruption for every seed."""
    return lambda key, inputs: corrupt(jax.random.fold_in(key, seed), inputs)


def patch_mask(share: float, shape: tuple[int, ...], patch: int) -> CorruptFn:
    """Exactly a share of an example's parts becomes zero: square patches of an image, features of a table.

    Args:
        share: of the parts; rounded so that at least one is hidden and one is not.
        shape: of one example: `(height, width, channels)`, or `(d,)`.
        patch: side of a patch in pixels; those at the right and lower edge may be smaller.

    He et al. (2022) hide patches; Pathak et al. (2016) score only what was hidden.
    """
    grid = (-(-shape[0] // patch), -(-shape[1] // patch)) if len(shape) == 3 else shape
    parts = 1
    for side in grid:
        parts *= side
    hidden = min(max(round(share * parts), 1), parts - 1)

    def corrupt(key: PRNGKeyArray, inputs: Float[Array, "batch d"]) -> CorruptedInputs:
        _, chosen = jax.lax.top_k(jax.random.uniform(key, (len(inputs), parts)), hidden)
        rows = jnp.arange(len(inputs))[:, None]
        touched = jnp.zeros((len(inputs), parts), bool).at[rows, chosen].set(True)
        if len(shape) == 3:
            pixels = jnp.repeat(jnp.repeat(touched.reshape(-1, *grid), patch, axis=1), patch, axis=2)
            image = pixels[:, : shape[0], : shape[1], None]
            touched = jnp.broadcast_to(image, (len(inputs), *shape)).reshape(inputs.shape)
        return CorruptedInputs(jnp.where(touched, 0.0, inputs), touched)

    return corrupt


def corrupt_per_example(corrupt: CorruptFn, inputs: Float[Array, "batch d"]) -> CorruptedInputs:
    """A corruption by keys that depend on the examples alone, for evaluation: the same example, the same corruption."""

    def of_one(key: PRNGKeyArray, example: Float[Array, " d"]) -> CorruptedInputs:
        return jax.tree.map(lambda leaf: leaf[0], corrupt(key, example[None]))

    return jax.vmap(of_one)(per_example_keys(inputs, key_use=1), inputs)
