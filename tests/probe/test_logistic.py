"""The Newton solver finds scikit-learn's optimum, at any strength, for any number of classes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.special import logsumexp
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.linear_model import LogisticRegression

from aejax.probe.features import CPU_ROWS_PER_BLOCK
from aejax.probe.logistic import (
    initial_hessian_blocks,
    make_problem,
    solve_logistic,
    to_coefficients,
    to_linear,
    zero_coefficients,
)


def standardized(inputs: np.ndarray) -> np.ndarray:
    return (inputs - inputs.mean(axis=0)) / inputs.std(axis=0).clip(1e-9)


def blobs(examples: int, features: int, classes: int, apart: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(classes)
    labels = np.arange(examples) % classes
    return apart * rng.normal(size=(classes, features))[labels] + rng.normal(size=(examples, features)), labels


def with_constant_feature() -> tuple[np.ndarray, np.ndarray]:
    inputs, labels = blobs(200, 5, 4, 1.0)
    return np.column_stack([inputs, np.full(200, 3.0)]), labels


def with_scales_apart() -> tuple[np.ndarray, np.ndarray]:
    inputs, labels = blobs(200, 5, 4, 1.0)
    return standardized((inputs + 2) * np.array([1, 1e6, 1e-6, 1, 1e3])), labels


DATASETS = {
    "digits": lambda: (load_digits().data[:600] / 16, load_digits().target[:600]),
    "breast cancer, two classes": lambda: (standardized(load_breast_cancer().data), load_breast_cancer().target),
    "wine": lambda: (standardized(load_wine().data), load_wine().target),
    "separable, two classes": lambda: blobs(60, 4, 2, 8.0),
    "separable, three classes": lambda: blobs(90, 4, 3, 8.0),
    "a constant feature": with_constant_feature,
    "scales 1e12 apart, standardised": with_scales_apart,
    "far from the origin": lambda: ((b := blobs(200, 4, 3, 1.0))[0] + 30.0, b[1]),
    "more features than examples": lambda: blobs(60, 100, 3, 0.3),
    "twenty classes": lambda: blobs(400, 10, 20, 1.5),
}
STRENGTHS = [100.0, 1e-1, 1e-3, 1e-6]


@functools.cache
def dataset(name: str) -> tuple[np.ndarray, np.ndarray, int]:
    inputs, labels = DATASETS[name]()
    return inputs.astype(np.float32), labels.astype(np.int32), int(labels.max()) + 1


@functools.partial(jax.jit, static_argnames=("classes", "tolerance"))
def along(strengths, inputs, labels, classes: int, tolerance: float):
    with jax.default_matmul_precision("highest"):
        problem = make_problem(inputs, labels, classes)

        def at(l2):
            solution = solve_logistic(
                problem, l2, zero_coefficients(problem), initial_hessian_blocks(problem), tolerance
            )
            return to_linear(problem, solution.coefficients), solution.gradient_norm, solution.gap

        return jax.lax.map(at, strengths)


@functools.cache
def ours(name: str):
    inputs, labels, classes = dataset(name)
    linear, norms, gaps = along(jnp.asarray(STRENGTHS), inputs, labels, classes, 1e-5)
    return [(linear.weights[i], linear.bias[i], float(norms[i]), float(gaps[i])) for i in range(len(STRENGTHS))]


def objective(flat: np.ndarray, inputs: np.ndarray, labels: np.ndarray, classes: int, l2: float) -> float:
    """In float64; two classes are charged double, which makes the symmetric solution scikit-learn's."""
    weights, bias = flat[:-classes].reshape(-1, classes), flat[-classes:]
    logits = inputs @ weights + bias
    losses = logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]
    return losses.mean() + (2 if classes == 2 else 1) * l2 / 2 * np.sum(weights**2)


def gradient(flat: np.ndarray, inputs: np.ndarray, labels: np.ndarray, classes: int, l2: float) -> np.ndarray:
    weights, bias = flat[:-classes].reshape(-1, classes), flat[-classes:]
    logits = inputs @ weights + bias
    residuals = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
    residuals[np.arange(len(labels)), labels] -= 1
    charge = (2 if classes == 2 else 1) * l2 * weights
    return np.concatenate([(inputs.T @ residuals / len(labels) + charge).ravel(), residuals.mean(axis=0)])


def scikit(inputs: np.ndarray, labels: np.ndarray, classes: int, l2: float) -> np.ndarray:
    model = LogisticRegression(C=1 / (l2 * len(labels)), tol=1e-9, max_iter=20_000, solver="newton-cg")
    model.fit(inputs, labels)
    if classes > 2:
        return np.concatenate([model.coef_.T.ravel(), model.intercept_])
    weights, bias = model.coef_[0] / 2, model.intercept_[0] / 2
    return np.concatenate([np.stack([-weights, weights], axis=1).ravel(), [-bias, bias]])


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("name", DATASETS)
def test_the_objective_at_our_solution_is_as_low_as_at_scikit_learns(name, strength):
    inputs, labels, classes = dataset(name)
    weights, bias, norm, gap = ours(name)[STRENGTHS.index(strength)]
    problem = (inputs.astype(np.float64), labels, classes, strength)
    solution = np.concatenate([np.asarray(weights, np.float64).ravel(), bias])
    least = objective(scikit(*problem), *problem)
    assert objective(solution, *problem) <= least * (1 + 1e-5)
    assert norm <= 1e-5
    assert gap <= 1e-5
    assert np.abs(gradient(solution, *problem)).max() < 2e-5
    reference = scikit(*problem)
    if strength >= 1e-3:  # where the optimum is well determined, the classifier itself is the same
        of_ours, of_theirs = (
            inputs @ flat[:-classes].reshape(-1, classes) + flat[-classes:] for flat in (solution, reference)
        )
        probabilities = [np.exp(z - logsumexp(z, axis=1, keepdims=True)) for z in (of_ours, of_theirs)]
        np.testing.assert_allclose(*probabilities, atol=1e-3)


