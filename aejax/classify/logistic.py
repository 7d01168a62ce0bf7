"""L2 multinomial logistic regression: a preconditioned truncated Newton method, batched by vmap.

    minimise over W, b:  (1/n) sum_i [ logsumexp(z_i) - z_i[y_i] ] + (c l2 / 2) ||W||^2,   z_i = W' x_i + b

The intercept is free. `l2` is per example, 1 / (C n) in scikit-learn's terms; c is 1, and 2 for two classes, where
the symmetric softmax solution then has scikit-learn's binary coefficients. Newton directions come from conjugate
gradients on Hessian products (Nocedal and Wright 2006, algorithm 7.1), preconditioned by `curvature`. A gradient and a
product each read the features once, in blocks of rows that a processor's cache holds; no line search touches them.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Scalar

from aejax.classify.curvature import Curvature, Factors, centred, curvature_blocks, factorise, precondition
from aejax.classify.reading import in_blocks

MAX_NEWTON = 60
MAX_PRODUCTS = 100  # Hessian products per Newton direction
MAX_IDLE = 6  # steps in a row that lower the objective by nothing that float32 can tell
FORCING = 0.1  # length of the residual, in the preconditioner's metric, at which a direction is good enough
STALE = 12  # products after which the preconditioner is made anew

Read = Callable[[Int[Array, " m"]], Float[Array, "m d"]]  # the features at given places


class Linear(NamedTuple):
    """Weights and intercepts of a softmax classifier."""

    weights: Float[Array, "d classes"]
    bias: Float[Array, " classes"]


class Problem(NamedTuple):
    """A regression in blocks of rows; rows of zeros that count nothing fill the last block."""

    features: Float[Array, "blocks rows p"]  # the last column is one, for the intercept
    targets: Float[Array, "blocks rows classes"]  # one-hot
    shares: Float[Array, "blocks rows"]  # weight in the mean loss: 1 / n, or 0
    basis: Float[Array, "d p-1"] | None  # orthonormal: features were multiplied by it, if there are fewer rows


class Solution(NamedTuple):
    """Where the solver stopped."""

    coefficients: Float[Array, "p classes"]  # in the problem's coordinates
    gradient_norm: Float[Array, ""]  # largest entry, float32
    gap: Float[Array, ""]  # bound on the distance from the optimum, relative to the objective, float32
    iterations: Int[Array, ""]
    products: Int[Array, ""]
    curvature: Curvature  # of the last preconditioner, for the next strength


def make_problem(features: Float[Array, "n d"], labels: Int[Array, " n"], classes: int) -> Problem:
    """Lay out a regression; with fewer rows than features, in the rows' span, where every optimum lies."""
    return lay_out(lambda places: features[places], labels, classes)


def lay_out(read: Read, labels: Int[Array, " n"], classes: int) -> Problem:
    """The same of features that are read block by block; all at once only where they are fewer than their columns."""
    n, basis = labels.shape[0], None
    d = jax.eval_shape(read, jax.ShapeDtypeStruct((1,), jnp.int32)).shape[1]
    if n < d:
        basis = jnp.linalg.qr(read(jnp.arange(n)).T)[0]

    def block(places: Int[Array, " rows"]) -> tuple[Array, Array, Array]:
        features = read(places)
        with_ones = jnp.pad(features if basis is None else features @ basis, ((0, 0), (0, 1)), constant_values=1.0)
        return with_ones, jax.nn.one_hot(labels[places], classes), jnp.full((len(places), 1), 1 / n)

    features, targets, shares = in_blocks(block, n, after=labels)
    return Problem(features, targets, shares[..., 0], basis)


def zero_coefficients(problem: Problem) -> Float[Array, "p classes"]:
    """The start where nothing is known."""
    return jnp.zeros((problem.features.shape[2], problem.targets.shape[2]))


def linear_of(problem: Problem, coefficients: Float[Array, "p classes"]) -> Linear:
    """The classifier of the features that the problem was made of."""
    weights = coefficients[:-1]
    return Linear(weights if problem.basis is None else problem.basis @ weights, coefficients[-1])


def coefficients_of(problem: Problem, linear: Linear) -> Float[Array, "p classes"]:
    """A classifier in the problem's coordinates."""
    weights = linear.weights if problem.basis is None else problem.basis.T @ linear.weights
    return jnp.concatenate([weights, linear.bias[None]])


def logits_of(linear: Linear, features: Float[Array, "n d"]) -> Float[Array, "n classes"]:
    """Unnormalised log-probabilities."""
    return features @ linear.weights + linear.bias[None]


def initial_curvature(problem: Problem) -> Curvature:
    """That of a classifier that knows nothing."""
    return _curvature(problem, jnp.full_like(problem.targets, 1 / problem.targets.shape[2]))


