"""L2 multinomial logistic regression: a preconditioned truncated Newton method, batched by vmap.

    minimise over W, b:  (1/n) sum_i [ logsumexp(z_i) - z_i[y_i] ] + (c l2 / 2) ||W||^2,   z_i = W' x_i + b

The intercept is free. `l2` is per example, 1 / (C n) in scikit-learn's terms; c is 1, and 2 for two classes, where
the symmetric softmax solution then has scikit-learn's binary coefficients. Newton directions come from conjugate
gradients on Hessian products (Nocedal and Wright 2006, algorithm 7.1), preconditioned by the Hessian's diagonal in the
eigenbasis of the features' second moments; a step costs two passes over the features for the gradient and two for each
product, and no line search touches them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Scalar

MAX_NEWTON = 60
MAX_PRODUCTS = 60  # Hessian products per Newton direction


class Linear(NamedTuple):
    """Weights and intercepts of a softmax classifier; also a direction in their space."""

    weights: Float[Array, "d classes"]
    bias: Float[Array, " classes"]


class Problem(NamedTuple):
    """A regression in the eigenbasis of its features' second moments."""

    features: Float[Array, "n d"]  # rotated
    targets: Float[Array, "n classes"]  # one-hot
    spectrum: Float[Array, " d"]  # mean square of each rotated feature
    rotation: Float[Array, "d d"]  # rotated = features @ rotation


class Solution(NamedTuple):
    """Where the solver stopped."""

    linear: Linear  # in the problem's rotated coordinates
    gradient_norm: Float[Array, ""]  # Euclidean, float32
    iterations: Int[Array, ""]


def make_problem(features: Float[Array, "n d"], labels: Int[Array, " n"], classes: int) -> Problem:
    """Rotate features to the eigenbasis of their second moments, where a diagonal preconditions the Hessian well."""
    second_moments = features.T @ features / features.shape[0]
    spectrum, rotation = jnp.linalg.eigh(second_moments)
    return Problem(features @ rotation, jax.nn.one_hot(labels, classes), jnp.maximum(spectrum, 0.0), rotation)


def rotate(problem: Problem, linear: Linear) -> Linear:
    """A classifier for features that are not rotated, in the problem's coordinates."""
    return Linear(problem.rotation.T @ linear.weights, linear.bias)


def unrotate(problem: Problem, linear: Linear) -> Linear:
    """The same classifier for features that are not rotated."""
    return Linear(problem.rotation @ linear.weights, linear.bias)


def zero_linear(problem: Problem) -> Linear:
    """The start where nothing is known."""
    classes = problem.targets.shape[1]
    return Linear(jnp.zeros((problem.features.shape[1], classes)), jnp.zeros(classes))


def logits_of(linear: Linear, features: Float[Array, "n d"]) -> Float[Array, "n classes"]:
    """Unnormalised log-probabilities."""
    return features @ linear.weights + linear.bias[None]


def _dot(a: Linear, b: Linear) -> Scalar:
    return jnp.vdot(a.weights, b.weights) + jnp.vdot(a.bias, b.bias)


def _axpy(scale: Scalar, x: Linear, y: Linear) -> Linear:
    return jax.tree.map(lambda a, b: scale * a + b, x, y)


def _objective(problem: Problem, l2: Scalar, weights: Float[Array, "d k"], logits: Float[Array, "n k"]) -> Scalar:
    losses = jax.nn.logsumexp(logits, axis=1) - jnp.sum(problem.targets * logits, axis=1)
    return jnp.mean(losses) + 0.5 * l2 * jnp.sum(jnp.square(weights))


def _pull_back(problem: Problem, residuals: Float[Array, "n k"], l2: Scalar, weights: Float[Array, "d k"]) -> Linear:
    """From per-example logit derivatives to parameters: one pass over the features."""
    n = problem.features.shape[0]
    return Linear(problem.features.T @ residuals / n + l2 * weights, jnp.mean(residuals, axis=0))


class _Conjugate(NamedTuple):
    solution: Linear
    residual: Linear
    direction: Linear
    alignment: Scalar  # residual . preconditioned residual
    products: Int[Array, ""]


