"""Encoders: hidden layers, then one affine layer for the code, or two for a Gaussian posterior or a gate.

The code layer has the same name in all, so that they start from the same weights.
"""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from aejax.config import Activation
from aejax.models.dense import FRAMEWORK_DEFAULTS, activation_function

MAX_ABS_LOG_VARIANCE = 10.0  # a posterior's deviation stays between e^-5 and e^5


class Encoder(nn.Module):
    """Flat inputs to codes: hidden layers, an affine layer, its activation, and an optional sparsity module.

    A quantizer takes the place of the sparsity module.
    """

    hidden: nn.Module  # (batch, d) to (batch, h); called with `train`
    latent_dim: int
    code_activation: Activation = "linear"
    sparsity: nn.Module | None = None  # (batch, latent) to the same, most of it zero or quantized; called with `train`
    conventions: Literal["flax", "keras"] = "flax"

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch d"], *, train: bool, activate: bool = True
    ) -> Float[Array, "batch latent"]:
        """Returns codes, or pre-activations if not `activate`."""
        constants = FRAMEWORK_DEFAULTS[self.conventions]
        hidden = self.hidden(inputs, train=train)
        code = nn.Dense(self.latent_dim, kernel_init=constants.kernel_init, name="code")(hidden)
        if not activate:
            return code
        latents = activation_function(self.code_activation, constants)(code)
        return latents if self.sparsity is None else self.sparsity(latents, train=train)


class GaussianEncoder(nn.Module):
    """Flat inputs to a diagonal Gaussian over codes: means and log-variances, concatenated."""

    hidden: nn.Module  # (batch, d) to (batch, h); called with `train`
    latent_dim: int
    conventions: Literal["flax", "keras"] = "flax"

    @nn.compact
    def __call__(self, inputs: Float[Array, "batch d"], *, train: bool) -> Float[Array, "batch twice_latent"]:
        init = FRAMEWORK_DEFAULTS[self.conventions].kernel_init
        hidden = self.hidden(inputs, train=train)
        mean = nn.Dense(self.latent_dim, kernel_init=init, name="code")(hidden)
        log_variance = nn.Dense(self.latent_dim, kernel_init=init, name="log_variance")(hidden)
        bounded = jnp.clip(log_variance, -MAX_ABS_LOG_VARIANCE, MAX_ABS_LOG_VARIANCE)
        return jnp.concatenate([mean, bounded], axis=1)


class GatedEncoder(nn.Module):
    """Flat inputs to a rectified code whose units are active where a gate is positive (Rajamanoharan et al. 2024a).

    `relu(exp(r) * p + b) * (p + c > 0)`, where p is the projection of the last hidden layer (section 3.2: gate
    and magnitude share its weights, and r rescales them). The paper subtracts the decoder's bias from the inputs, which
    b and c can do as well.
    """

    hidden: nn.Module  # (batch, d) to (batch, h); called with `train`
    latent_dim: int
    conventions: Literal["flax", "keras"] = "flax"

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch d"], *, train: bool, activate: bool = True
    ) -> Float[Array, "batch latent"]:
        """Returns codes, or the gate's pre-activations if not `activate`."""
        init = FRAMEWORK_DEFAULTS[self.conventions].kernel_init
        hidden = self.hidden(inputs, train=train)
        projection = nn.Dense(self.latent_dim, use_bias=False, kernel_init=init, name="code")(hidden)
        names = ("gate_bias", "log_scale", "magnitude_bias")
        zeros, shape = nn.initializers.zeros, (self.latent_dim,)
        gate_bias, log_scale, bias = (self.param(name, zeros, shape, jnp.float32) for name in names)
        gate = projection + gate_bias[None]
        if not activate:
            return gate
        return jax.nn.relu(projection * jnp.exp(log_scale)[None] + bias[None]) * (gate > 0)
