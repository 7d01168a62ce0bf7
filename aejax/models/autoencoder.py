"""An autoencoder: an encoder, a decoder, and what the last activation is.

Examples are flat vectors between the rooms, `(batch, d)`; a model that needs an image's shape restores it inside.
On CPU, gathering and comparing `(batch, 28, 28, 1)` arrays made the whole step 1.5 times slower.
"""

import dataclasses
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from aejax.config import ModelConfig
from aejax.models.dense import DenseDecoder, DenseEncoder
from aejax.models.parts import Variables, init_parts, run_part, train_part


@dataclasses.dataclass(frozen=True)
class Autoencoder:
    """Two modules and their meaning; variables live outside. Equal configurations compare equal."""

    encoder: nn.Module  # (batch, d) to (batch, latent)
    decoder: nn.Module  # (batch, latent) to (batch, d), before the last activation
    output: Literal["sigmoid", "linear"]
    features: int  # d, numbers in one example

    def init(self, key: PRNGKeyArray) -> Variables:
        """Fresh variables: `{"params": {"encoder", "decoder"}, "batch_stats": {"encoder", "decoder"}}`."""
        return init_parts(key, {"encoder": self.encoder, "decoder": self.decoder}, jnp.zeros((1, self.features)))

    def encode(self, variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch latent"]:
        """Codes, in evaluation mode."""
        return run_part(self.encoder, variables, "encoder", inputs)

    def decode(self, variables: Variables, latents: Float[Array, "batch latent"]) -> Float[Array, "batch d"]:
        """Reconstructions in scaled input units, in evaluation mode."""
        return self.activate(run_part(self.decoder, variables, "decoder", latents))

    def reconstruct(self, variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
        """What decoding the code of `inputs` gives back, in evaluation mode."""
        return self.decode(variables, self.encode(variables, inputs))

    def forward(
        self, variables: Variables, inputs: Float[Array, "batch d"], *, train: bool
    ) -> tuple[Float[Array, "batch latent"], Float[Array, "batch d"], dict[str, Any]]:
        """Codes, outputs before the last activation, and batch statistics (updated if `train`)."""
        if not train:
            latents = self.encode(variables, inputs)
            return latents, run_part(self.decoder, variables, "decoder", latents), variables["batch_stats"]
        latents, encoder_stats = train_part(self.encoder, variables, "encoder", inputs)
        outputs, decoder_stats = train_part(self.decoder, variables, "decoder", latents)
        return latents, outputs, {"encoder": encoder_stats, "decoder": decoder_stats}

    def activate(self, outputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
        """The last activation."""
        return jax.nn.sigmoid(outputs) if self.output == "sigmoid" else outputs


def dense_autoencoder(config: ModelConfig, features: int) -> Autoencoder:
    """The dense autoencoder that a resolved config describes, for examples of `features` numbers."""
    assert config.latent_dim is not None
    assert config.output is not None
    decoder_hidden = config.hidden[::-1] if config.decoder_hidden is None else config.decoder_hidden
    shared: dict[str, Any] = {
        "activation": config.activation,
        "batch_norm": config.batch_norm,
        "conventions": config.conventions,
    }
    return Autoencoder(
        encoder=DenseEncoder(config.hidden, config.latent_dim, code_activation=config.code_activation, **shared),
        decoder=DenseDecoder(decoder_hidden, features, **shared),
        output=config.output,
        features=features,
    )
