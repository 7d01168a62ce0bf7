"""Autoencoders: an encoder, a decoder, and the output activation.

Models take flat examples, `(batch, d)`; a model that needs the shape of an image restores it inside.
On CPU, gathering and comparing `(batch, 28, 28, 1)` arrays made the whole step 1.5 times slower.
"""

import dataclasses
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float, PRNGKeyArray

from aejax.config import ComputeDtype
from aejax.models.submodules import Variables, apply_eval, apply_train, init_submodules, submodule_variables


@dataclasses.dataclass(frozen=True)
class Autoencoder:
    """Two modules, without their variables. Equal configurations compare equal."""

    encoder: nn.Module  # (batch, d) to (batch, latent)
    decoder: nn.Module  # (batch, latent) to (batch, d), before the last activation
    output_activation: Literal["sigmoid", "linear"]
    n_features: int  # d, numbers in one example
    compute_dtype: ComputeDtype = "float32"  # of the layers during training; evaluation uses float32

    def init(self, key: PRNGKeyArray) -> Variables:
        """Returns initial variables: `{"params": {"encoder", "decoder"}, "batch_stats": {"encoder", "decoder"}}`."""
        example = jnp.zeros((1, self.n_features), jnp.float32)
        return init_submodules(key, {"encoder": self.encoder, "decoder": self.decoder}, example)

    def encode(self, variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch latent"]:
        """Returns codes, in evaluation mode."""
        return apply_eval(self.encoder, variables, "encoder", inputs)

    def train_encode(
        self, variables: Variables, inputs: Float[Array, "batch d"]
    ) -> tuple[Float[Array, "batch latent"], dict[str, Any]]:
        """Codes, in training mode, and the encoder's updated batch statistics."""
        return apply_train(self.encoder, variables, "encoder", inputs, self.compute_dtype)

    def encode_preactivations(
        self, variables: Variables, inputs: Float[Array, "batch d"], *, train: bool = True
    ) -> Float[Array, "batch latent"]:
        """Returns the code before its activation, without updating batch statistics."""
        encoder = submodule_variables(variables, "encoder")
        outputs, _ = self.encoder.apply(encoder, inputs, train=train, activate=False, mutable=["batch_stats"])
        return outputs

    def decode(self, variables: Variables, latents: Float[Array, "batch latent"]) -> Float[Array, "batch d"]:
        """Reconstructions in scaled input units, in evaluation mode."""
        return self.apply_output_activation(self.decode_logits(variables, latents))

    def decode_logits(self, variables: Variables, latents: Float[Array, "batch latent"]) -> Float[Array, "batch d"]:
        """Returns the decoder's outputs before the last activation, in evaluation mode."""
        return apply_eval(self.decoder, self.with_decoder_kernels(variables), "decoder", latents)

    def train_decode_logits(
        self, variables: Variables, latents: Float[Array, "batch latent"]
    ) -> tuple[Float[Array, "batch d"], dict[str, Any]]:
        """The same in training mode, and the decoder's updated batch statistics."""
        return apply_train(self.decoder, self.with_decoder_kernels(variables), "decoder", latents, self.compute_dtype)

    def reconstruct(self, variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
        """Encodes and decodes `inputs`, in evaluation mode."""
        return self.decode(variables, self.encode(variables, inputs))

    def forward(
        self, variables: Variables, inputs: Float[Array, "batch d"], *, train: bool
    ) -> tuple[Float[Array, "batch latent"], Float[Array, "batch d"], dict[str, Any]]:
        """Codes, outputs before the last activation, and batch statistics (updated if `train`)."""
        if not train:
            latents = self.encode(variables, inputs)
            return latents, self.decode_logits(variables, latents), variables["batch_stats"]
        latents, encoder_stats = self.train_encode(variables, inputs)
        outputs, decoder_stats = self.train_decode_logits(variables, latents)
        return latents, outputs, {"encoder": encoder_stats, "decoder": decoder_stats}

    def apply_output_activation(self, outputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
        """Applies the last activation."""
        return jax.nn.sigmoid(outputs) if self.output_activation == "sigmoid" else outputs

    def with_decoder_kernels(self, variables: Variables) -> Variables:
        """Returns variables that include the decoder's kernels; without tied weights, they do already."""
        return variables


KERNEL_NAME = "kernel"  # Flax's name for a layer's weights


@dataclasses.dataclass(frozen=True)
class TiedAutoencoder(Autoencoder):
    """A dense autoencoder with tied weights: the decoder's kernels are the encoder's, transposed, and stored once."""

    def init(self, key: PRNGKeyArray) -> Variables:
        """Returns initial variables, without the decoder's kernels."""
        variables = Autoencoder.init(self, key)
        leaves = flatten_dict(variables["params"]["decoder"])
        decoder = unflatten_dict({path: leaf for path, leaf in leaves.items() if path[-1] != KERNEL_NAME})
        return {**variables, "params": {**variables["params"], "decoder": decoder}}

    def with_decoder_kernels(self, variables: Variables) -> Variables:
        """Adds the decoder's kernels: its first is the transpose of the encoder's last, and so on."""
        encoder = variables["params"]["encoder"]
        depth = sum(path[-1] == KERNEL_NAME for path in flatten_dict(encoder)) - 1  # hidden layers
        layers = [*(encoder["hidden"][f"Dense_{index}"] for index in range(depth)), encoder["code"]]
        paths = [*(("hidden", f"Dense_{index}", KERNEL_NAME) for index in range(depth)), ("output", KERNEL_NAME)]
        kernels = {path: layer[KERNEL_NAME].T for path, layer in zip(paths, reversed(layers), strict=True)}
        decoder = unflatten_dict({**flatten_dict(variables["params"]["decoder"]), **kernels})
        return {**variables, "params": {**variables["params"], "decoder": decoder}}
