"""Layer-wise pretraining of a deep autoencoder (Hinton and Salakhutdinov 2006; Vincent et al. 2010)."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from aejax.config import ModelConfig
from aejax.data.batching import Batch
from aejax.models.autoencoder import Autoencoder
from aejax.models.dense import FRAMEWORK_DEFAULTS, activation_function
from aejax.models.submodules import Variables
from aejax.objectives.corruption import CorruptFn
from aejax.objectives.objective import Aux, ElementwiseLoss, Objective, per_example_mse, squared_error

ParamPath = tuple[str, ...]


def layer_param_paths(config: ModelConfig, layer: int) -> tuple[ParamPath, ParamPath]:
    """Returns the parameter paths of an encoder layer and of the decoder layer that inverts it.

    Layers are counted from the inputs; the last, `len(config.hidden)`, is the code layer.
    """
    depth = len(config.hidden)
    encoder = ("encoder", "code") if layer == depth else ("encoder", "hidden", f"Dense_{layer}")
    decoder = ("decoder", "output") if layer == 0 else ("decoder", "hidden", f"Dense_{depth - layer}")
    return encoder, decoder


def layer_objective(
    model: Autoencoder, config: ModelConfig, reconstruction_loss: ElementwiseLoss, layer: int, corrupt: CorruptFn
) -> Objective:
    """Returns the objective of one layer as a denoising autoencoder on the output of the frozen layers before it.

    Args:
        model: a dense, mirrored autoencoder without batch normalisation.
        config: its config.
        reconstruction_loss: the loss of the first layer; others use squared error.
        layer: index of the layer, counted from the inputs.
        corrupt: corruption of the layer's input.
    """
    constants = FRAMEWORK_DEFAULTS[config.conventions]
    activation = activation_function(config.activation, constants)
    code_activation = activation_function(config.code_activation, constants)

    def apply(variables: Variables, path: ParamPath, inputs: Array) -> Array:
        params: Any = variables["params"]
        for name in path:
            params = params[name]
        return inputs @ params["kernel"] + params["bias"][None]

    def layer_input(variables: Variables, inputs: Float[Array, "batch d"]) -> Float[Array, "batch h"]:
        for index in range(layer):
            inputs = activation(apply(variables, layer_param_paths(config, index)[0], inputs))
        return jax.lax.stop_gradient(inputs)

    def error(variables: Variables, inputs: Array, target: Float[Array, "batch h"]) -> Float[Array, " batch"]:
        encoder, decoder = layer_param_paths(config, layer)
        encoded = apply(variables, encoder, inputs)
        encoded = code_activation(encoded) if layer == len(config.hidden) else activation(encoded)
        outputs = apply(model.with_decoder_kernels(variables), decoder, encoded)
        errors = reconstruction_loss(outputs, target) if layer == 0 else squared_error(activation(outputs), target)
        return jnp.mean(errors, axis=1)

    def loss(variables: Variables, batch: Batch, noise_key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        target = layer_input(variables, batch.inputs)
        value = jnp.mean(error(variables, corrupt(noise_key, target).inputs, target))
        return value, Aux(metrics={"loss": value}, batch_stats=variables["batch_stats"])

    def evaluate(variables: Variables, batch: Batch) -> dict[str, Float[Array, " batch"]]:
        target = layer_input(variables, batch.inputs)
        mse = per_example_mse(model.reconstruct(variables, batch.inputs), batch.inputs)
        return {"loss": error(variables, target, target), "mse": mse}

    return Objective(loss, evaluate)
