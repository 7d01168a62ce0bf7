"""Penalties on codes: of each example, or of a batch as a whole."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.objectives.objective import ScalarLike


class ForwardPass(NamedTuple):
    """The inputs and codes of one forward pass."""

    variables: Variables
    inputs: Float[Array, "batch d"]  # after corruption
    latents: Float[Array, "batch latent"]
    key: PRNGKeyArray  # for penalties with random numbers


Penalty = Callable[[ForwardPass], Float[Array, " batch"]]
BatchPenalty = Callable[[ForwardPass], Scalar]


def decoder_scaled_l1(weight: ScalarLike, autoencoder: Autoencoder) -> Penalty:
    """Returns `weight * sum_j |z_j| |w_j|`, where `w_j` are the decoder's weights of unit j.

    A plain L1 penalty can be evaded by halving the code and doubling the decoder's weights, which leaves the
    reconstruction unchanged. This penalty is invariant to that scaling (Bricken et al. 2023 fix `|w_j|` at 1 instead).
    A decoder of several layers can still compensate in a later layer.
    """

    def penalty(passed: ForwardPass) -> Float[Array, " batch"]:
        decoder = autoencoder.with_decoder_kernels(passed.variables)["params"]["decoder"]
        first = decoder["hidden"]["Dense_0"] if "hidden" in decoder else decoder["output"]
        norms = jnp.linalg.norm(first["kernel"], axis=1)
        return weight * jnp.abs(passed.latents) @ norms

    return penalty


def bernoulli_kl(target: ScalarLike, activity: Float[Array, " latent"]) -> Float[Array, " latent"]:
    """KL(Bernoulli(target) || Bernoulli(activity)) in nats: `t log(t/a) + (1 - t) log((1 - t)/(1 - a))`."""
    bounded = jnp.clip(activity, 1e-6, 1 - 1e-6)
    return target * jnp.log(target / bounded) + (1 - target) * jnp.log((1 - target) / (1 - bounded))


def kl_sparsity(weight: ScalarLike, target: ScalarLike) -> BatchPenalty:
    """`weight * sum_j KL(target || mean activity of unit j over the batch)`, for codes in (0, 1) (Ng 2011)."""
    return lambda passed: weight * jnp.sum(bernoulli_kl(target, jnp.mean(passed.latents, axis=0)))


def dead_unit_loss(weight: ScalarLike, autoencoder: Autoencoder) -> BatchPenalty:
    """Raises the pre-activations of units that no example of the batch activates, which get no other gradient.

    `weight * mean_i sum_{j dead} max(0, margin_i - a_ij)`, where `a` are the code's pre-activations and `margin_i` is
    the smallest nonzero activity of example i; similar to the pre-activation loss of Conerly et al. (2025).
    """

    def penalty(passed: ForwardPass) -> Scalar:
        active = passed.latents != 0
        dead = ~jnp.any(active, axis=0, keepdims=True)
        margin = jnp.min(jnp.where(active, jax.lax.stop_gradient(passed.latents), jnp.inf), axis=1, keepdims=True)
        margin = jnp.where(jnp.isfinite(margin), margin, 0.0)
        preactivations = autoencoder.encode_preactivations(passed.variables, passed.inputs)
        shortfall = jnp.where(dead, jax.nn.relu(margin - preactivations), 0.0)
        return weight * jnp.mean(jnp.sum(shortfall, axis=1))

    return penalty
