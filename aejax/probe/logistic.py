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

from aejax.probe.features import map_row_blocks
from aejax.probe.preconditioner import (
    HessianBlocks,
    InverseFactors,
    apply_preconditioner,
    center_over_classes,
    compute_hessian_blocks,
    factorize,
)

MAX_NEWTON_STEPS = 60
MAX_CG_STEPS = 100  # Hessian products per Newton direction
MAX_STALLED_STEPS = 6  # steps in a row that lower the objective by nothing that float32 can tell
FORCING_TERM = 0.1  # length of the residual, in the preconditioner's metric, at which a direction is good enough
REFACTORIZE_AFTER = 12  # products after which the preconditioner is made anew

ReadRows = Callable[[Int[Array, " m"]], Float[Array, "m d"]]  # the features at given places


class LinearClassifier(NamedTuple):
    """Weights and intercepts of a softmax classifier."""

    weights: Float[Array, "d classes"]
    bias: Float[Array, " classes"]


class LogisticProblem(NamedTuple):
    """A regression in blocks of rows; rows of zeros that count nothing fill the last block."""

    features: Float[Array, "blocks rows p"]  # the last column is one, for the intercept
    targets: Float[Array, "blocks rows classes"]  # one-hot
    row_weights: Float[Array, "blocks rows"]  # weight in the mean loss: 1 / n, or 0
    basis: Float[Array, "d p-1"] | None  # orthonormal: features were multiplied by it, if there are fewer rows


class LogisticSolution(NamedTuple):
    """Where the solver stopped."""

    coefficients: Float[Array, "p classes"]  # in the problem's coordinates
    gradient_norm: Float[Array, ""]  # largest entry, float32
    gap: Float[Array, ""]  # bound on the distance from the optimum, relative to the objective, float32
    iterations: Int[Array, ""]
    hessian_products: Int[Array, ""]
    hessian_blocks: HessianBlocks  # of the last preconditioner, for the next strength


def make_problem(features: Float[Array, "n d"], labels: Int[Array, " n"], n_classes: int) -> LogisticProblem:
    """Lay out a regression; with fewer rows than features, in the rows' span, where every optimum lies."""
    return make_blocked_problem(lambda places: features[places], labels, n_classes)


def make_blocked_problem(read_rows: ReadRows, labels: Int[Array, " n"], n_classes: int) -> LogisticProblem:
    """The same of features that are read block by block; all at once only where they are fewer than their columns."""
    n, basis = labels.shape[0], None
    d = jax.eval_shape(read_rows, jax.ShapeDtypeStruct((1,), jnp.int32)).shape[1]
    if n < d:
        basis = jnp.linalg.qr(read_rows(jnp.arange(n)).T)[0]

    def block(places: Int[Array, " rows"]) -> tuple[Array, Array, Array]:
        features = read_rows(places)
        with_ones = jnp.pad(features if basis is None else features @ basis, ((0, 0), (0, 1)), constant_values=1.0)
        return with_ones, jax.nn.one_hot(labels[places], n_classes), jnp.full((len(places), 1), 1 / n)

    features, targets, shares = map_row_blocks(block, n, dependency=labels)
    return LogisticProblem(features, targets, shares[..., 0], basis)


def zero_coefficients(problem: LogisticProblem) -> Float[Array, "p classes"]:
    """The start where nothing is known."""
    return jnp.zeros((problem.features.shape[2], problem.targets.shape[2]))


def to_linear(problem: LogisticProblem, coefficients: Float[Array, "p classes"]) -> LinearClassifier:
    """The classifier of the features that the problem was made of."""
    weights = coefficients[:-1]
    return LinearClassifier(weights if problem.basis is None else problem.basis @ weights, coefficients[-1])


def to_coefficients(problem: LogisticProblem, linear: LinearClassifier) -> Float[Array, "p classes"]:
    """A classifier in the problem's coordinates."""
    weights = linear.weights if problem.basis is None else problem.basis.T @ linear.weights
    return jnp.concatenate([weights, linear.bias[None]])


def linear_logits(linear: LinearClassifier, features: Float[Array, "n d"]) -> Float[Array, "n classes"]:
    """Unnormalised log-probabilities."""
    return features @ linear.weights + linear.bias[None]


def initial_hessian_blocks(problem: LogisticProblem) -> HessianBlocks:
    """That of a classifier that knows nothing."""
    return _hessian_blocks_at(problem, jnp.full_like(problem.targets, 1 / problem.targets.shape[2]))


def _hessian_blocks_at(problem: LogisticProblem, probabilities: Float[Array, "blocks rows classes"]) -> HessianBlocks:
    return compute_hessian_blocks(problem.features, probabilities, problem.row_weights)


def _penalty_vector(problem: LogisticProblem, l2: Scalar) -> Float[Array, " p"]:
    return jnp.full(problem.features.shape[2], l2).at[-1].set(0.0)


class _SoftmaxLoss(NamedTuple):
    losses: Float[Array, "*rows"]
    probabilities: Float[Array, "*rows classes"]
    residuals: Float[Array, "*rows classes"]  # probabilities less targets


