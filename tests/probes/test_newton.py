"""The Newton solver finds scikit-learn's optimum, for any strength and any number of classes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.special import logsumexp, softmax
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.linear_model import LogisticRegression

from aejax.probes.duality_gap import compute_certificate
from aejax.probes.features import CPU_ROWS_PER_BLOCK
from aejax.probes.logistic import initial_hessian_blocks, make_problem, to_linear, zero_coefficients
from aejax.probes.logistic_probe import CONVERGENCE_TOLERANCE
from aejax.probes.newton import solve_logistic


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
    "separable, three classes": lambda: blobs(90, 4, 3, 8.0),
    "a constant feature": with_constant_feature,
    "scales 1e12 apart, standardised": with_scales_apart,
    "far from the origin": lambda: ((b := blobs(200, 4, 3, 1.0))[0] + 30.0, b[1]),
    "more features than examples": lambda: blobs(60, 100, 3, 0.3),
    "twenty classes": lambda: blobs(400, 10, 20, 1.5),
}
STRENGTHS = [100.0, 1e-1, 1e-3, 1e-6]
TOLERANCE = 1e-5  # of the solver, in float32
WINE, WINE_LABELS = standardized(load_wine().data).astype(np.float32), load_wine().target.astype(np.int32)


@functools.partial(jax.jit, static_argnames=("classes", "tolerance"))
def solve_each(strengths, inputs, labels, classes: int, tolerance: float = TOLERANCE):
    with jax.default_matmul_precision("highest"):
        problem = make_problem(inputs, labels, classes)

        def at(l2):
            solution = solve_logistic(
                problem, l2, zero_coefficients(problem), initial_hessian_blocks(problem), tolerance
            )
            return to_linear(problem, solution.coefficients), solution.gradient_norm, solution.gap

        return jax.lax.map(at, strengths)


def objective(flat: np.ndarray, inputs: np.ndarray, labels: np.ndarray, classes: int, l2: float) -> float:
    """In float64; for two classes the penalty is doubled, which makes the symmetric solution scikit-learn's."""
    weights, bias = flat[:-classes].reshape(-1, classes), flat[-classes:]
    logits = inputs @ weights + bias
    losses = logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]
    return losses.mean() + (2 if classes == 2 else 1) * l2 / 2 * np.sum(weights**2)


def gradient(flat: np.ndarray, inputs: np.ndarray, labels: np.ndarray, classes: int, l2: float) -> np.ndarray:
    weights, bias = flat[:-classes].reshape(-1, classes), flat[-classes:]
    logits = inputs @ weights + bias
    residuals = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
    residuals[np.arange(len(labels)), labels] -= 1
    penalty = (2 if classes == 2 else 1) * l2 * weights
    return np.concatenate([(inputs.T @ residuals / len(labels) + penalty).ravel(), residuals.mean(axis=0)])


def scikit(inputs: np.ndarray, labels: np.ndarray, classes: int, l2: float) -> np.ndarray:
    model = LogisticRegression(C=1 / (l2 * len(labels)), tol=1e-9, max_iter=20_000, solver="newton-cg")
    model.fit(inputs, labels)
    if classes > 2:
        return np.concatenate([model.coef_.T.ravel(), model.intercept_])
    weights, bias = model.coef_[0] / 2, model.intercept_[0] / 2
    return np.concatenate([np.stack([-weights, weights], axis=1).ravel(), [-bias, bias]])


def probabilities(flat: np.ndarray, inputs: np.ndarray, classes: int) -> np.ndarray:
    return softmax(inputs @ flat[:-classes].reshape(-1, classes) + flat[-classes:], axis=1)


@pytest.mark.parametrize("name", DATASETS)
def test_the_objective_is_as_low_as_scikit_learns(name):
    inputs, labels = (
        array.astype(dtype) for array, dtype in zip(DATASETS[name](), (np.float32, np.int32), strict=True)
    )
    classes = int(labels.max()) + 1
    solutions, norms, gaps = jax.tree.map(np.asarray, solve_each(jnp.asarray(STRENGTHS), inputs, labels, classes))
    for weights, bias, norm, gap, strength in zip(*solutions, norms, gaps, STRENGTHS, strict=True):
        problem = (inputs.astype(np.float64), labels, classes, strength)
        solution, reference = np.concatenate([weights.ravel(), bias]).astype(np.float64), scikit(*problem)
        certificate = compute_certificate(inputs, labels, weights, bias, strength)
        assert objective(solution, *problem) <= objective(reference, *problem) * (1 + certificate.gap) + 1e-12
        assert max(certificate) <= CONVERGENCE_TOLERANCE
        if strength >= 1e-3:  # the optimum is well determined, so the classifier is the same
            assert max(norm, gap) <= TOLERANCE
            assert np.abs(gradient(solution, *problem)).max() < 2 * TOLERANCE
            expected = probabilities(reference, inputs, classes)
            np.testing.assert_allclose(probabilities(solution, inputs, classes), expected, atol=1e-3)
        else:
            # Rounding decides where the solver stops: Hessian products in float32 have no correct digit for examples
            # whose probability is within 1e-7 of 1, and the gradient's rounding, eps |x|^2 |w|, is squared and divided
            # by 2 l2 in the float32 gap. The certificate above is in float64, so it bounds the error all the same.
            assert norm <= TOLERANCE


