"""Tied weights are one set of weights: stored once, transposed in the decoder, pulled on from both sides."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.config import ModelConfig
from aejax.data.batching import Batch
from aejax.errors import InputError
from aejax.models.architectures import dense_autoencoder
from aejax.models.autoencoder import Autoencoder
from aejax.objectives.deterministic import autoencoder_objective
from aejax.objectives.objective import squared_error
from aejax.train.epoch import make_train_step
from aejax.train.state import init_state
from tests.losses import loss_and_gradient

BATCH = Batch(jax.random.normal(jax.random.key(0), (32, 6)), jnp.zeros(32, jnp.int32))
CONFIGS = {
    "one layer": ModelConfig(hidden=(), latent_dim=3, output="linear", tied=True),
    "deep": ModelConfig(hidden=(8, 5), latent_dim=3, output="linear", tied=True, activation="tanh"),
    "deep, batch norm": ModelConfig(hidden=(8, 5), latent_dim=3, output="linear", tied=True, batch_norm=True),
}
every_config = pytest.mark.parametrize("name", CONFIGS)


@functools.cache
def made(name: str):
    model = dense_autoencoder(CONFIGS[name], 6)
    return model, jax.jit(model.init)(jax.random.key(1))


def untied(model) -> Autoencoder:
    """The same modules, where both parts have their own weights."""
    return Autoencoder(model.encoder, model.decoder, model.output_activation, model.n_features)


def encoder_kernels(params) -> list[jax.Array]:
    """From the inputs inwards."""
    hidden = params["encoder"].get("hidden", {})
    names = sorted(name for name in hidden if name.startswith("Dense"))
    return [*(hidden[name]["kernel"] for name in names), params["encoder"]["code"]["kernel"]]


def decoder_kernels(params) -> list[jax.Array]:
    """From the code outwards."""
    hidden = params["decoder"].get("hidden", {})
    names = sorted(name for name in hidden if name.startswith("Dense"))
    return [*(hidden[name]["kernel"] for name in names), params["decoder"]["output"]["kernel"]]


def assert_transposed(params) -> None:
    encoder, decoder = encoder_kernels(params), decoder_kernels(params)
    for ours, theirs in zip(encoder, reversed(decoder), strict=True):
        np.testing.assert_array_equal(theirs, ours.T)


@every_config
def test_the_decoder_stores_no_weights_and_its_effective_ones_are_the_encoders_transposed_after_training(name):
    model, variables = made(name)
    optimizer = optax.adamw(0.01, weight_decay=0.1)
    step = jax.jit(make_train_step(autoencoder_objective(model, squared_error), optimizer))
    state = init_state(variables, optimizer)
    for _ in range(5):
        state, _ = step(state, BATCH, jax.random.key(2))
    for params in (variables["params"], state.variables["params"]):
        assert not [
            path for path, _ in jax.tree_util.tree_leaves_with_path(params["decoder"]) if path[-1].key == "kernel"
        ]
        assert_transposed(model.with_decoder_kernels({**state.variables, "params": params})["params"])
    moved = zip(encoder_kernels(variables["params"]), encoder_kernels(state.variables["params"]), strict=True)
    assert all(np.any(before != after) for before, after in moved)


@every_config
def test_it_is_the_untied_autoencoder_whose_decoder_has_the_transposed_weights(name):
    model, variables = made(name)
    whole = model.with_decoder_kernels(variables)
    assert_transposed(whole["params"])
    for train in (True, False):
        tied, apart = (
            own.forward(values, BATCH.inputs, train=train)
            for own, values in ((model, variables), (untied(model), whole))
        )
        jax.tree.map(np.testing.assert_array_equal, tied, apart)
    np.testing.assert_array_equal(
        model.reconstruct(variables, BATCH.inputs), untied(model).reconstruct(whole, BATCH.inputs)
    )


@every_config
def test_the_gradient_of_shared_weights_is_the_sum_of_those_of_both_uses(name):
    model, variables = made(name)

    def gradient(own, values):
        return loss_and_gradient(autoencoder_objective(own, squared_error), values, BATCH, jax.random.key(2))[1]

    tied, apart = gradient(model, variables), gradient(untied(model), model.with_decoder_kernels(variables))
    both = zip(encoder_kernels(tied), encoder_kernels(apart), reversed(decoder_kernels(apart)), strict=True)
    for shared, in_encoder, in_decoder in both:
        np.testing.assert_allclose(shared, in_encoder + in_decoder.T, rtol=1e-4, atol=1e-6)
        assert np.any(in_decoder != 0)
        assert np.any(in_encoder != 0)


def test_the_encoder_starts_from_the_weights_of_the_untied_one():
    model, variables = made("deep")
    apart = untied(model).init(jax.random.key(1))
    jax.tree.map(np.testing.assert_array_equal, variables["params"]["encoder"], apart["params"]["encoder"])


@pytest.mark.parametrize(
    ("hidden", "decoder_hidden", "fix"),
    [((8, 5), (8, 5), "--decoder-hidden 5 8"), ((8,), (), "--decoder-hidden 8"), ((), (4,), "--decoder-hidden$")],
)
def test_a_decoder_that_does_not_mirror_the_encoder_cannot_be_tied(hidden, decoder_hidden, fix):
    config = ModelConfig(hidden=hidden, decoder_hidden=decoder_hidden, latent_dim=3, output="linear", tied=True)
    with pytest.raises(InputError, match=f"--tied: the decoder must mirror the encoder; give {fix}"):
        dense_autoencoder(config, 6)
    mirrored = ModelConfig(hidden=hidden, decoder_hidden=hidden[::-1], latent_dim=3, output="linear", tied=True)
    assert_transposed(
        dense_autoencoder(mirrored, 6).with_decoder_kernels(dense_autoencoder(mirrored, 6).init(jax.random.key(0)))[
            "params"
        ]
    )