def _softmax_loss(logits: Float[Array, "*rows classes"], targets: Float[Array, "*rows classes"]) -> _SoftmaxLoss:
    """Losses and residuals with full relative precision, however small, as separable data make them."""
    margins = logits - jnp.sum(targets * logits, axis=-1, keepdims=True)  # 0 at the true class
    largest = jnp.max(margins, axis=-1, keepdims=True)
    raised = jnp.exp(margins - largest)
    others = jnp.sum((1.0 - targets) * raised, axis=-1, keepdims=True)
    total = others + jnp.sum(targets * raised, axis=-1, keepdims=True)
    losses = jnp.where(largest > 0, largest + jnp.log(total), jnp.log1p(others))[..., 0]
    probabilities = raised / total
    return _SoftmaxLoss(losses, probabilities, (1.0 - targets) * probabilities - targets * others / total)


def _regularized_loss(
    problem: LogisticProblem, penalty: Float[Array, " p"], coefficients: Array, logits: Array
) -> Scalar:
    losses = _softmax_loss(logits, problem.targets).losses
    return jnp.sum(problem.row_weights * losses) + 0.5 * jnp.sum(penalty[:, None] * jnp.square(coefficients))


class _Evaluation(NamedTuple):
    coefficients: Float[Array, "p classes"]
    logits: Float[Array, "blocks rows classes"]
    probabilities: Float[Array, "blocks rows classes"]
    value: Scalar
    gradient: Float[Array, "p classes"]


