"""Dense layers of any widths, for flat inputs, and the decoder made of them."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from aejax.config import Activation


class FrameworkDefaults(NamedTuple):
    """Default constants that differ between frameworks."""

    kernel_init: Any  # a Flax initializer
    batch_norm_epsilon: float
    negative_slope: float


FRAMEWORK_DEFAULTS = {
    "flax": FrameworkDefaults(nn.initializers.lecun_normal(), 1e-5, 0.01),
    "keras": FrameworkDefaults(nn.initializers.glorot_uniform(), 1e-3, 0.3),
}


def activation_function(name: Activation, conventions: FrameworkDefaults) -> Callable[[Array], Array]:
    """Returns the elementwise function named by a config."""
    functions: dict[str, Callable[[Array], Array]] = {
        "relu": jax.nn.relu,
        "leaky_relu": lambda x: jax.nn.leaky_relu(x, conventions.negative_slope),
        "gelu": jax.nn.gelu,
        "tanh": jax.numpy.tanh,
        "sigmoid": jax.nn.sigmoid,
        "linear": lambda x: x,
    }
    return functions[name]


class DenseStack(nn.Module):
    """Hidden layers: affine, optional batch normalisation, activation.

    Biases stay in front of a batch normalisation, as in the tutorials, although it takes them out again: their gradient
    is rounding alone, so Adam moves them at random, and two plans agree on such a network less closely than on others.
    """

    widths: tuple[int, ...]
    activation: Activation
    batch_norm: bool
    conventions: Literal["flax", "keras"]

    @nn.compact
    def __call__(self, inputs: Float[Array, "batch d"], *, train: bool) -> Float[Array, "batch h"]:
        constants = FRAMEWORK_DEFAULTS[self.conventions]
        hidden = inputs
        for width in self.widths:
            hidden = nn.Dense(width, kernel_init=constants.kernel_init)(hidden)
            if self.batch_norm:
                hidden = nn.BatchNorm(
                    use_running_average=not train, momentum=0.99, epsilon=constants.batch_norm_epsilon
                )(hidden)
            hidden = activation_function(self.activation, constants)(hidden)
        return hidden


class DenseDecoder(nn.Module):
    """Codes to flat outputs before their last activation (logits, if that is a sigmoid)."""

    hidden: tuple[int, ...]
    features: int
    activation: Activation = "relu"
    batch_norm: bool = False
    conventions: Literal["flax", "keras"] = "flax"

    @nn.compact
    def __call__(self, latents: Float[Array, "batch latent"], *, train: bool) -> Float[Array, "batch d"]:
        constants = FRAMEWORK_DEFAULTS[self.conventions]
        hidden = DenseStack(self.hidden, self.activation, self.batch_norm, self.conventions, name="hidden")(
            latents, train=train
        )
        return nn.Dense(self.features, kernel_init=constants.kernel_init, name="output")(hidden)
