"""A penalty equals its formula, has the gradient that it should, and cannot be evaded by rescaling."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from aejax.config import ModelConfig
from aejax.models.architectures import dense_autoencoder
from aejax.models.sparsity import BatchTopK, TopK
from aejax.objectives.penalties import (
    ForwardPass,
    bernoulli_kl,
    dead_unit_loss,
    decoder_scaled_l1,
    kl_sparsity,
)

LATENTS = jnp.array([[1.5, -2.0, 0.25], [-1.0, 3.0, -0.5]])
INPUTS = jax.random.normal(jax.random.key(0), (32, 6))


@functools.cache
def relu_autoencoder(hidden=(), sparsity=None, tied=False):
    config = ModelConfig(hidden=hidden, latent_dim=8, code_activation="relu", output="linear", tied=tied)
    model = dense_autoencoder(config, 6, sparsity)
    return model, jax.jit(model.init)(jax.random.key(1))


def passed(model, variables, inputs=INPUTS) -> ForwardPass:
    latents, _ = model.train_encode(variables, inputs)
    return ForwardPass(variables, inputs, latents, jax.random.key(0))


def of_latents(latents) -> ForwardPass:
    return ForwardPass({}, latents, latents, jax.random.key(0))


@pytest.mark.parametrize("hidden", [(), (7,)], ids=["one layer", "deep"])
@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
def test_the_l1_charge_on_contributions_is_activity_times_the_length_of_the_units_decoder_weights(tied, hidden):
    # So it cannot be evaded by a smaller code and larger weights.
    model, variables = relu_autoencoder(hidden, tied=tied)
    own, params = passed(model, variables), variables["params"]
    first = params["decoder"]["hidden"]["Dense_0"] if hidden else params["decoder"]["output"]
    kernel = np.asarray(params["encoder"]["code"]["kernel"].T if tied else first["kernel"])
    expected = 0.3 * np.abs(own.latents) @ np.sqrt((kernel**2).sum(axis=1))
    np.testing.assert_allclose(decoder_scaled_l1(0.3, model)(own), expected, rtol=1e-5)
    assert expected.std() > 0


@pytest.mark.parametrize("target", [0.01, 0.05, 0.5, 0.9])
def test_the_bernoulli_divergence_is_scipys(target):
    activity = np.linspace(0.001, 0.999, 41)
    actual = bernoulli_kl(target, jnp.asarray(activity))
    expected = [scipy.stats.entropy([target, 1 - target], [a, 1 - a]) for a in activity]
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("activity", [0.0, 1.0])
def test_the_bernoulli_divergence_is_finite_for_units_that_are_always_off_or_on(activity):
    value, slope = jax.value_and_grad(lambda a: bernoulli_kl(0.05, a[None])[0])(jnp.asarray(activity))
    assert np.isfinite(value)
    assert np.isfinite(slope)


def test_the_target_charge_is_on_the_mean_over_the_batch_and_not_on_each_example():
    # Half of the examples wholly on and half off has the mean that the target asks for.
    codes = jnp.repeat(jnp.array([[1.0], [0.0]]), 4, axis=0) * jnp.ones((1, 3))
    np.testing.assert_allclose(kl_sparsity(2.0, 0.5)(of_latents(codes)), 0, atol=1e-6)
    expected = 2.0 * 3 * scipy.stats.entropy([0.1, 0.9], [0.5, 0.5])
    np.testing.assert_allclose(kl_sparsity(2.0, 0.1)(of_latents(codes)), expected, rtol=1e-5)


class TestReviving:
    @staticmethod
    def deadened(variables, units):
        """These units far below what activates them, for every example."""
        code = variables["params"]["encoder"]["code"]
        bias = code["bias"].at[jnp.array(units, int)].set(-100.0)
        encoder = {**variables["params"]["encoder"], "code": {**code, "bias": bias}}
        return {**variables, "params": {**variables["params"], "encoder": encoder}}

    @staticmethod
    def value_and_pull(model, variables, weight=0.5):
        """The charge, and the gradient to every unit's bias in front of the code."""

        def of_params(params):
            return dead_unit_loss(weight, model)(passed(model, {**variables, "params": params}))

        value, gradient = jax.jit(jax.value_and_grad(of_params))(variables["params"])
        return value, gradient["encoder"]["code"]["bias"], gradient["decoder"]

    SPARSITIES = (None, TopK(3, 3), BatchTopK(3))
    every_sparsity = pytest.mark.parametrize("sparsity", SPARSITIES, ids=["relu", "top k", "batch top k"])

    @every_sparsity
    def test_dead_units_are_pulled_up_and_no_other_units_activity_is_touched(self, sparsity):
        model, variables = relu_autoencoder((), sparsity)
        value, pull, decoder = self.value_and_pull(model, self.deadened(variables, [2, 5]))
        assert value > 0
        np.testing.assert_allclose(pull[jnp.array([2, 5])], -0.5, rtol=1e-5)  # a step down the gradient is up
        assert np.all(np.delete(pull, [2, 5]) == 0)
        assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(decoder))

    def test_the_charge_is_how_far_each_dead_unit_is_below_the_least_activity_that_was_kept(self):
        model, variables = relu_autoencoder((), TopK(3, 3))
        variables = self.deadened(variables, [2])
        own = passed(model, variables)
        before = np.asarray(model.encode_preactivations(variables, INPUTS))
        kept = np.where(own.latents != 0, own.latents, np.inf).min(axis=1)
        kept = np.where(np.isinf(kept), 0, kept)  # an example that activates nothing: what is above zero would be
        np.testing.assert_allclose(dead_unit_loss(0.5, model)(own), 0.5 * np.mean(kept - before[:, 2]), rtol=1e-5)

    def test_where_all_units_are_dead_the_charge_is_their_distance_from_zero(self):
        model, variables = relu_autoencoder()
        variables = self.deadened(variables, range(8))
        own = passed(model, variables)
        assert np.all(own.latents == 0)
        before = np.asarray(model.encode_preactivations(variables, INPUTS))
        np.testing.assert_allclose(dead_unit_loss(0.5, model)(own), 0.5 * np.mean(-before.sum(axis=1)), rtol=1e-5)
