"""Reconstruction terms equal their formulas, also where the formulas overflow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, logit

from aejax.objectives.objective import (
    make_reconstruction_loss,
    per_example_mse,
    sigmoid_binary_cross_entropy,
    softplus,
)


def naive_bce(logits, target):
    probability = 1 / (1 + np.exp(-logits))
    return -(target * np.log(probability) + (1 - target) * np.log(1 - probability))


def test_bce_from_logits_is_the_cross_entropy_of_their_sigmoids():
    rng = np.random.default_rng(0)
    logits, target = 5 * rng.normal(size=(40, 7)), rng.uniform(size=(40, 7))
    actual = sigmoid_binary_cross_entropy(jnp.asarray(logits), jnp.asarray(target))
    np.testing.assert_allclose(actual, naive_bce(logits, target), rtol=1e-5)


@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_bce_and_its_gradient_are_exact_at_logits_where_the_naive_formula_is_not_finite(size):
    logits = jnp.array([[size, -size, size, -size]])
    target = jnp.array([[1.0, 0.0, 0.0, 1.0]])
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        assert not np.isfinite(naive_bce(np.asarray(logits), np.asarray(target))).all()
    np.testing.assert_allclose(sigmoid_binary_cross_entropy(logits, target), [[0, 0, size, size]], rtol=1e-6)
    gradient = jax.grad(lambda z: jnp.sum(sigmoid_binary_cross_entropy(z, target)))(logits)
    np.testing.assert_allclose(gradient, [[0, 0, 1, -1]], atol=1e-7)


@pytest.mark.parametrize("target", [0.01, 0.3, 0.5, 0.99])
def test_bce_is_lowest_where_the_sigmoid_of_the_logit_is_the_target(target):
    targets = jnp.full((1, 1), target)
    best = float(logit(target))
    slope = jax.grad(lambda z: sigmoid_binary_cross_entropy(z, targets)[0, 0])
    np.testing.assert_allclose(slope(jnp.full((1, 1), best)), 0, atol=1e-6)
    for away in (0.1, 1.0, 10.0):
        assert sigmoid_binary_cross_entropy(jnp.full((1, 1), best + away), targets) > sigmoid_binary_cross_entropy(
            jnp.full((1, 1), best), targets
        )
        assert float(slope(jnp.full((1, 1), best - away))[0, 0]) < 0 < float(slope(jnp.full((1, 1), best + away))[0, 0])


@pytest.mark.parametrize(
    ("recon", "target", "expected"),
    [
        pytest.param([[1.0, 2.0]], [[1.0, 2.0]], [0.0], id="perfect"),
        pytest.param([[0.0, 0.0]], [[3.0, 4.0]], [12.5], id="3-4-5"),
        pytest.param([[1.0, 1.0], [2.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]], [1.0, 4.0], id="each example by itself"),
        pytest.param([[-1.0]], [[1.0]], [4.0], id="sign"),
    ],
)
def test_mse_is_the_mean_over_features_of_squared_differences(recon, target, expected):
    np.testing.assert_array_equal(per_example_mse(jnp.array(recon), jnp.array(target)), expected)


def test_the_term_applies_the_sigmoid_exactly_where_the_output_has_one_and_the_loss_does_not():
    rng = np.random.default_rng(1)
    outputs, target = rng.normal(size=(9, 4)), rng.uniform(size=(9, 4))
    arrays = jnp.asarray(outputs), jnp.asarray(target)
    actual = {pair: make_reconstruction_loss(*pair)(*arrays) for pair in [("mse", "sigmoid"), ("mse", "linear")]}
    np.testing.assert_allclose(actual["mse", "sigmoid"], (expit(outputs) - target) ** 2, rtol=1e-5)
    np.testing.assert_allclose(actual["mse", "linear"], (outputs - target) ** 2, rtol=1e-5)
    np.testing.assert_allclose(
        make_reconstruction_loss("bce", "sigmoid")(*arrays), naive_bce(outputs, target), rtol=1e-5
    )


def test_softplus_and_its_derivatives_are_those_of_its_definition():
    # The custom rule must be the derivative of the value, and differentiable itself.
    points = np.linspace(-30, 30, 61)
    np.testing.assert_allclose(softplus(jnp.asarray(points)), np.logaddexp(0, points), rtol=1e-6)
    slope = jax.vmap(jax.grad(softplus))(jnp.asarray(points))
    np.testing.assert_allclose(slope, expit(points), rtol=1e-5)
    bend = jax.vmap(jax.grad(jax.grad(softplus)))(jnp.asarray(points))
    np.testing.assert_allclose(bend, expit(points) * expit(-points), atol=1e-6)
