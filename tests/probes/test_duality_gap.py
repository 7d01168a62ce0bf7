"""The certificate bounds the distance from the optimum, which scikit-learn computes here."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from aejax.probes.duality_gap import compute_certificate, fit_intercepts, mean_nll

L2 = 1e-2


def optimum(load) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    inputs, labels = load(return_X_y=True)
    inputs = StandardScaler().fit_transform(inputs)
    model = LogisticRegression(C=1 / (L2 * len(labels)), tol=1e-12, max_iter=100_000, solver="newton-cg")
    model.fit(inputs, labels)
    if len(model.classes_) > 2:
        return inputs, labels, model.coef_.T, model.intercept_
    halves, bias = model.coef_[0] / 2, model.intercept_[0] / 2
    return inputs, labels, np.stack([-halves, halves], axis=1), np.array([-bias, bias])


def objective(inputs, labels, weights, bias) -> float:
    strength = L2 * (2 if weights.shape[1] == 2 else 1)
    return mean_nll(inputs @ weights + bias, labels) + strength / 2 * np.sum(weights**2)


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer], ids=["three classes", "two classes"])
def test_gradient_and_gap_are_zero_at_the_optimum(load):
    certificate = compute_certificate(*optimum(load), L2)
    assert certificate.gradient_norm < 1e-7
    assert 0 <= certificate.gap < 1e-9


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer], ids=["three classes", "two classes"])
@pytest.mark.parametrize("part", ["weights", "bias", "both"])
def test_the_gap_is_at_least_the_distance_in_the_objective(load, part):
    inputs, labels, weights, bias = optimum(load)
    minimum = objective(inputs, labels, weights, bias)
    rng = np.random.default_rng(0)
    for size in 3 * [1e-3, 1e-2, 0.3, 3.0]:
        moved = weights + size * rng.normal(size=weights.shape) * (part != "bias")
        moved_bias = bias + size * rng.normal(size=bias.shape) * (part != "weights")
        value = objective(inputs, labels, moved, moved_bias)
        assert compute_certificate(inputs, labels, moved, moved_bias, L2).gap * value >= value - minimum - 1e-9


def test_near_the_optimum_the_gap_falls_with_the_square_of_the_distance():
    inputs, labels, weights, bias = optimum(load_wine)
    direction = np.random.default_rng(0).normal(size=weights.shape)
    gaps = [compute_certificate(inputs, labels, weights + size * direction, bias, L2).gap for size in (1e-3, 1e-4)]
    np.testing.assert_allclose(gaps[0] / gaps[1], 100, rtol=0.1)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_gap_is_the_distance_where_the_loss_does_not_depend_on_the_weights(classes):
    labels = np.arange(60) % classes
    inputs, bias = np.zeros((60, 4)), np.zeros(classes)
    weights = np.random.default_rng(0).normal(size=(4, classes))
    value, minimum = (objective(inputs, labels, scale * weights, bias) for scale in (1, 0))
    certificate = compute_certificate(inputs, labels, weights, bias, L2)
    np.testing.assert_allclose(certificate.gap * value, value - minimum, rtol=1e-6)


def test_without_a_penalty_the_gap_is_infinite():
    assert compute_certificate(*optimum(load_wine), 0.0).gap == np.inf


def test_optimal_intercepts_make_the_mean_probabilities_the_class_frequencies():
    inputs, labels, weights, bias = optimum(load_wine)
    intercepts = fit_intercepts(3 * inputs @ weights, labels, bias + 2.0)
    np.testing.assert_allclose(
        softmax(3 * inputs @ weights + intercepts, axis=1).mean(axis=0), np.bincount(labels) / 178
    )


def test_the_certificate_does_not_depend_on_the_block_size(monkeypatch):
    expected = compute_certificate(*optimum(load_wine), 2 * L2)
    monkeypatch.setattr("aejax.probes.duality_gap.ROWS_PER_BLOCK", 50)
    np.testing.assert_allclose(compute_certificate(*optimum(load_wine), 2 * L2), expected, rtol=1e-9)
