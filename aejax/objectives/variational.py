"""The evidence lower bound and the importance-weighted bound, in nats per example."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from aejax.config import ObjectiveConfig
from aejax.data.batching import Batch
from aejax.models.submodules import Variables
from aejax.models.variational import Posterior, VariationalAutoencoder, per_example_keys, per_example_noise
from aejax.objectives.objective import Aux, Objective, ScalarLike, per_example_mse, sigmoid_binary_cross_entropy

LOG_TWO_PI = 1.8378770664093453
# (variables, decoder outputs before the last activation, x) to log p(x|z) of each example
LogLikelihoodFn = Callable[[Variables, Float[Array, "batch d"], Float[Array, "batch d"]], Float[Array, " batch"]]


def make_log_likelihood(config: ObjectiveConfig, model: VariationalAutoencoder) -> LogLikelihoodFn:
    """Returns a Bernoulli likelihood with the outputs as logits, or a Gaussian with the reconstruction as mean."""

    def bernoulli(variables: Variables, outputs: Array, target: Array) -> Array:
        return -jnp.sum(sigmoid_binary_cross_entropy(outputs, target), axis=1)

    def gaussian(variables: Variables, outputs: Array, target: Array) -> Array:
        log_std = model.log_std(variables) if config.decoder_std is None else jnp.log(config.decoder_std)
        error = jnp.square((model.apply_output_activation(outputs) - target) * jnp.exp(-log_std))
        return -0.5 * jnp.sum(error + 2 * log_std + LOG_TWO_PI, axis=1)

    return bernoulli if config.likelihood == "bernoulli" else gaussian


def gaussian_kl(posterior: Posterior) -> Float[Array, "batch latent"]:
    """KL(q || N(0, 1)) of each unit: `(mean^2 + variance - log variance - 1) / 2` (Kingma and Welling 2014, B)."""
    variance = jnp.exp(posterior.log_variance)
    return 0.5 * (jnp.square(posterior.mean) + variance - posterior.log_variance - 1)


def variational_objective(
    model: VariationalAutoencoder,
    log_likelihood: LogLikelihoodFn,
    *,
    beta: ScalarLike,
    warmup_steps: int,
    free_bits: ScalarLike,
) -> Objective:
    """`-E_q[log p(x|z)] + beta KL(q || prior)`, with one sample from q per example and step.

    Args:
        model: the model to train.
        log_likelihood: log p(x|z) of each example.
        beta: weight of the KL term (Higgins et al. 2017); 1 is the negative evidence lower bound.
        warmup_steps: steps over which that weight rises from 0 (Bowman et al. 2016).
        free_bits: nats of each unit's KL, averaged over the batch, without cost (Kingma et al. 2016, equation 15).

    Evaluation uses a fixed sample for each example, the full `beta` and no free bits; `kl` is in nats.
    """

    def loss(variables: Variables, batch: Batch, noise_key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        posterior, encoder_stats = model.train_posterior(variables, batch.inputs)
        latents = posterior.sample(jax.random.normal(noise_key, posterior.mean.shape, jnp.float32))
        outputs, decoder_stats = model.train_decode_logits(variables, latents)
        step = variables["batch_stats"]["elbo"]["step"]
        weight = beta * (jnp.minimum(1.0, step / warmup_steps) if warmup_steps else 1.0)
        units = jnp.mean(gaussian_kl(posterior), axis=0)
        likelihood = jnp.mean(log_likelihood(variables, outputs, batch.inputs))
        value = weight * jnp.sum(jnp.maximum(units, free_bits)) - likelihood
        stats = {"encoder": encoder_stats, "decoder": decoder_stats, "elbo": {"step": step + 1}}
        return value, Aux(metrics={"loss": value, "kl": jnp.sum(units)}, batch_stats=stats)

    def evaluate(variables: Variables, batch: Batch) -> dict[str, Float[Array, " batch"]]:
        posterior = model.posterior(variables, batch.inputs)
        noise = per_example_noise(batch.inputs, posterior.mean.shape[1])
        outputs = model.decode_logits(variables, posterior.sample(noise))
        kl = jnp.sum(gaussian_kl(posterior), axis=1)
        value = beta * kl - log_likelihood(variables, outputs, batch.inputs)
        mse = per_example_mse(model.decode(variables, posterior.mean), batch.inputs)
        return {"loss": value, "kl": kl, "mse": mse}

    return Objective(loss, evaluate)


def elbo_and_iwae(
    model: VariationalAutoencoder,
    log_likelihood: LogLikelihoodFn,
    variables: Variables,
    inputs: Float[Array, "batch d"],
    importance_samples: int,
) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
    """Returns the evidence lower bound and the importance-weighted bound from the same samples.

    With `w_s = p(x, z_s) / q(z_s|x)`: the means of `log w_s`, and the log of the mean of `w_s` (Burda et al. 2016,
    equation 8), which is at least as large and approaches `log p(x)` as `importance_samples` grows.
    """
    posterior = model.posterior(variables, inputs)
    keys = per_example_keys(inputs, key_use=2)

    def log_weight(sample: Array) -> Float[Array, " batch"]:
        sample_keys = jax.vmap(lambda key: jax.random.fold_in(key, sample))(keys)
        noise = jax.vmap(lambda key: jax.random.normal(key, posterior.mean.shape[1:], jnp.float32))(sample_keys)
        latents = posterior.sample(noise)
        prior = -0.5 * jnp.sum(jnp.square(latents) + LOG_TWO_PI, axis=1)
        density = -0.5 * jnp.sum(jnp.square(noise) + posterior.log_variance + LOG_TWO_PI, axis=1)
        return log_likelihood(variables, model.decode_logits(variables, latents), inputs) + prior - density

    log_weights = jax.lax.map(log_weight, jnp.arange(importance_samples))
    return jnp.mean(log_weights, axis=0), jax.nn.logsumexp(log_weights, axis=0) - jnp.log(importance_samples)
