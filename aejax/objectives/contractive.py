"""The contractive penalty: the squared Frobenius norm of the encoder's Jacobian (Rifai et al. 2011), three ways."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from aejax.config import ObjectiveConfig
from aejax.models.autoencoder import Autoencoder
from aejax.objectives.penalties import ForwardPass, Penalty

EncodeFn = Callable[[Float[Array, "batch d"]], Float[Array, "batch latent"]]
MAX_EXACT_LATENT_DIM = 8  # code units up to which the whole Jacobian is formed: it costs as many backward passes


def single_layer_jacobian_norm(
    layer: dict[str, Any], activation: Callable[[Array], Array], inputs: Float[Array, "batch d"]
) -> Float[Array, " batch"]:
    """Closed form for `f(x W + b)`: `sum_j f'(a_j)^2 |W_j|^2` (Rifai et al. 2011, equation 7)."""
    before = inputs @ layer["kernel"] + layer["bias"][None]
    _, slopes = jax.jvp(activation, (before,), (jnp.ones_like(before),))
    return jnp.square(slopes) @ jnp.sum(jnp.square(layer["kernel"]), axis=0)


def exact_jacobian_norm(encode: EncodeFn, inputs: Float[Array, "batch d"]) -> Float[Array, " batch"]:
    """By the whole Jacobian of each example, one backward pass for each code unit."""
    jacobians = jax.vmap(jax.jacrev(lambda example: encode(example[None])[0]))(inputs)
    return jnp.sum(jnp.square(jacobians), axis=(1, 2))


def hutchinson_jacobian_norm(
    encode: EncodeFn, inputs: Float[Array, "batch d"], key: PRNGKeyArray, probes: int
) -> Float[Array, " batch"]:
    """An unbiased estimate: the mean of `|v J|^2` over random signs `v`, one backward pass for each (Hutchinson)."""
    latents, pull_back = jax.vjp(encode, inputs)

    def of_probe(own: PRNGKeyArray) -> Float[Array, " batch"]:
        (pulled,) = pull_back(jax.random.rademacher(own, latents.shape, latents.dtype))
        return jnp.sum(jnp.square(pulled), axis=1)

    return jnp.mean(jnp.stack([of_probe(jax.random.fold_in(key, probe)) for probe in range(probes)]), axis=0)


def contractive_penalty(
    config: ObjectiveConfig, autoencoder: Autoencoder, latent_dim: int, single_layer_activation: Any = None
) -> Penalty:
    """The weighted penalty, by the way that the config names or that is cheap.

    Args:
        config: `contraction`, `jacobian`, `jacobian_probes`.
        autoencoder: without batch normalisation, which would make examples depend on each other.
        latent_dim: width of its code.
        one_layer: the code's activation function where the encoder is a single layer: exact in closed form.
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
        return config.contraction * norm

    return penalty
