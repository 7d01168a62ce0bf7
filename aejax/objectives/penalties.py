"""What a code is charged for: by example, or by batch where the charge is on what a batch has in common."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.objectives.objective import ScalarLike


class ForwardPass(NamedTuple):
    """One way through an autoencoder, as a penalty sees it."""

    variables: Variables
    inputs: Float[Array, "batch d"]  # as they were encoded
    latents: Float[Array, "batch latent"]
    key: PRNGKeyArray  # for penalties that draw something


Penalty = Callable[[ForwardPass], Float[Array, " batch"]]
BatchPenalty = Callable[[ForwardPass], Scalar]


def l1_penalty(weight: float) -> Penalty:
    """`weight * sum_j |z_j|`: a Laplace prior on the code, which draws units to zero."""
    return lambda passed: weight * jnp.sum(jnp.abs(passed.latents), axis=1)


def decoder_scaled_l1(weight: ScalarLike, autoencoder: Autoencoder) -> Penalty:
    """`weight * sum_j |z_j| |w_j|`, where `w_j` are the decoder's weights from unit j.

    The plain charge can be evaded: halve the code, double the decoder, and the reconstruction stays. This one is the
    same for both, so what it buys is sparsity (Bricken et al. 2023 fix `|w_j|` at 1 instead). It holds for decoders of
    one layer; a deeper one can still make up for a smaller hidden layer further on.
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


def dead_unit_loss(weight: float, autoencoder: Autoencoder) -> BatchPenalty:
    """A pull on units that no example of the batch activates, towards the least that would have.

    `weight * mean_i sum_{j silent} max(0, margin_i - a_ij)`, where `a` is what goes into the code's activation and
    `margin_i` the smallest activity kept of example i. Such units get no other gradient and would stay dead. In the
    manner of the pre-activation loss of Conerly et al. (2025).
    """

    def penalty(passed: ForwardPass) -> Scalar:
        active = passed.latents != 0
        silent = ~jnp.any(active, axis=0, keepdims=True)
        margin = jnp.min(jnp.where(active, jax.lax.stop_gradient(passed.latents), jnp.inf), axis=1, keepdims=True)
        margin = jnp.where(jnp.isfinite(margin), margin, 0.0)
        before = autoencoder.encode_preactivations(passed.variables, passed.inputs)
        short = jnp.where(silent, jax.nn.relu(margin - before), 0.0)
        return weight * jnp.mean(jnp.sum(short, axis=1))

    return penalty
