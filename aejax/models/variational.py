"""Variational autoencoders (Kingma and Welling 2014; Rezende et al. 2014)."""

import dataclasses
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray

from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables, apply_eval, apply_train

MIN_LOG_STD = -6.0  # lower bound of a learned standard deviation, far below any reconstruction error


class Posterior(NamedTuple):
    """A diagonal Gaussian over codes for each example."""

    mean: Float[Array, "batch latent"]
    log_variance: Float[Array, "batch latent"]

    def sample(self, noise: Float[Array, "batch latent"]) -> Float[Array, "batch latent"]:
        """Returns the reparameterised sample `mean + deviation * noise`."""
        return self.mean + jnp.exp(0.5 * self.log_variance) * noise


def per_example_keys(inputs: Float[Array, "batch d"], key_use: int) -> Key[Array, " batch"]:
    """Returns a random key for each example that depends on its values only, not on the batch.

    Evaluation with such keys is deterministic, and unchanged by `map` and `vmap`.
    """
    bits = jax.lax.bitcast_convert_type(inputs, jnp.uint32)
    weights = jax.random.bits(jax.random.key(0), (inputs.shape[1],)) | 1
    # An integer sum does not depend on the order of the terms; a float sum would depend on the batch layout.
    hashes = jnp.sum((bits ^ (bits >> 16)) * weights[None], axis=1, dtype=jnp.uint32)
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(jax.random.key(key_use), hashes)


def per_example_noise(inputs: Float[Array, "batch d"], latent_dim: int) -> Float[Array, "batch latent"]:
    """Returns standard normal noise for each example, drawn with `per_example_keys`."""
    return jax.vmap(lambda key: jax.random.normal(key, (latent_dim,), jnp.float32))(per_example_keys(inputs, key_use=0))


@dataclasses.dataclass(frozen=True)
class VariationalAutoencoder(Autoencoder):
    """An encoder that returns means and log-variances, concatenated; the prior is standard normal.

    The variables have a third part, `elbo`: the step count of the KL warm-up and, if it is learned, the logarithm of
    the likelihood's standard deviation.
    """

    posterior_code: Literal["mean", "sample", "mean-and-deviation"] = "mean"
    learned_std: bool = False

    def init(self, key: PRNGKeyArray) -> Variables:
        """Returns initial variables. The decoder takes a code, half the width of the encoder's output."""
        encoded, encoder = self.encoder.init_with_output(
            jax.random.fold_in(key, 0), jnp.zeros((1, self.n_features), jnp.float32), train=False
        )
        decoder = self.decoder.init(jax.random.fold_in(key, 1), _split_posterior(encoded).mean, train=False)
        elbo: dict[str, Any] = {"log_std": jnp.zeros((), jnp.float32)} if self.learned_std else {}
        return {
            "params": {"encoder": encoder["params"], "decoder": decoder["params"], "elbo": elbo},
            "batch_stats": {
                "encoder": encoder.get("batch_stats", {}),
                "decoder": decoder.get("batch_stats", {}),
                "elbo": {"step": jnp.zeros((), jnp.float32)},
            },
        }

    def posterior(self, variables: Variables, inputs: Float[Array, "batch d"]) -> Posterior:
        """Returns the distribution over codes, in evaluation mode."""
        return _split_posterior(apply_eval(self.encoder, variables, "encoder", inputs))

    def train_posterior(
        self, variables: Variables, inputs: Float[Array, "batch d"]
    ) -> tuple[Posterior, dict[str, Any]]:
        """The same in training mode, and the encoder's updated batch statistics."""
        outputs, stats = apply_train(self.encoder, variables, "encoder", inputs, self.compute_dtype)
        return _split_posterior(outputs), stats

    def encode(self, variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch code"]:
        """Returns codes according to `posterior_code`; a sample is a fixed function of its example."""
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

    def decode_logits(self, variables: Variables, latents: Float[Array, "batch code"]) -> Float[Array, "batch d"]:
        """Returns the decoder's outputs before the last activation, of codes without their deviations, if any."""
        return super().decode_logits(variables, latents[:, : self.encoder.latent_dim])

    def reconstruct(self, variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
        """Decodes the mean of the posterior, in evaluation mode."""
        return self.decode(variables, self.posterior(variables, inputs).mean)

    def log_std(self, variables: Variables) -> Float[Array, ""]:
        """Returns the log of the learned standard deviation, smoothly bounded below by `MIN_LOG_STD`."""
        free = variables["params"]["elbo"]["log_std"]
        return MIN_LOG_STD + jax.nn.softplus(free - MIN_LOG_STD)


def _split_posterior(encoded: Float[Array, "batch twice_latent"]) -> Posterior:
    mean, log_variance = jnp.split(encoded, 2, axis=1)
    return Posterior(mean, log_variance)
