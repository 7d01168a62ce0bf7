"""What is done to inputs before they are encoded; the target stays clean."""

from collections.abc import Callable

import jax
from jaxtyping import Array, Float, PRNGKeyArray

Corrupt = Callable[[PRNGKeyArray, Float[Array, "batch d"]], Float[Array, "batch d"]]


def gaussian(noise_std: float) -> Corrupt:
    """Add independent Gaussian noise of this standard deviation, in scaled input units (Vincent et al. 2010, 3.3)."""

    def corrupt(key: PRNGKeyArray, inputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
        return inputs + noise_std * jax.random.normal(key, inputs.shape)

    return corrupt