def _curvature(problem: Problem, probabilities: Float[Array, "blocks rows classes"]) -> Curvature:
    return curvature_blocks(problem.features, probabilities, problem.shares)


def _penalty(problem: Problem, strength: Scalar) -> Float[Array, " p"]:
    return jnp.full(problem.features.shape[2], strength).at[-1].set(0.0)


class _Softmax(NamedTuple):
    losses: Float[Array, "*rows"]
    probabilities: Float[Array, "*rows classes"]
    residuals: Float[Array, "*rows classes"]  # probabilities less targets


def _softmax(logits: Float[Array, "*rows classes"], targets: Float[Array, "*rows classes"]) -> _Softmax:
    """Losses and residuals with full relative precision, however small, as separable data make them."""
    margins = logits - jnp.sum(targets * logits, axis=-1, keepdims=True)  # 0 at the true class
    largest = jnp.max(margins, axis=-1, keepdims=True)
    raised = jnp.exp(margins - largest)
    others = jnp.sum((1.0 - targets) * raised, axis=-1, keepdims=True)
    total = others + jnp.sum(targets * raised, axis=-1, keepdims=True)
    losses = jnp.where(largest > 0, largest + jnp.log(total), jnp.log1p(others))[..., 0]
    probabilities = raised / total
    return _Softmax(losses, probabilities, (1.0 - targets) * probabilities - targets * others / total)


def _objective(problem: Problem, penalty: Float[Array, " p"], coefficients: Array, logits: Array) -> Scalar:
    losses = _softmax(logits, problem.targets).losses
    return jnp.sum(problem.shares * losses) + 0.5 * jnp.sum(penalty[:, None] * jnp.square(coefficients))


class _Point(NamedTuple):
    coefficients: Float[Array, "p classes"]
    logits: Float[Array, "blocks rows classes"]
    probabilities: Float[Array, "blocks rows classes"]
    value: Scalar
    gradient: Float[Array, "p classes"]


