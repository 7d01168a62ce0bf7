"""An autoencoder: an encoder, a decoder, and what the last activation is.

Examples are flat vectors between the rooms, `(batch, d)`; a model that needs an image's shape restores it inside.
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
from aejax.models.parts import Variables, init_parts, own_variables, run_part, train_part


@dataclasses.dataclass(frozen=True)
class Autoencoder:
    """Two modules and their meaning; variables live outside. Equal configurations compare equal."""

    encoder: nn.Module  # (batch, d) to (batch, latent)
    decoder: nn.Module  # (batch, latent) to (batch, d), before the last activation
    output: Literal["sigmoid", "linear"]
    features: int  # d, numbers in one example
    compute: ComputeDtype = "float32"  # in which layers work while they train; elsewhere it is float32

    def init(self, key: PRNGKeyArray) -> Variables:
        """Fresh variables: `{"params": {"encoder", "decoder"}, "batch_stats": {"encoder", "decoder"}}`."""
        return init_parts(key, {"encoder": self.encoder, "decoder": self.decoder}, jnp.zeros((1, self.features)))

    def encode(self, variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch latent"]:
        """Codes, in evaluation mode."""
        return run_part(self.encoder, variables, "encoder", inputs)

    def train_encode(
        self, variables: Variables, inputs: Float[Array, "batch d"]
    ) -> tuple[Float[Array, "batch latent"], dict[str, Any]]:
        """Codes, in training mode, and the encoder's updated batch statistics."""
        return train_part(self.encoder, variables, "encoder", inputs, self.compute)

    def before_code(self, variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch latent"]:
        """What goes into the code's activation, in training mode; batch statistics stay as they are."""
        own = own_variables(variables, "encoder")
        outputs, _ = self.encoder.apply(own, inputs, train=True, activate=False, mutable=["batch_stats"])
        return outputs

    def decode(self, variables: Variables, latents: Float[Array, "batch latent"]) -> Float[Array, "batch d"]:
        """Reconstructions in scaled input units, in evaluation mode."""
        return self.activate(self.outputs(variables, latents))

    def outputs(self, variables: Variables, latents: Float[Array, "batch latent"]) -> Float[Array, "batch d"]:
        """What the decoder gives before the last activation, in evaluation mode."""
        return run_part(self.decoder, self.whole(variables), "decoder", latents)

    def train_outputs(
        self, variables: Variables, latents: Float[Array, "batch latent"]
    ) -> tuple[Float[Array, "batch d"], dict[str, Any]]:
        """The same in training mode, and the decoder's updated batch statistics."""
        return train_part(self.decoder, self.whole(variables), "decoder", latents, self.compute)

    def reconstruct(self, variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
        """What decoding the code of `inputs` gives back, in evaluation mode."""
        return self.decode(variables, self.encode(variables, inputs))

    def forward(
        self, variables: Variables, inputs: Float[Array, "batch d"], *, train: bool
    ) -> tuple[Float[Array, "batch latent"], Float[Array, "batch d"], dict[str, Any]]:
        """Codes, outputs before the last activation, and batch statistics (updated if `train`)."""
        if not train:
            latents = self.encode(variables, inputs)
            return latents, self.outputs(variables, latents), variables["batch_stats"]
        latents, encoder_stats = self.train_encode(variables, inputs)
        outputs, decoder_stats = self.train_outputs(variables, latents)
        return latents, outputs, {"encoder": encoder_stats, "decoder": decoder_stats}

    def activate(self, outputs: Float[Array, "batch d"]) -> Float[Array, "batch d"]:
        """The last activation."""
        return jax.nn.sigmoid(outputs) if self.output == "sigmoid" else outputs

    def whole(self, variables: Variables) -> Variables:
        """Variables in which no part lacks anything; here they are that already."""
        return variables


KERNEL = "kernel"  # Flax's name for a layer's weights


@dataclasses.dataclass(frozen=True)
class TiedAutoencoder(Autoencoder):
    """Dense layers whose decoder has no weights of its own, only biases: its weights are the encoder's, transposed.

    They cannot come apart in training, because they are stored once.
    """

    def init(self, key: PRNGKeyArray) -> Variables:
        """Fresh variables; the decoder's kernels are left out."""
        variables = Autoencoder.init(self, key)
        own = flatten_dict(variables["params"]["decoder"])
        without = unflatten_dict({path: leaf for path, leaf in own.items() if path[-1] != KERNEL})
        return {**variables, "params": {**variables["params"], "decoder": without}}

    def whole(self, variables: Variables) -> Variables:
        """Variables with the decoder's kernels put in: its first is the transpose of the encoder's last, and so on."""
        encoder = _in_order(_kernels(variables["params"]["encoder"]), last="code")
        places = [("hidden", f"Dense_{index}", KERNEL) for index in range(len(encoder) - 1)] + [("output", KERNEL)]
        kernels = {place: kernel.T for place, kernel in zip(places, reversed(encoder), strict=True)}
        decoder = unflatten_dict({**flatten_dict(variables["params"]["decoder"]), **kernels})
        return {**variables, "params": {**variables["params"], "decoder": decoder}}


def _kernels(params: dict[str, Any]) -> dict[tuple[str, ...], Array]:
    return {path: leaf for path, leaf in flatten_dict(params).items() if path[-1] == KERNEL}


def _in_order(kernels: dict[tuple[str, ...], Array], last: str) -> list[Array]:
    """Kernels from the first layer to the last: `hidden/Dense_0`, `hidden/Dense_1`, ..., `last`."""
    hidden = [kernels["hidden", f"Dense_{index}", KERNEL] for index in range(len(kernels) - 1)]
    return [*hidden, kernels[last, KERNEL]]
