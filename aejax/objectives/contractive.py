"""The contractive penalty: the squared Frobenius norm of the encoder's Jacobian (Rifai et al. 2011)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from aejax.config import ObjectiveConfig
from aejax.models.autoencoder import Autoencoder
from aejax.objectives.objective import ScalarLike
from aejax.objectives.penalties import ForwardPass, Penalty

EncodeFn = Callable[[Float[Array, "batch d"]], Float[Array, "batch latent"]]
MAX_EXACT_LATENT_DIM = 8  # forming the Jacobian takes one backward pass per code unit


def single_layer_jacobian_norm(
    layer: dict[str, Any], activation: Callable[[Array], Array], inputs: Float[Array, "batch d"]
) -> Float[Array, " batch"]:
    """Returns the closed form for `f(x W + b)`: `sum_j f'(a_j)^2 |W_j|^2` (Rifai et al. 2011, equation 7)."""
    preactivations = inputs @ layer["kernel"] + layer["bias"][None]
    _, slopes = jax.jvp(activation, (preactivations,), (jnp.ones_like(preactivations),))
    return jnp.square(slopes) @ jnp.sum(jnp.square(layer["kernel"]), axis=0)


def exact_jacobian_norm(encode: EncodeFn, inputs: Float[Array, "batch d"]) -> Float[Array, " batch"]:
    """Computes the whole Jacobian of each example, with one backward pass per code unit."""
    jacobians = jax.vmap(jax.jacrev(lambda example: encode(example[None])[0]))(inputs)
    return jnp.sum(jnp.square(jacobians), axis=(1, 2))


def hutchinson_jacobian_norm(
    encode: EncodeFn, inputs: Float[Array, "batch d"], key: PRNGKeyArray, probes: int
) -> Float[Array, " batch"]:
    """Hutchinson's unbiased estimate: the mean of `|v J|^2` over random signs `v`, one backward pass for each."""
    latents, pull_back = jax.vjp(encode, inputs)

    def squared_norm(probe_key: PRNGKeyArray) -> Float[Array, " batch"]:
        (pulled,) = pull_back(jax.random.rademacher(probe_key, latents.shape, latents.dtype))
        return jnp.sum(jnp.square(pulled), axis=1)

    return jnp.mean(jnp.stack([squared_norm(jax.random.fold_in(key, probe)) for probe in range(probes)]), axis=0)


def contractive_penalty(
    weight: ScalarLike,
    config: ObjectiveConfig,
    autoencoder: Autoencoder,
    latent_dim: int,
    single_layer_activation: Any = None,
) -> Penalty:
    """Returns the weighted penalty, computed as the config says or, by default, in the cheapest exact way.

    Args:
        weight: of the squared norm.
        config: `jacobian`, `jacobian_probes`.
        autoencoder: without batch normalisation, which makes examples depend on each other.
        latent_dim: width of the code.
        single_layer_activation: activation function of the code if the encoder is a single layer, for the closed form.
    """
    exact = config.jacobian == "exact" or (config.jacobian is None and latent_dim <= MAX_EXACT_LATENT_DIM)

    def penalty(passed: ForwardPass) -> Float[Array, " batch"]:
        def encode(inputs: Float[Array, "batch d"]) -> Float[Array, "batch latent"]:
            return autoencoder.encode(passed.variables, inputs)

        if single_layer_activation is not None and config.jacobian != "hutchinson":
            norm = single_layer_jacobian_norm(
                passed.variables["params"]["encoder"]["code"], single_layer_activation, passed.inputs
            )
        elif exact:
            norm = exact_jacobian_norm(encode, passed.inputs)
        else:
            norm = hutchinson_jacobian_norm(encode, passed.inputs, passed.key, config.jacobian_probes)
        return weight * norm

    return penalty