def _evaluate(
    problem: LogisticProblem, penalty: Float[Array, " p"], coefficients: Float[Array, "p classes"]
) -> _Evaluation:
    """Everything that one pass over the features tells of some coefficients."""

    def add(gradient: Array, block: tuple[Array, Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        features, targets, shares = block
        logits = features @ coefficients
        own = _softmax_loss(logits, targets)
        return gradient + features.T @ (shares[:, None] * own.residuals), (logits, own.probabilities)

    blocks = problem.features, problem.targets, problem.row_weights
    gradient, (logits, probabilities) = jax.lax.scan(add, penalty[:, None] * coefficients, blocks)
    value = _regularized_loss(problem, penalty, coefficients, logits)
    return _Evaluation(coefficients, logits, probabilities, value, gradient)


def _hessian_product(
    problem: LogisticProblem, penalty: Float[Array, " p"], probabilities: Array, direction: Float[Array, "p classes"]
) -> tuple[Float[Array, "p classes"], Float[Array, "blocks rows classes"]]:
    """The Hessian times a direction, and the direction's change of the logits: one pass over the features."""

    def add(image: Array, block: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        features, own, shares = block
        change = features @ direction
        weighted = own * (change - jnp.sum(own * change, axis=1, keepdims=True))
        return image + features.T @ (shares[:, None] * weighted), change

    blocks = problem.features, probabilities, problem.row_weights
    return jax.lax.scan(add, penalty[:, None] * direction, blocks)


class _CGState(NamedTuple):
    solution: Float[Array, "p classes"]
    logit_change: Float[Array, "blocks rows classes"]  # of the logits, by the solution
    residual: Float[Array, "p classes"]
    direction: Float[Array, "p classes"]
    residual_dot: Scalar  # residual . preconditioned residual
    products: Int[Array, ""]


def _newton_direction(
    problem: LogisticProblem,
    penalty: Float[Array, " p"],
    current: _Evaluation,
    factors: InverseFactors,
    active: Bool[Array, ""],
) -> _CGState:
    """Conjugate gradients on `H s = -gradient` until the residual is `FORCING` times as long as the gradient."""

    def body(c: _CGState) -> _CGState:
        image, change = _hessian_product(problem, penalty, current.probabilities, c.direction)
        step = c.residual_dot / jnp.maximum(jnp.vdot(c.direction, image), 1e-30)
        residual = c.residual - step * image
        preconditioned = apply_preconditioner(factors, residual)
        alignment = jnp.vdot(residual, preconditioned)
        direction = preconditioned + alignment / jnp.maximum(c.residual_dot, 1e-30) * c.direction
        moved = c.solution + step * c.direction, c.logit_change + step * change
        return _CGState(*moved, residual, direction, alignment, c.products + 1)

    def unfinished(c: _CGState) -> Bool[Array, ""]:
        return active & (c.residual_dot > goal) & (c.products < MAX_CG_STEPS)

    residual = -center_over_classes(current.gradient)
    direction = apply_preconditioner(factors, residual)
    alignment = jnp.vdot(residual, direction)
    goal = FORCING_TERM**2 * alignment
    start = jnp.zeros_like(residual), jnp.zeros_like(current.logits)
    return jax.lax.while_loop(unfinished, body, _CGState(*start, residual, direction, alignment, jnp.zeros((), int)))


def _line_search(
    problem: LogisticProblem, penalty: Float[Array, " p"], current: _Evaluation, newton_step: _CGState
) -> Scalar:
    """Halve from 1 until the objective falls enough (Armijo), to float32's resolution; 0 if it never does."""
    slope = jnp.vdot(current.gradient, newton_step.solution)
    slack = 3e-7 * jnp.abs(current.value)  # what float32 cannot tell apart

    def too_long(length: Scalar) -> Bool[Array, ""]:
        tried = current.coefficients + length * newton_step.solution, current.logits + length * newton_step.logit_change
        return ~(_regularized_loss(problem, penalty, *tried) <= current.value + 1e-4 * length * slope + slack) & (
            length > 1e-6
        )

    length = jax.lax.while_loop(too_long, lambda length: 0.5 * length, jnp.ones(()))
    return jnp.where(length > 1e-6, length, 0.0)


def relative_gap(l2: Scalar, value: Scalar, gradient: Float[Array, "p classes"]) -> Scalar:
    """`||gradient||^2 / (2 strength)` over the objective, which bounds how far the objective is above its minimum.

    The objective is strongly convex in the weights, and this is also the duality gap at the dual point that the
    probabilities give, once the intercepts are optimal.
    """
    bound = jnp.sum(jnp.square(gradient)) / jnp.maximum(2 * l2, 1e-30)
    return jnp.where(l2 > 0, bound / jnp.maximum(value, 1e-30), 0.0)


class _NewtonState(NamedTuple):
    current: _Evaluation
    hessian_blocks: HessianBlocks
    factors: InverseFactors
    last_hessian_products: Int[Array, ""]
    hessian_products: Int[Array, ""]
    iterations: Int[Array, ""]
    stalled_steps: Int[Array, ""]


def solve_logistic(
    problem: LogisticProblem,
    l2: Float[Array, ""],
    initial: Float[Array, "p classes"],
    hessian_blocks: HessianBlocks,
    tolerance: float,
    active: Bool[Array, ""] | bool = True,
) -> LogisticSolution:
    """Minimise until the gradient's largest entry and the relative gap are both at most `tolerance`.

    Stops before that where no step helps, and after `MAX_NEWTON` steps; not `active`, it does not begin.
    """
    strength = l2 * (2.0 if problem.targets.shape[2] == 2 else 1.0)
    penalty = _penalty_vector(problem, strength)
    active = jnp.asarray(active)

    def measures(point: _Evaluation) -> tuple[Scalar, Scalar]:
        return jnp.max(jnp.abs(point.gradient)), relative_gap(strength, point.value, point.gradient)

    def renewed(c: _NewtonState) -> tuple[HessianBlocks, InverseFactors]:
        made = _hessian_blocks_at(problem, c.current.probabilities)
        return made, factorize(made, penalty)

    def body(c: _NewtonState) -> _NewtonState:
        blocks, factors = jax.lax.cond(
            c.last_hessian_products > REFACTORIZE_AFTER, renewed, lambda c: (c.hessian_blocks, c.factors), c
        )
        move = _newton_direction(problem, penalty, c.current, factors, active)
        length = _line_search(problem, penalty, c.current, move)
        moved = c.current.coefficients + length * move.solution
        point = _evaluate(
            problem, penalty, jnp.where(length > 0, moved, c.current.coefficients)
        )  # 0 times infinity is none
        better = point.value < c.current.value - 2e-7 * jnp.abs(c.current.value)
        idle = jnp.where(length == 0.0, MAX_STALLED_STEPS, jnp.where(better, 0, c.stalled_steps + 1))
        counts = move.products, c.hessian_products + move.products, c.iterations + 1
        return _NewtonState(point, blocks, factors, *counts, idle)

    def unfinished(c: _NewtonState) -> Bool[Array, ""]:
        norm, gap = measures(c.current)
        done = (norm <= tolerance) & (gap <= tolerance)
        return active & ~done & (c.iterations < MAX_NEWTON_STEPS) & (c.stalled_steps < MAX_STALLED_STEPS)

    none = jnp.zeros((), int)
    first = _NewtonState(
        _evaluate(problem, penalty, center_over_classes(initial)),
        hessian_blocks,
        factorize(hessian_blocks, penalty),
        none,
        none,
        none,
        none,
    )
    last = jax.lax.while_loop(unfinished, body, first)
    return LogisticSolution(
        last.current.coefficients, *measures(last.current), last.iterations, last.hessian_products, last.hessian_blocks
    )


def solve_path(problem: LogisticProblem, l2_grid: Float[Array, " grid"], tolerance: float) -> LogisticSolution:
    """The solution at each strength, stacked, each starting where the one before it ended; without curvatures."""

    def at_strength(
        known: tuple[Array, HessianBlocks], l2: Float[Array, ""]
    ) -> tuple[tuple[Array, HessianBlocks], LogisticSolution]:
        found = solve_logistic(problem, l2, *known, tolerance)
        return (found.coefficients, found.hessian_blocks), found._replace(hessian_blocks=jnp.zeros((0, 0, 0)))

    return jax.lax.scan(at_strength, (zero_coefficients(problem), initial_hessian_blocks(problem)), l2_grid)[1]
