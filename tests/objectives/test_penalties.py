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


def scaled_code(variables, by: float):
    """The code's layer times `by`, what the decoder makes of it divided by it."""
    params = variables["params"]
    code = jax.tree.map(lambda leaf: by * leaf, params["encoder"]["code"])
    first = ("hidden", "Dense_0") if "hidden" in params["decoder"] else ("output",)
    decoder = jax.tree.map(lambda leaf: leaf, params["decoder"])
    layer = functools.reduce(lambda tree, name: tree[name], first, decoder)
    layer["kernel"] = layer["kernel"] / by
    return {**variables, "params": {"encoder": {**params["encoder"], "code": code}, "decoder": decoder}}


@pytest.mark.parametrize("hidden", [(), (7,)], ids=["one layer", "deep"])
@pytest.mark.parametrize("by", [0.5, 4.0])
def test_the_l1_charge_on_contributions_cannot_be_evaded_by_a_smaller_code_and_the_plain_one_can(hidden, by):
    model, variables = relu_autoencoder(hidden)
    evading = scaled_code(variables, by)
    np.testing.assert_allclose(
        model.reconstruct(evading, INPUTS), model.reconstruct(variables, INPUTS), rtol=1e-4, atol=1e-5
    )
    before, after = passed(model, variables), passed(model, evading)
    charge = decoder_scaled_l1(0.3, model)
    np.testing.assert_allclose(charge(after), charge(before), rtol=1e-5)
    plain_l1 = [jnp.sum(jnp.abs(one.latents), axis=1) for one in (before, after)]
    np.testing.assert_allclose(plain_l1[1], by * plain_l1[0], rtol=1e-5)


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
def test_the_l1_charge_on_contributions_is_activity_times_the_length_of_the_units_decoder_weights(tied):
    model, variables = relu_autoencoder(tied=tied)
    own = passed(model, variables)
    kernel = variables["params"]["encoder"]["code"]["kernel"].T if tied else None
    kernel = np.asarray(variables["params"]["decoder"]["output"]["kernel"] if kernel is None else kernel)
    expected = 0.3 * np.abs(own.latents) @ np.sqrt((kernel**2).sum(axis=1))
    np.testing.assert_allclose(decoder_scaled_l1(0.3, model)(own), expected, rtol=1e-5)
    assert expected.std() > 0


@pytest.mark.parametrize("target", [0.01, 0.05, 0.5, 0.9])
def test_the_bernoulli_divergence_is_scipys_zero_at_the_target_and_above_it_elsewhere(target):
    activity = np.linspace(0.001, 0.999, 41)
    actual = bernoulli_kl(target, jnp.asarray(activity))
    expected = [scipy.stats.entropy([target, 1 - target], [a, 1 - a]) for a in activity]
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)
    assert np.all(actual > -1e-7)
    np.testing.assert_allclose(bernoulli_kl(target, jnp.full(1, target)), 0, atol=1e-7)
    slope = jax.vmap(jax.grad(lambda a: bernoulli_kl(target, a[None])[0]))(jnp.asarray(activity))
    away = np.abs(activity - target) > 0.02
    np.testing.assert_array_equal(np.sign(slope)[away], np.sign(activity - target)[away])


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
    def test_where_every_unit_is_active_somewhere_it_is_zero_and_pulls_nothing(self, sparsity):
        model, variables = relu_autoencoder((), sparsity)
        assert np.all((passed(model, variables).latents != 0).any(axis=0))
        value, pull, _ = self.value_and_pull(model, variables)
        assert value == 0
        assert np.all(pull == 0)

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