def _newton_direction(
    problem: Problem, l2: Scalar, probabilities: Float[Array, "n k"], gradient: Linear, accuracy: Scalar
) -> Linear:
    """Conjugate gradients on `H s = -gradient` until the residual is `accuracy` times as long as the gradient."""
    curvature = jnp.mean(probabilities * (1.0 - probabilities), axis=0) + 1e-6
    diagonal = Linear(problem.spectrum[:, None] * curvature[None] + l2, curvature)

    def product(v: Linear) -> Linear:
        change = logits_of(v, problem.features)
        weighted = probabilities * (change - jnp.sum(probabilities * change, axis=1, keepdims=True))
        return _pull_back(problem, weighted, l2, v.weights)

    def body(c: _Conjugate) -> _Conjugate:
        image = product(c.direction)
        step = c.alignment / jnp.maximum(_dot(c.direction, image), 1e-30)
        residual = _axpy(-step, image, c.residual)
        preconditioned = jax.tree.map(jnp.divide, residual, diagonal)
        alignment = _dot(residual, preconditioned)
        direction = _axpy(alignment / c.alignment, c.direction, preconditioned)
        return _Conjugate(_axpy(step, c.direction, c.solution), residual, direction, alignment, c.products + 1)

    def unfinished(c: _Conjugate) -> Bool[Array, ""]:
        return (_dot(c.residual, c.residual) > goal) & (c.products < MAX_PRODUCTS)

    residual = jax.tree.map(jnp.negative, gradient)
    goal = jnp.square(accuracy) * _dot(gradient, gradient)
    direction = jax.tree.map(jnp.divide, residual, diagonal)
    start = _Conjugate(
        jax.tree.map(jnp.zeros_like, gradient), residual, direction, _dot(residual, direction), jnp.zeros((), jnp.int32)
    )
    return jax.lax.while_loop(unfinished, body, start).solution


def _step_length(
    problem: Problem,
    l2: Scalar,
    current: tuple[Linear, Float[Array, "n k"]],
    move: tuple[Linear, Float[Array, "n k"]],
    slope: Scalar,
) -> Scalar:
    """Halve from 1 until the objective falls enough (Armijo), to float32's resolution; 0 if it never does."""
    (linear, logits), (direction, change) = current, move
    value = _objective(problem, l2, linear.weights, logits)
    slack = 3e-7 * jnp.abs(value)  # what float32 cannot tell apart

    def too_long(length: Scalar) -> Bool[Array, ""]:
        tried = _objective(problem, l2, linear.weights + length * direction.weights, logits + length * change)
        return ~(tried <= value + 1e-4 * length * slope + slack) & (length > 1e-6)

    length = jax.lax.while_loop(too_long, lambda length: 0.5 * length, jnp.ones(()))
    return jnp.where(length > 1e-6, length, 0.0)


class _Newton(NamedTuple):
    linear: Linear
    logits: Float[Array, "n k"]
    probabilities: Float[Array, "n k"]
    gradient: Linear
    gradient_norm: Scalar
    iterations: Int[Array, ""]
    stalled: Bool[Array, ""]


def solve(problem: Problem, l2: Float[Array, ""], start: Linear, tolerance: float) -> Solution:
    """Minimise until the gradient's Euclidean norm is at most `tolerance`, no step helps, or `MAX_NEWTON` steps."""
    strength = l2 * (2.0 if problem.targets.shape[1] == 2 else 1.0)

    def at(
        linear: Linear, logits: Float[Array, "n k"], iterations: Int[Array, ""], stalled: Bool[Array, ""]
    ) -> _Newton:
        probabilities = jax.nn.softmax(logits, axis=1)
        gradient = _pull_back(problem, probabilities - problem.targets, strength, linear.weights)
        norm = jnp.sqrt(_dot(gradient, gradient))
        return _Newton(linear, logits, probabilities, gradient, norm, iterations, stalled)

    def body(c: _Newton) -> _Newton:
        # Superlinear convergence (Eisenstat and Walker 1996), but no more exact than the goal needs.
        accuracy = jnp.maximum(jnp.minimum(0.3, jnp.sqrt(c.gradient_norm)), 0.3 * tolerance / c.gradient_norm)
        direction = _newton_direction(problem, strength, c.probabilities, c.gradient, accuracy)
        change = logits_of(direction, problem.features)
        slope = _dot(c.gradient, direction)
        length = _step_length(problem, strength, (c.linear, c.logits), (direction, change), slope)
        moved = _axpy(length, direction, c.linear)
        return at(moved, c.logits + length * change, c.iterations + 1, length == 0.0)

    def unfinished(c: _Newton) -> Bool[Array, ""]:
        return (c.gradient_norm > tolerance) & (c.iterations < MAX_NEWTON) & ~c.stalled

    first = at(start, logits_of(start, problem.features), jnp.zeros((), jnp.int32), jnp.zeros((), bool))
    last = jax.lax.while_loop(unfinished, body, first)
    return Solution(last.linear, last.gradient_norm, last.iterations)
