"""How far a reconstruction is from its target, per example."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

PerExample = Callable[[Float[Array, "batch d"], Float[Array, "batch d"]], Float[Array, " batch"]]


def per_example_mse(recon: Float[Array, "batch d"], target: Float[Array, "batch d"]) -> Float[Array, " batch"]:
    """Mean squared error of each example, in squared input units."""
    return jnp.mean(jnp.square(recon - target), axis=1)


def per_example_bce(logits: Float[Array, "batch d"], target: Float[Array, "batch d"]) -> Float[Array, " batch"]:
    """Binary cross-entropy of each example against targets in [0, 1], mean over features, in nats.

    `-x log s(z) - (1 - x) log(1 - s(z)) = softplus(z) - x z`: exact for any logit, and one transcendental pair where
    two log-sigmoids would take two.
    """
    return jnp.mean(jax.nn.softplus(logits) - target * logits, axis=1)


def reconstruction_term(kind: Literal["mse", "bce"], output: Literal["sigmoid", "linear"]) -> PerExample:
    """The term that compares a decoder's outputs, before its last activation, with targets."""
    if kind == "bce":
        return per_example_bce
    if output == "sigmoid":
        return lambda logits, target: per_example_mse(jax.nn.sigmoid(logits), target)
    return per_example_mse
