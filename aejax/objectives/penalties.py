"""Penalties on codes: of each example, or of a batch as a whole."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from aejax.models.autoencoder import Autoencoder
from aejax.models.sparsity import step_above
from aejax.models.submodules import Variables
from aejax.objectives.objective import ElementwiseLoss, ScalarLike


class ForwardPass(NamedTuple):
    """The inputs and codes of one forward pass."""

    variables: Variables
    inputs: Float[Array, "batch d"]  # after corruption
    latents: Float[Array, "batch latent"]
    key: PRNGKeyArray  # for penalties with random numbers
    train: bool = True  # in training mode


Penalty = Callable[[ForwardPass], Float[Array, " batch"]]
BatchPenalty = Callable[[ForwardPass], Scalar]


def decoder_scaled_l1(weight: ScalarLike, autoencoder: Autoencoder) -> Penalty:
    """Returns `weight * sum_j |z_j| |w_j|`, where `w_j` are the decoder's weights of unit j.

    A plain L1 penalty can be evaded by halving the code and doubling the decoder's weights, which leaves the
    reconstruction unchanged. This penalty is invariant to that scaling (Bricken et al. 2023 fix `|w_j|` at 1 instead).
    A decoder of several layers can still compensate in a later layer.
    """

    return lambda passed: weight * jnp.abs(passed.latents) @ decoder_norms(autoencoder, passed.variables)


def decoder_norms(autoencoder: Autoencoder, variables: Variables) -> Float[Array, " latent"]:
    """Returns the norm of each unit's weights in the decoder's first layer."""
    decoder = autoencoder.with_decoder_kernels(variables)["params"]["decoder"]
    first = decoder["hidden"]["Dense_0"] if "hidden" in decoder else decoder["output"]
    return jnp.linalg.norm(first["kernel"], axis=1)


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
        shortfall = jnp.where(dead, jax.nn.relu(margin - _preactivations(autoencoder, passed)), 0.0)
        return weight * jnp.mean(jnp.sum(shortfall, axis=1))

    return penalty


def gate_loss(weight: ScalarLike, autoencoder: Autoencoder, reconstruction_loss: ElementwiseLoss) -> Penalty:
    """Trains a gate g: `weight * sum_j relu(g_j) |w_j| + L(x, D(relu(g)))` (Rajamanoharan et al. 2024a, section 3.2).

    The gate's step has no gradient, so the gate learns as the code of a sparse autoencoder with the decoder D. D is a
    constant here, and so are the norms `|w_j|` of its weights, which are 1 in the paper.
    """

    def penalty(passed: ForwardPass) -> Float[Array, " batch"]:
        gate = jax.nn.relu(_preactivations(autoencoder, passed))
        fixed = jax.lax.stop_gradient(passed.variables)
        outputs = _decode(autoencoder, fixed, gate, train=passed.train)
        sparsity = weight * gate @ decoder_norms(autoencoder, fixed)
        return sparsity + jnp.mean(reconstruction_loss(outputs, passed.inputs), axis=1)

    return penalty


def l0_penalty(weight: ScalarLike, autoencoder: Autoencoder, bandwidth: float) -> Penalty:
    """Returns the weighted number of active units of a code with `JumpReLU` (Rajamanoharan et al. 2024b, section 3).

    Only the thresholds get a gradient, the pseudo-derivative of `step_above`.
    """

    def penalty(passed: ForwardPass) -> Float[Array, " batch"]:
        threshold = jnp.exp(passed.variables["params"]["encoder"]["sparsity"]["log_threshold"])
        active = step_above(_preactivations(autoencoder, passed), threshold, bandwidth)
        return weight * jnp.sum(active, axis=1)

    return penalty


def nested_reconstruction(
    widths: Sequence[int], autoencoder: Autoencoder, reconstruction_loss: ElementwiseLoss
) -> Penalty:
    """Returns the sum over `widths` of the error of reconstructions from the first units alone.

    Together with the error of the whole code it is the loss of Bussmann et al. (2025, section 3).
    """

    def penalty(passed: ForwardPass) -> Float[Array, " batch"]:
        def error(width: int) -> Float[Array, " batch"]:
            prefix = passed.latents * (jnp.arange(passed.latents.shape[1]) < width)[None]
            outputs = _decode(autoencoder, passed.variables, prefix, train=passed.train)
            return jnp.mean(reconstruction_loss(outputs, passed.inputs), axis=1)

        return sum(map(error, widths), start=jnp.zeros(len(passed.inputs), jnp.float32))

    return penalty


def commitment_loss(weight: ScalarLike, autoencoder: Autoencoder) -> Penalty:
    """Returns `weight * |z - q|^2` of codes z before quantization and quantized codes q, which are constants.

    It is the third term of equation 3 of van den Oord et al. (2017).
    """

    def penalty(passed: ForwardPass) -> Float[Array, " batch"]:
        distances = _preactivations(autoencoder, passed) - jax.lax.stop_gradient(passed.latents)
        return weight * jnp.sum(jnp.square(distances), axis=1)

    return penalty


def _preactivations(autoencoder: Autoencoder, passed: ForwardPass) -> Float[Array, "batch latent"]:
    return autoencoder.encode_preactivations(passed.variables, passed.inputs, train=passed.train)


def _decode(
    autoencoder: Autoencoder, variables: Variables, latents: Float[Array, "batch latent"], *, train: bool
) -> Float[Array, "batch d"]:
    """Returns the decoder's outputs before the last activation, without updating batch statistics."""
    if not train:
        return autoencoder.decode_logits(variables, latents)
    return autoencoder.train_decode_logits(variables, latents)[0]
