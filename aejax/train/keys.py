"""Random keys by seed and use; adding a seed or a use does not change the others."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Key

KeyUse = Literal["init", "noise", "head init", "head noise"]
_KEY_USES: dict[KeyUse, int] = {"init": 0, "noise": 1, "head init": 2, "head noise": 3}


def seed_keys(seeds: int, use: KeyUse, first: int = 0) -> Key[jax.Array, " seeds"]:
    """Returns one key for each of the seeds `first..first+seeds-1`, for one use."""
    return jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), _KEY_USES[use]))(first + jnp.arange(seeds))
