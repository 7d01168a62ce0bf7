"""Autoencoders whose encoder gives a distribution over codes (Kingma and Welling 2014; Rezende et al. 2014)."""

import dataclasses
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray

from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables, apply_eval, apply_train

MIN_LOG_STD = -6.0  # of a learned likelihood: e^-6 of the data's unit, below any reconstruction worth having


class Posterior(NamedTuple):
    """A diagonal Gaussian over codes for each example."""

    mean: Float[Array, "batch latent"]
    log_variance: Float[Array, "batch latent"]

    def sample(self, noise: Float[Array, "batch latent"]) -> Float[Array, "batch latent"]:
        """The reparameterised draw `mean + deviation * noise`, differentiable in both."""
        return self.mean + jnp.exp(0.5 * self.log_variance) * noise


def per_example_keys(inputs: Float[Array, "batch d"], key_use: int) -> Key[Array, " batch"]:
    """A key for each example that depends on its values alone: what is drawn by it is the same in any batch.

    Evaluation needs randomness that is a function of the example, so that it can be repeated, mapped and vmapped.
    """
    bits = jax.lax.bitcast_convert_type(inputs, jnp.uint32)
    weights = jax.random.bits(jax.random.key(0), (inputs.shape[1],)) | 1
    # In integers, whose sum is the same in any order: a float's last bits would depend on how the batch is laid out.
    hashes = jnp.sum((bits ^ (bits >> 16)) * weights[None], axis=1, dtype=jnp.uint32)
    return jax.vmap(lambda own: jax.random.fold_in(jax.random.key(key_use), own))(hashes)


def per_example_noise(
    inputs: Float[Array, "batch d"], latent_dim: int, key_use: int = 0
) -> Float[Array, "batch latent"]:
    """Standard normal noise for each example, by `example_keys`."""
    return jax.vmap(lambda key: jax.random.normal(key, (latent_dim,)))(per_example_keys(inputs, key_use))


@dataclasses.dataclass(frozen=True)
class VariationalAutoencoder(Autoencoder):
    """The encoder gives means and log-variances side by side; the prior is standard normal.

    Beside encoder and decoder, variables have a part `elbo`: the step that KL warm-up counts and, where it is learned,
    the logarithm of the likelihood's standard deviation.
    """

    posterior_code: Literal["mean", "sample", "mean-and-deviation"] = "mean"
    learned_std: bool = False

    def init(self, key: PRNGKeyArray) -> Variables:
        """Fresh variables. The decoder starts on a code, which is half of what the encoder gives."""
        encoded, own = self.encoder.init_with_output(
            jax.random.fold_in(key, 0), jnp.zeros((1, self.n_features)), train=False
        )
        decoder = self.decoder.init(jax.random.fold_in(key, 1), _split_posterior(encoded).mean, train=False)
        elbo: dict[str, Any] = {"log_std": jnp.zeros(())} if self.learned_std else {}
        return {
            "params": {"encoder": own["params"], "decoder": decoder["params"], "elbo": elbo},
            "batch_stats": {
                "encoder": own.get("batch_stats", {}),
                "decoder": decoder.get("batch_stats", {}),
                "elbo": {"step": jnp.zeros(())},
            },
        }

    def posterior(self, variables: Variables, inputs: Float[Array, "batch d"]) -> Posterior:
        """The distribution over codes, in evaluation mode."""
        return _split_posterior(apply_eval(self.encoder, variables, "encoder", inputs))

    def train_posterior(
        self, variables: Variables, inputs: Float[Array, "batch d"]
    ) -> tuple[Posterior, dict[str, Any]]:
        """The same in training mode, and the encoder's updated batch statistics."""
        outputs, stats = apply_train(self.encoder, variables, "encoder", inputs, self.compute_dtype)
        return _split_posterior(outputs), stats

    def encode(self, variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch code"]:
        """What stands for an example, by `posterior_code`; a sample is the same whenever the example is."""
        return self._code(self.posterior(variables, inputs), inputs)

    def train_encode(
        self, variables: Variables, inputs: Float[Array, "batch d"]
    ) -> tuple[Float[Array, "batch code"], dict[str, Any]]:
        """The same in training mode, and the encoder's updated batch statistics."""
        posterior, stats = self.train_posterior(variables, inputs)
        return self._code(posterior, inputs), stats

    def _code(self, posterior: Posterior, inputs: Float[Array, "batch d"]) -> Float[Array, "batch code"]:
        if self.posterior_code == "mean":
            return posterior.mean
        if self.posterior_code == "sample":
            return posterior.sample(per_example_noise(inputs, posterior.mean.shape[1]))
        return jnp.concatenate([posterior.mean, jnp.exp(0.5 * posterior.log_variance)], axis=1)

    def reconstruct(self, variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
        """What decoding the posterior's mean gives back, in evaluation mode."""
        return self.decode(variables, self.posterior(variables, inputs).mean)

    def log_std(self, variables: Variables) -> Float[Array, ""]:
        """Logarithm of a learned likelihood's standard deviation, softly held above `LOWEST_LOG_STD`."""
        free = variables["params"]["elbo"]["log_std"]
        return MIN_LOG_STD + jax.nn.softplus(free - MIN_LOG_STD)


def _split_posterior(encoded: Float[Array, "batch twice_latent"]) -> Posterior:
    mean, log_variance = jnp.split(encoded, 2, axis=1)
    return Posterior(mean, log_variance)