def test_the_reference_gradient_is_that_of_the_reference_objective():
    flat = np.random.default_rng(0).normal(size=14 * 3)
    assert check_grad(objective, gradient, flat, WINE.astype(np.float64), WINE_LABELS, 3, 0.1) < 1e-5


def test_without_a_penalty_the_solution_is_the_maximum_likelihood():
    inputs, labels = blobs(200, 5, 4, 1.0)
    inputs, labels = inputs.astype(np.float32), labels.astype(np.int32)
    linear, _, _ = solve_each(jnp.array([0.0]), inputs, labels, 4)
    flat = np.concatenate([np.asarray(linear.weights[0], np.float64).ravel(), linear.bias[0]])
    problem = (inputs.astype(np.float64), labels, 4, 0.0)
    reference = LogisticRegression(C=np.inf, tol=1e-8, max_iter=20_000).fit(inputs, labels)
    best = objective(np.concatenate([reference.coef_.T.ravel(), reference.intercept_]), *problem)
    np.testing.assert_allclose(objective(flat, *problem), best, atol=1e-6)


def test_under_an_enormous_penalty_the_probabilities_are_the_class_frequencies():
    linear, _, _ = solve_each(jnp.array([1e6]), WINE, WINE_LABELS, 3, 1e-6)
    np.testing.assert_allclose(linear.weights[0], 0, atol=1e-5)
    np.testing.assert_allclose(softmax(linear.bias[0]), np.bincount(WINE_LABELS) / len(WINE_LABELS), atol=1e-5)


def test_the_solution_does_not_depend_on_the_start():
    with jax.default_matmul_precision("highest"):
        problem = make_problem(jnp.asarray(WINE), jnp.asarray(WINE_LABELS), 3)
        blocks, solve = initial_hessian_blocks(problem), jax.jit(solve_logistic, static_argnums=4)
        starts = [zero_coefficients(problem).at[0].set(value) for value in (0.0, 3.0, -10.0)]
        solutions = [solve(problem, jnp.asarray(1e-2), start, blocks, 1e-6).coefficients for start in starts]
    reference = (WINE.astype(np.float64), WINE_LABELS, 3, 1e-2)
    best = objective(scikit(*reference), *reference)
    for solution in solutions:
        assert objective(np.asarray(solution, np.float64).ravel(), *reference) == pytest.approx(best, abs=1e-6)


def test_with_fewer_rows_than_features_the_problem_is_in_the_span_of_the_rows():
    inputs, labels = blobs(60, 100, 3, 0.3)
    problem = make_problem(jnp.asarray(inputs, jnp.float32), jnp.asarray(labels), 3)
    assert problem.features.shape[2] == 60 + 1
    np.testing.assert_allclose(problem.features[0, :60, :-1] @ problem.basis.T, inputs, atol=1e-4)
    coefficients = jnp.asarray(np.random.default_rng(0).normal(size=(61, 3)), jnp.float32)
    linear = to_linear(problem, coefficients)
    np.testing.assert_allclose(inputs @ linear.weights, problem.features[0, :60, :-1] @ coefficients[:-1], atol=1e-3)
    np.testing.assert_array_equal(linear.bias, coefficients[-1])


def test_padding_rows_of_the_last_block_have_no_weight():
    inputs, labels = blobs(CPU_ROWS_PER_BLOCK + 30, 6, 3, 0.5)
    problem = make_problem(jnp.asarray(inputs, jnp.float32), jnp.asarray(labels), 3)
    assert problem.features.shape[:2] == (2, CPU_ROWS_PER_BLOCK)
    np.testing.assert_allclose(problem.row_weights.sum(), 1, rtol=1e-5)
    assert np.count_nonzero(problem.row_weights) == len(labels)
    linear, _, _ = solve_each(jnp.array([1e-2]), jnp.asarray(inputs, jnp.float32), jnp.asarray(labels), 3)
    flat = np.concatenate([np.asarray(linear.weights[0], np.float64).ravel(), linear.bias[0]])
    best = objective(scikit(inputs, labels, 3, 1e-2), inputs, labels, 3, 1e-2)
    np.testing.assert_allclose(objective(flat, inputs, labels, 3, 1e-2), best, rtol=1e-5)


def test_vmapped_problems_have_the_solutions_of_single_ones():
    inputs = np.stack([WINE, WINE[::-1], WINE * 2])
    labels = np.stack([WINE_LABELS, WINE_LABELS[::-1], WINE_LABELS])

    def fit(features, targets):
        problem = make_problem(features, targets, 3)
        start = zero_coefficients(problem), initial_hessian_blocks(problem)
        return to_linear(problem, solve_logistic(problem, jnp.asarray(1e-2), *start, 1e-6).coefficients)

    together, fit_alone = jax.jit(jax.vmap(fit))(inputs, labels), jax.jit(fit)
    for index in range(3):
        alone = fit_alone(inputs[index], labels[index])
        np.testing.assert_allclose(together.weights[index], alone.weights, atol=1e-4)
