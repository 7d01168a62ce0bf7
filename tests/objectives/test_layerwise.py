"""A layer's own training is that of an autoencoder of one layer on what the layers before it give, and no more."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.config import ModelConfig
from aejax.data.batching import Batch
from aejax.models.architectures import dense_autoencoder
from aejax.objectives.corruption import masking_noise
from aejax.objectives.layerwise import layer_objective, layer_param_paths
from aejax.objectives.objective import sigmoid_binary_cross_entropy
from tests.losses import loss_and_gradient

CONFIG = ModelConfig(
    hidden=(8, 5), latent_dim=3, activation="tanh", code_activation="sigmoid", output="sigmoid", conventions="keras"
)
INPUTS = jax.random.uniform(jax.random.key(0), (32, 6))
BATCH = Batch(INPUTS, jnp.zeros(32, jnp.int32))
KEY = jax.random.key(2)
every_layer = pytest.mark.parametrize("layer", [0, 1, 2], ids=["first", "middle", "code"])


@functools.cache
def started(tied: bool):
    model = dense_autoencoder(dataclasses.replace(CONFIG, tied=tied), 6)
    return model, jax.jit(model.init)(jax.random.key(1))


def of_layer(layer: int, share: float, tied: bool = False):
    model, variables = started(tied)
    return layer_objective(model, CONFIG, sigmoid_binary_cross_entropy, layer, masking_noise(share)), model, variables


def at(tree, path):
    return functools.reduce(lambda own, name: own[name], path, tree)


def affine(variables, path, inputs):
    own = at(variables["params"], path)
    return np.asarray(inputs) @ np.asarray(own["kernel"]) + np.asarray(own["bias"])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(variables, layer: int, target, given):
    """Each example's error, layer by layer in NumPy."""
    if layer == 0:
        hidden = np.tanh(affine(variables, ("encoder", "hidden", "Dense_0"), given))
        logits = affine(variables, ("decoder", "output"), hidden)
        return (np.logaddexp(0, logits) - target * logits).mean(axis=1)
    if layer == 1:
        hidden = np.tanh(affine(variables, ("encoder", "hidden", "Dense_1"), given))
        back = np.tanh(affine(variables, ("decoder", "hidden", "Dense_1"), hidden))
    else:
        code = sigmoid(affine(variables, ("encoder", "code"), given))
        back = np.tanh(affine(variables, ("decoder", "hidden", "Dense_0"), code))
    return ((back - target) ** 2).mean(axis=1)


def target_of(variables, layer: int):
    """What the layers before this one make of the inputs."""
    target = np.asarray(INPUTS)
    for before in range(layer):
        target = np.tanh(affine(variables, ("encoder", "hidden", f"Dense_{before}"), target))
    return target


@every_layer
@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
def test_the_loss_is_that_of_one_layer_there_and_back_on_what_the_layers_before_give(layer, tied):
    objective, model, variables = of_layer(layer, 0.3, tied)
    target = target_of(variables, layer)
    given = masking_noise(0.3)(KEY, jnp.asarray(target)).inputs
    whole = model.with_decoder_kernels(variables)
    actual, _ = objective.loss(variables, BATCH, KEY)
    np.testing.assert_allclose(actual, by_hand(whole, layer, target, given).mean(), rtol=1e-5)
    evaluated = objective.evaluate(variables, BATCH)
    np.testing.assert_allclose(evaluated["loss"], by_hand(whole, layer, target, target), rtol=1e-4)
    recon = model.reconstruct(variables, INPUTS)
    np.testing.assert_allclose(evaluated["mse"], np.mean(np.square(recon - INPUTS), axis=1), rtol=1e-5)


@every_layer
def test_only_the_layer_and_the_one_that_undoes_it_have_a_gradient(layer):
    objective, _, variables = of_layer(layer, 0.3)
    _, gradient = loss_and_gradient(objective, variables, BATCH, KEY)
    moved = {
        tuple(key.key for key in path[:-1])
        for path, leaf in jax.tree_util.tree_leaves_with_path(gradient)
        if np.any(leaf != 0)
    }
    assert moved == set(layer_param_paths(CONFIG, layer))


def test_the_layers_of_encoder_and_decoder_are_paired_by_their_widths():
    _, variables = started(tied=False)
    for layer in range(3):
        encoder, decoder = (at(variables["params"], path)["kernel"].shape for path in layer_param_paths(CONFIG, layer))
        assert encoder == decoder[::-1]
    chosen = [path for layer in range(3) for path in layer_param_paths(CONFIG, layer)]
    assert len(set(chosen)) == len(chosen) == 6