def test_the_gradient_of_these_tests_is_that_of_their_objective():
    inputs, labels, classes = dataset("wine")
    flat = np.random.default_rng(0).normal(size=14 * 3)
    assert check_grad(objective, gradient, flat, inputs.astype(np.float64), labels, classes, 0.1) < 1e-5


def test_without_a_penalty_the_limit_is_the_maximum_likelihood():
    inputs, labels, classes = dataset("a constant feature")
    inputs = inputs[:, :-1]
    linear, _, _ = along(jnp.array([0.0]), inputs, labels, classes, 1e-5)
    flat = np.concatenate([np.asarray(linear.weights[0], np.float64).ravel(), linear.bias[0]])
    problem = (inputs.astype(np.float64), labels, classes, 0.0)
    reference = LogisticRegression(C=np.inf, tol=1e-8, max_iter=20_000).fit(inputs, labels)
    best = objective(np.concatenate([reference.coef_.T.ravel(), reference.intercept_]), *problem)
    np.testing.assert_allclose(objective(flat, *problem), best, atol=1e-6)


def test_under_a_crushing_penalty_only_the_class_frequencies_are_left():
    inputs, labels, classes = dataset("wine")
    linear, _, _ = along(jnp.array([1e6]), inputs, labels, classes, 1e-6)
    np.testing.assert_allclose(linear.weights[0], 0, atol=1e-5)
    bias = np.asarray(linear.bias[0], np.float64)
    np.testing.assert_allclose(np.exp(bias - logsumexp(bias)), np.bincount(labels) / len(labels), atol=1e-5)


@pytest.mark.parametrize("start", [0.0, 3.0, -10.0], ids=["zero", "near", "far"])
def test_the_solution_does_not_depend_on_the_start(start):
    inputs, labels, classes = dataset("wine")
    with jax.default_matmul_precision("highest"):
        problem = make_problem(jnp.asarray(inputs), jnp.asarray(labels), classes)
        begin = zero_coefficients(problem).at[0].set(start)
        solution = jax.jit(solve_logistic, static_argnums=4)(
            problem, jnp.asarray(1e-2), begin, initial_hessian_blocks(problem), 1e-6
        )
    linear = to_linear(problem, solution.coefficients)
    found = np.concatenate([np.asarray(linear.weights).ravel(), linear.bias])
    value = objective(found, inputs.astype(np.float64), labels, classes, 1e-2)
    reference = scikit(inputs.astype(np.float64), labels, classes, 1e-2)
    np.testing.assert_allclose(value, objective(reference, inputs, labels, classes, 1e-2), atol=1e-6)


def test_fewer_rows_than_features_are_laid_out_in_their_span():
    inputs, labels, classes = dataset("more features than examples")
    problem = make_problem(jnp.asarray(inputs), jnp.asarray(labels), classes)
    assert problem.features.shape[2] == 60 + 1
    np.testing.assert_allclose(problem.features[0, :60, :-1] @ problem.basis.T, inputs, atol=1e-4)
    coefficients = jnp.asarray(np.random.default_rng(0).normal(size=(61, 3)), jnp.float32)
    there_and_back = to_coefficients(problem, to_linear(problem, coefficients))
    np.testing.assert_allclose(there_and_back, coefficients, atol=1e-5)


def test_rows_that_fill_the_last_block_count_nothing():
    inputs, labels = blobs(CPU_ROWS_PER_BLOCK + 30, 6, 3, 0.5)
    problem = make_problem(jnp.asarray(inputs, jnp.float32), jnp.asarray(labels), 3)
    assert problem.features.shape[:2] == (2, CPU_ROWS_PER_BLOCK)
    np.testing.assert_allclose(problem.row_weights.sum(), 1, rtol=1e-5)
    assert np.count_nonzero(problem.row_weights) == len(labels)
    linear, _, _ = along(jnp.array([1e-2]), jnp.asarray(inputs, jnp.float32), jnp.asarray(labels), 3, 1e-5)
    flat = np.concatenate([np.asarray(linear.weights[0], np.float64).ravel(), linear.bias[0]])
    least = objective(scikit(inputs, labels, 3, 1e-2), inputs, labels, 3, 1e-2)
    np.testing.assert_allclose(objective(flat, inputs, labels, 3, 1e-2), least, rtol=1e-5)


def test_vmapped_problems_are_solved_as_each_alone():
    inputs, labels, classes = dataset("wine")
    several = np.stack([inputs, inputs[::-1], inputs * 2])
    of_labels = np.stack([labels, labels[::-1], labels])

    def fit(features, targets):
        problem = make_problem(features, targets, classes)
        start = zero_coefficients(problem), initial_hessian_blocks(problem)
        return to_linear(problem, solve_logistic(problem, jnp.asarray(1e-2), *start, 1e-6).coefficients)

    together = jax.jit(jax.vmap(fit))(several, of_labels)
    for index in range(3):
        alone = jax.jit(fit)(several[index], of_labels[index])
        np.testing.assert_allclose(together.weights[index], alone.weights, atol=1e-4)