def _at(problem: Problem, penalty: Float[Array, " p"], coefficients: Float[Array, "p classes"]) -> _Point:
    """Everything that one pass over the features tells of some coefficients."""

    def add(gradient: Array, block: tuple[Array, Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        features, targets, shares = block
        logits = features @ coefficients
        own = _softmax(logits, targets)
        return gradient + features.T @ (shares[:, None] * own.residuals), (logits, own.probabilities)

    blocks = problem.features, problem.targets, problem.shares
    gradient, (logits, probabilities) = jax.lax.scan(add, penalty[:, None] * coefficients, blocks)
    value = _objective(problem, penalty, coefficients, logits)
    return _Point(coefficients, logits, probabilities, value, gradient)


def _product(
    problem: Problem, penalty: Float[Array, " p"], probabilities: Array, direction: Float[Array, "p classes"]
) -> tuple[Float[Array, "p classes"], Float[Array, "blocks rows classes"]]:
    """The Hessian times a direction, and the direction's change of the logits: one pass over the features."""

    def add(image: Array, block: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        features, own, shares = block
        change = features @ direction
        weighted = own * (change - jnp.sum(own * change, axis=1, keepdims=True))
        return image + features.T @ (shares[:, None] * weighted), change

    blocks = problem.features, probabilities, problem.shares
    return jax.lax.scan(add, penalty[:, None] * direction, blocks)


class _Conjugate(NamedTuple):
    solution: Float[Array, "p classes"]
    change: Float[Array, "blocks rows classes"]  # of the logits, by the solution
    residual: Float[Array, "p classes"]
    direction: Float[Array, "p classes"]
    alignment: Scalar  # residual . preconditioned residual
    products: Int[Array, ""]


def _newton_direction(
    problem: Problem, penalty: Float[Array, " p"], point: _Point, factors: Factors, active: Bool[Array, ""]
) -> _Conjugate:
    """Conjugate gradients on `H s = -gradient` until the residual is `FORCING` times as long as the gradient."""

    def body(c: _Conjugate) -> _Conjugate:
        image, change = _product(problem, penalty, point.probabilities, c.direction)
        step = c.alignment / jnp.maximum(jnp.vdot(c.direction, image), 1e-30)
        residual = c.residual - step * image
        preconditioned = precondition(factors, residual)
        alignment = jnp.vdot(residual, preconditioned)
        direction = preconditioned + alignment / jnp.maximum(c.alignment, 1e-30) * c.direction
        moved = c.solution + step * c.direction, c.change + step * change
        return _Conjugate(*moved, residual, direction, alignment, c.products + 1)

    def unfinished(c: _Conjugate) -> Bool[Array, ""]:
        return active & (c.alignment > goal) & (c.products < MAX_PRODUCTS)

    residual = -centred(point.gradient)
    direction = precondition(factors, residual)
    alignment = jnp.vdot(residual, direction)
    goal = FORCING**2 * alignment
    start = jnp.zeros_like(residual), jnp.zeros_like(point.logits)
    return jax.lax.while_loop(unfinished, body, _Conjugate(*start, residual, direction, alignment, jnp.zeros((), int)))


def _step_length(problem: Problem, penalty: Float[Array, " p"], point: _Point, move: _Conjugate) -> Scalar:
    """Halve from 1 until the objective falls enough (Armijo), to float32's resolution; 0 if it never does."""
    slope = jnp.vdot(point.gradient, move.solution)
    slack = 3e-7 * jnp.abs(point.value)  # what float32 cannot tell apart

    def too_long(length: Scalar) -> Bool[Array, ""]:
        tried = point.coefficients + length * move.solution, point.logits + length * move.change
        return ~(_objective(problem, penalty, *tried) <= point.value + 1e-4 * length * slope + slack) & (length > 1e-6)

    length = jax.lax.while_loop(too_long, lambda length: 0.5 * length, jnp.ones(()))
    return jnp.where(length > 1e-6, length, 0.0)


def relative_gap(strength: Scalar, value: Scalar, gradient: Float[Array, "p classes"]) -> Scalar:
    """`||gradient||^2 / (2 strength)` over the objective, which bounds how far the objective is above its minimum.

    The objective is strongly convex in the weights, and this is also the duality gap at the dual point that the
    probabilities give, once the intercepts are optimal.
    """
    bound = jnp.sum(jnp.square(gradient)) / jnp.maximum(2 * strength, 1e-30)
    return jnp.where(strength > 0, bound / jnp.maximum(value, 1e-30), 0.0)


class _Newton(NamedTuple):
    point: _Point
    curvature: Curvature
    factors: Factors
    last_products: Int[Array, ""]
    products: Int[Array, ""]
    iterations: Int[Array, ""]
    idle: Int[Array, ""]


def solve(
    problem: Problem,
    l2: Float[Array, ""],
    start: Float[Array, "p classes"],
    curvature: Curvature,
    tolerance: float,
    active: Bool[Array, ""] | bool = True,
) -> Solution:
    """Minimise until the gradient's largest entry and the relative gap are both at most `tolerance`.

    Stops before that where no step helps, and after `MAX_NEWTON` steps; not `active`, it does not begin.
    """
    strength = l2 * (2.0 if problem.targets.shape[2] == 2 else 1.0)
    penalty = _penalty(problem, strength)
    active = jnp.asarray(active)

    def measures(point: _Point) -> tuple[Scalar, Scalar]:
        return jnp.max(jnp.abs(point.gradient)), relative_gap(strength, point.value, point.gradient)

    def renewed(c: _Newton) -> tuple[Curvature, Factors]:
        made = _curvature(problem, c.point.probabilities)
        return made, factorise(made, penalty)

    def body(c: _Newton) -> _Newton:
        blocks, factors = jax.lax.cond(c.last_products > STALE, renewed, lambda c: (c.curvature, c.factors), c)
        move = _newton_direction(problem, penalty, c.point, factors, active)
        length = _step_length(problem, penalty, c.point, move)
        moved = c.point.coefficients + length * move.solution
        point = _at(problem, penalty, jnp.where(length > 0, moved, c.point.coefficients))  # 0 times infinity is none
        better = point.value < c.point.value - 2e-7 * jnp.abs(c.point.value)
        idle = jnp.where(length == 0.0, MAX_IDLE, jnp.where(better, 0, c.idle + 1))
        counts = move.products, c.products + move.products, c.iterations + 1
        return _Newton(point, blocks, factors, *counts, idle)

    def unfinished(c: _Newton) -> Bool[Array, ""]:
        norm, gap = measures(c.point)
        done = (norm <= tolerance) & (gap <= tolerance)
        return active & ~done & (c.iterations < MAX_NEWTON) & (c.idle < MAX_IDLE)

    none = jnp.zeros((), int)
    first = _Newton(
        _at(problem, penalty, centred(start)), curvature, factorise(curvature, penalty), none, none, none, none
    )
    last = jax.lax.while_loop(unfinished, body, first)
    return Solution(last.point.coefficients, *measures(last.point), last.iterations, last.products, last.curvature)


def path(problem: Problem, strengths: Float[Array, " grid"], tolerance: float) -> Solution:
    """The solution at each strength, stacked, each starting where the one before it ended; without curvatures."""

    def at_strength(known: tuple[Array, Curvature], l2: Float[Array, ""]) -> tuple[tuple[Array, Curvature], Solution]:
        found = solve(problem, l2, *known, tolerance)
        return (found.coefficients, found.curvature), found._replace(curvature=jnp.zeros((0, 0, 0)))

    return jax.lax.scan(at_strength, (zero_coefficients(problem), initial_curvature(problem)), strengths)[1]
