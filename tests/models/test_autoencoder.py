"""An autoencoder is its encoder and its decoder and nothing else."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.config import ModelConfig
from aejax.models.architectures import dense_autoencoder

INPUTS = 3 * jax.random.normal(jax.random.key(0), (32, 6))
CONFIGS = {
    "no hidden layer": ModelConfig(hidden=(), latent_dim=3, output="sigmoid"),
    "deep": ModelConfig(hidden=(8, 5), latent_dim=3, output="linear"),
    "batch norm, keras": ModelConfig(
        hidden=(8,), latent_dim=3, batch_norm=True, conventions="keras", output="sigmoid", activation="leaky_relu"
    ),
}
every_config = pytest.mark.parametrize("name", CONFIGS)


@functools.cache
def made(name: str):
    model = dense_autoencoder(CONFIGS[name], n_features=6)
    return model, model.init(jax.random.key(5))


@every_config
def test_reconstructing_is_decoding_the_code_and_forward_is_the_same_before_the_last_activation(name):
    model, variables = made(name)
    latents, outputs, stats = model.forward(variables, INPUTS, train=False)
    assert latents.shape == (32, CONFIGS[name].latent_dim)
    np.testing.assert_array_equal(latents, model.encode(variables, INPUTS))
    recon = model.reconstruct(variables, INPUTS)
    assert recon.shape == INPUTS.shape
    np.testing.assert_array_equal(recon, model.decode(variables, latents))
    last = jax.nn.sigmoid if CONFIGS[name].output == "sigmoid" else lambda x: x
    np.testing.assert_array_equal(recon, last(outputs))
    jax.tree.map(np.testing.assert_array_equal, stats, variables["batch_stats"])


@pytest.mark.parametrize(
    ("decoder_hidden", "widths"), [(None, (2, 5, 9, 6)), ((4,), (2, 4, 6)), ((), (2, 6))], ids=["mirrored", "4", "none"]
)
def test_the_decoder_mirrors_the_encoder_by_default(decoder_hidden, widths):
    config = ModelConfig(hidden=(9, 5), decoder_hidden=decoder_hidden, latent_dim=2, output="linear")
    params = jax.eval_shape(dense_autoencoder(config, n_features=6).init, jax.random.key(0))["params"]["decoder"]
    shapes = {leaf.shape for leaf in jax.tree.leaves(params) if leaf.ndim == 2}
    assert shapes == set(itertools.pairwise(widths))


@every_config
def test_encoder_and_decoder_have_separate_weights(name):
    model, variables = made(name)

    def code_sum(params):
        return jnp.sum(model.encode({**variables, "params": params}, INPUTS) ** 2)

    gradient = jax.jit(jax.grad(code_sum))(variables["params"])
    assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(gradient["decoder"]))
    assert any(np.any(leaf != 0) for leaf in jax.tree.leaves(gradient["encoder"]))
