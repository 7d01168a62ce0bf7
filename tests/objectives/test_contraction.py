"""The squared Frobenius norm of the encoder's Jacobian, by every way there is to it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.config import ModelConfig, ObjectiveConfig
from aejax.models.architectures import dense_autoencoder
from aejax.models.dense import FRAMEWORK_DEFAULTS, activation_function
from aejax.objectives.contractive import (
    contractive_penalty,
    exact_jacobian_norm,
    hutchinson_jacobian_norm,
    single_layer_jacobian_norm,
)
from aejax.objectives.penalties import ForwardPass

INPUTS = jax.random.normal(jax.random.key(0), (16, 6))
KEY = jax.random.key(5)
ONE_LAYER, DEEP = (), (7,)
ACTIVATIONS = ["sigmoid", "relu", "gelu"]


@functools.cache
def made(hidden, activation="sigmoid", latent_dim=4):
    config = ModelConfig(
        hidden=hidden,
        latent_dim=latent_dim,
        code_activation=activation,
        activation="tanh",
        output="linear",
    )
    model = dense_autoencoder(config, 6)
    return model, jax.jit(model.init)(jax.random.key(1))


def encoder(hidden, activation="sigmoid", latent_dim=4):
    model, variables = made(hidden, activation, latent_dim)
    return functools.partial(model.encode, variables)


@functools.cache
def exactly(hidden, activation="sigmoid", latent_dim=4):
    """Returns `exact_jacobian_norm` of the inputs."""
    return np.asarray(jax.jit(functools.partial(exact_jacobian_norm, encoder(hidden, activation, latent_dim)))(INPUTS))


def by_finite_differences(encode, step: float = 3e-3):
    """Of every example, the sum over inputs and units of squared central differences."""
    moved = [(encode(INPUTS + step * e[None]) - encode(INPUTS - step * e[None])) / (2 * step) for e in jnp.eye(6)]
    return sum(np.sum(np.asarray(column, np.float64) ** 2, axis=1) for column in moved)


@pytest.mark.parametrize("hidden", [ONE_LAYER, DEEP], ids=["one layer", "deep"])
def test_the_exact_norm_is_that_of_finite_differences(hidden):
    np.testing.assert_allclose(exactly(hidden), by_finite_differences(encoder(hidden)), rtol=5e-3)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_of_one_layer_the_closed_form_is_the_exact_norm(activation):
    _, variables = made(ONE_LAYER, activation)
    function = activation_function(activation, FRAMEWORK_DEFAULTS["flax"])
    actual = single_layer_jacobian_norm(variables["params"]["encoder"]["code"], function, INPUTS)
    np.testing.assert_allclose(actual, exactly(ONE_LAYER, activation), rtol=1e-4)


def test_of_a_linear_layer_it_is_the_weights_squared_length_for_every_example():
    _, variables = made(ONE_LAYER, "linear")
    expected = np.sum(np.square(variables["params"]["encoder"]["code"]["kernel"]))
    np.testing.assert_allclose(exactly(ONE_LAYER, "linear"), expected, rtol=1e-5)


@pytest.mark.parametrize("hidden", [ONE_LAYER, DEEP], ids=["one layer", "deep"])
def test_hutchinsons_estimate_is_unbiased_and_its_spread_falls_with_the_root_of_the_probes(hidden):
    encode, draws = encoder(hidden), 4000

    def by_one_and_by_four(key):
        return tuple(hutchinson_jacobian_norm(encode, INPUTS, key, probes) for probes in (1, 4))

    by_one, by_four = map(np.asarray, jax.jit(jax.vmap(by_one_and_by_four))(jax.random.split(KEY, draws)))
    for estimates in (by_one, by_four):
        standard_error = estimates.std(axis=0) / np.sqrt(draws)
        assert np.all(standard_error > 0)
        assert np.all(np.abs(estimates.mean(axis=0) - exactly(hidden)) < 4.5 * standard_error)
    np.testing.assert_allclose(by_four.std(axis=0), by_one.std(axis=0) / 2, rtol=0.15)


def test_of_a_single_unit_hutchinsons_estimate_is_exact():
    # A sign squared is one, so nothing is left to chance.
    encode = encoder(DEEP, latent_dim=1)
    np.testing.assert_allclose(hutchinson_jacobian_norm(encode, INPUTS, KEY, 1), exactly(DEEP, latent_dim=1), rtol=1e-5)


def penalties_of(hidden, configs, *, latent_dim=4, single_layer_activation=None, keys=(KEY,)):
    """The penalty of the inputs, for each config and key."""
    model, variables = made(hidden, latent_dim=latent_dim)
    latents = model.encode(variables, INPUTS)

    def every():
        penalties = [
            contractive_penalty(config.contraction, config, model, latent_dim, single_layer_activation)
            for config in configs
        ]
        return [penalty(ForwardPass(variables, INPUTS, latents, key)) for penalty in penalties for key in keys]

    return jax.jit(every)()


@pytest.mark.parametrize("hidden", [ONE_LAYER, DEEP], ids=["one layer", "deep"])
def test_whichever_way_the_config_takes_it_arrives_at_the_same_penalty(hidden):
    closed = jax.nn.sigmoid if hidden == ONE_LAYER else None
    configs = [
        ObjectiveConfig(contraction=0.3, jacobian=jacobian, jacobian_probes=20)
        for jacobian in ("exact", None, "hutchinson")
    ]
    exact, left_open, estimate = penalties_of(hidden, configs, single_layer_activation=closed)
    expected = 0.3 * exactly(hidden)
    np.testing.assert_allclose(exact, expected, rtol=1e-4)
    np.testing.assert_allclose(left_open, expected, rtol=1e-4)
    np.testing.assert_allclose(estimate, expected, rtol=0.7)
    np.testing.assert_allclose(estimate.mean(), expected.mean(), rtol=0.1)
    assert not np.allclose(estimate, expected, rtol=1e-3)


@pytest.mark.parametrize(("latent_dim", "exact"), [(8, True), (9, False)], ids=["narrow", "wide"])
def test_left_open_a_deep_encoders_jacobian_is_formed_where_the_code_is_narrow_and_else_estimated(latent_dim, exact):
    keys = [jax.random.key(seed) for seed in (0, 1)]
    actual = penalties_of(DEEP, [ObjectiveConfig(contraction=1.0)], latent_dim=latent_dim, keys=keys)
    assert np.array_equal(*actual) == exact
    assert np.allclose(actual[0], exactly(DEEP, latent_dim=latent_dim), rtol=1e-4) == exact


def test_a_step_down_the_penalty_makes_the_encoder_move_less():
    model, variables = made(DEEP)

    def value(params):
        return jnp.mean(exact_jacobian_norm(functools.partial(model.encode, {**variables, "params": params}), INPUTS))

    before, gradient = jax.jit(jax.value_and_grad(value))(variables["params"])
    stepped = jax.tree.map(lambda p, g: p - 0.5 * g, variables["params"], gradient)
    after = by_finite_differences(functools.partial(model.encode, {**variables, "params": stepped})).mean()
    promised = 0.5 * sum(float(jnp.sum(g**2)) for g in jax.tree.leaves(gradient))
    np.testing.assert_allclose(before - after, promised, rtol=0.2)
