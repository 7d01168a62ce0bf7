"""The evidence bounds: against the exact evidence where that is known, and against each other."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from aejax.config import ModelConfig, ObjectiveConfig
from aejax.data.batching import Batch
from aejax.models.architectures import dense_vae
from aejax.objectives.variational import elbo_and_iwae, make_log_likelihood, variational_objective

FEATURES, LATENT = 5, 2
INPUTS = jax.random.normal(jax.random.key(0), (200, FEATURES))
GAUSSIAN, LEARNED = (ObjectiveConfig(likelihood="gaussian", decoder_std=std) for std in (0.5, None))


@functools.cache
def made(hidden=(7,), learned_std=False):
    config = ModelConfig(hidden=hidden, latent_dim=LATENT, output="linear", activation="tanh")
    model = dense_vae(config, FEATURES, learned_std)
    return model, jax.jit(model.init)(jax.random.key(1))


def with_layer(variables, part: str, layer: str, **leaves):
    """Variables with some leaves of one layer replaced."""
    own = {**variables["params"][part], layer: {**variables["params"][part][layer], **leaves}}
    return {**variables, "params": {**variables["params"], part: own}}


def both_bounds(model, config, variables, samples):
    likelihood = make_log_likelihood(config, model)
    return jax.jit(lambda own: elbo_and_iwae(model, likelihood, own, INPUTS, samples))(variables)


@pytest.mark.parametrize("config", [GAUSSIAN, LEARNED], ids=["fixed", "learned"])
def test_the_lower_bound_is_below_the_weighted_one_for_every_example_and_equal_for_one_sample(config):
    model, variables = made(learned_std=config is LEARNED)
    elbo, weighted = both_bounds(model, config, variables, 20)
    assert np.all(elbo < weighted)
    np.testing.assert_allclose(*both_bounds(model, config, variables, 1), rtol=1e-5)


def broad(variables):
    """An encoder that gives everything a posterior as wide as the prior: no weight is far above the others."""
    hidden = variables["params"]["encoder"]["code"]["kernel"].shape[0]
    variables = with_layer(variables, "encoder", "log_variance", kernel=jnp.zeros((hidden, LATENT)))
    return with_layer(variables, "encoder", "code", kernel=jnp.full((hidden, LATENT), 0.05))


def test_the_importance_weighted_bound_rises_with_samples_and_the_lower_one_does_not():
    model, variables = made()
    variables = broad(variables)
    actual = [both_bounds(model, GAUSSIAN, variables, samples) for samples in (1, 4, 16)]
    elbos, weighted = (np.array([pair[index] for pair in actual], np.float64) for index in (0, 1))
    steps = np.diff(weighted, axis=0)
    standard_error = steps.std(axis=1) / np.sqrt(len(INPUTS))
    assert np.all(steps.mean(axis=1) > 4 * standard_error)
    drift = np.diff(elbos, axis=0)
    assert np.all(np.abs(drift.mean(axis=1)) < 4 * drift.std(axis=1) / np.sqrt(len(INPUTS)))


def exact_log_evidence(variables):
    """Of a linear decoder with Gaussian noise: `x ~ N(b, W'W + 0.25 I)`."""
    layer = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables["params"]["decoder"]["output"])
    covariance = layer["kernel"].T @ layer["kernel"] + 0.25 * np.eye(FEATURES)
    return scipy.stats.multivariate_normal(layer["bias"], covariance).logpdf(INPUTS)


def test_of_a_linear_gaussian_model_the_weighted_bound_approaches_the_exact_evidence_from_below():
    model, variables = made(hidden=())
    variables = broad(variables)
    exact = exact_log_evidence(variables)
    gaps = []
    for samples in (1, 100, 10_000):
        _, weighted = both_bounds(model, GAUSSIAN, variables, samples)
        gaps.append(np.mean(exact - weighted))
    assert gaps[0] > 1
    assert gaps[1] < 0.1 * gaps[0]
    assert abs(gaps[2]) < 0.02


def test_with_the_exact_posterior_both_bounds_are_the_exact_evidence_for_any_number_of_samples():
    # Orthogonal decoder weights make the true posterior diagonal, so that the encoder can be it.
    model, variables = made(hidden=())
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(FEATURES, LATENT)))[0] * [1.5, 0.6]
    precision = 1 + np.sum(axes**2, axis=0) / 0.25
    variables = with_layer(variables, "decoder", "output", kernel=jnp.asarray(axes.T, jnp.float32))
    to_mean = jnp.asarray(axes / 0.25 / precision, jnp.float32)
    variables = with_layer(variables, "encoder", "code", kernel=to_mean)
    variables = with_layer(
        variables,
        "encoder",
        "log_variance",
        kernel=jnp.zeros((FEATURES, LATENT)),
        bias=jnp.asarray(-np.log(precision), jnp.float32),
    )
    exact = exact_log_evidence(variables)
    for samples in (1, 7):
        for bound in both_bounds(model, GAUSSIAN, variables, samples):
            np.testing.assert_allclose(bound, exact, rtol=1e-4)


def test_the_evaluated_loss_of_a_vae_is_the_negative_lower_bound_on_average_over_draws():
    model, variables = made()
    likelihood = make_log_likelihood(GAUSSIAN, model)
    objective = variational_objective(model, likelihood, beta=1.0, warmup_steps=0, free_bits=0.0)
    elbo, _ = both_bounds(model, GAUSSIAN, variables, 64)
    evaluated = jax.jit(objective.evaluate)(variables, Batch(INPUTS, jnp.zeros(200, jnp.int32)))
    difference = np.asarray(evaluated["loss"] + elbo)
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(INPUTS))
