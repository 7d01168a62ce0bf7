"""A preconditioned truncated Newton method for logistic regression, batched by vmap.

Newton directions come from conjugate gradients on Hessian products (Nocedal and Wright 2006, algorithm 7.1),
preconditioned by `preconditioner`. The line search needs no pass over the features: the logits are linear in the step.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Scalar

from aejax.probes.logistic import (
    Evaluation,
    LogisticProblem,
    evaluate,
    hessian_blocks_at,
    hessian_product,
    initial_hessian_blocks,
    regularized_loss,
    zero_coefficients,
)
from aejax.probes.preconditioner import (
    HessianBlocks,
    InverseFactors,
    apply_preconditioner,
    center_over_classes,
    factorize,
)

MAX_NEWTON_STEPS = 60
MAX_CG_STEPS = 100  # Hessian products per Newton direction
MAX_STALLED_STEPS = 6  # consecutive steps without a decrease that float32 resolves
FORCING_TERM = 0.1  # relative length of the residual, in the preconditioner's metric, at which CG stops
REFACTORIZE_AFTER = 12  # products for one direction after which the preconditioner is recomputed


class LogisticSolution(NamedTuple):
    """The result of the solver."""

    coefficients: Float[Array, "p classes"]  # in the problem's coordinates
    logits: Float[Array, "blocks rows classes"]  # of every row, whatever its weight
    gradient_norm: Float[Array, ""]  # largest entry, float32
    gap: Float[Array, ""]  # bound on the distance from the optimum, relative to the objective, float32
    iterations: Int[Array, ""]
    hessian_blocks: HessianBlocks  # of the last preconditioner, to start the next strength with


class _CGState(NamedTuple):
    solution: Float[Array, "p classes"]
    logit_change: Float[Array, "blocks rows classes"]  # by the solution
    residual: Float[Array, "p classes"]
    direction: Float[Array, "p classes"]
    residual_dot: Scalar  # residual . preconditioned residual
    products: Int[Array, ""]


def _newton_direction(
    problem: LogisticProblem,
    penalty: Float[Array, " p"],
    current: Evaluation,
    factors: InverseFactors,
    active: Bool[Array, ""],
) -> _CGState:
    """Solves `H s = -gradient` by conjugate gradients to a relative residual of FORCING_TERM."""

    def body(c: _CGState) -> _CGState:
        product, change = hessian_product(problem, penalty, current.probabilities, c.direction)
        step = c.residual_dot / jnp.maximum(jnp.vdot(c.direction, product), 1e-30)
        residual = c.residual - step * product
        preconditioned = apply_preconditioner(factors, residual)
        residual_dot = jnp.vdot(residual, preconditioned)
        direction = preconditioned + residual_dot / jnp.maximum(c.residual_dot, 1e-30) * c.direction
        moved = c.solution + step * c.direction, c.logit_change + step * change
        return _CGState(*moved, residual, direction, residual_dot, c.products + 1)

    def unfinished(c: _CGState) -> Bool[Array, ""]:
        return active & (c.residual_dot > goal) & (c.products < MAX_CG_STEPS)

    residual = -center_over_classes(current.gradient)
    direction = apply_preconditioner(factors, residual)
    residual_dot = jnp.vdot(residual, direction)
    goal = FORCING_TERM**2 * residual_dot
    zeros = jnp.zeros_like(residual), jnp.zeros_like(current.logits)
    return jax.lax.while_loop(unfinished, body, _CGState(*zeros, residual, direction, residual_dot, jnp.zeros((), int)))


def _line_search(
    problem: LogisticProblem, penalty: Float[Array, " p"], current: Evaluation, newton_step: _CGState
) -> Scalar:
    """Halves the step length from 1 until the Armijo condition holds to float32 precision; 0 if it never does."""
    slope = jnp.vdot(current.gradient, newton_step.solution)
    tolerance = 3e-7 * jnp.abs(current.value)  # rounding of the objective in float32

    def too_long(length: Scalar) -> Bool[Array, ""]:
        coefficients = current.coefficients + length * newton_step.solution
        value = regularized_loss(problem, penalty, coefficients, current.logits + length * newton_step.logit_change)
        return ~(value <= current.value + 1e-4 * length * slope + tolerance) & (length > 1e-6)

    length = jax.lax.while_loop(too_long, lambda length: 0.5 * length, jnp.ones(()))
    return jnp.where(length > 1e-6, length, 0.0)


def _relative_gap(l2: Scalar, value: Scalar, gradient: Float[Array, "p classes"]) -> Scalar:
    """Returns `||gradient||^2 / (2 l2)` relative to the objective: a bound on its distance from the minimum.

    The objective is strongly convex in the weights, and with optimal intercepts this is the duality gap at the dual
    point of the residuals. In float32 it is a stopping rule; `duality_gap` computes the certified bound in float64.
    """
    bound = jnp.sum(jnp.square(gradient)) / jnp.maximum(2 * l2, 1e-30)
    return jnp.where(l2 > 0, bound / jnp.maximum(value, 1e-30), 0.0)


class _NewtonState(NamedTuple):
    current: Evaluation
    hessian_blocks: HessianBlocks
    factors: InverseFactors
    hessian_products: Int[Array, ""]  # for the last direction
    iterations: Int[Array, ""]
    stalled_steps: Int[Array, ""]


def _newton_step(
    problem: LogisticProblem, penalty: Float[Array, " p"], state: _NewtonState, active: Bool[Array, ""]
) -> _NewtonState:
    def recompute(state: _NewtonState) -> tuple[HessianBlocks, InverseFactors]:
        blocks = hessian_blocks_at(problem, state.current.probabilities)
        return blocks, factorize(blocks, penalty)

    blocks, factors = jax.lax.cond(
        state.hessian_products > REFACTORIZE_AFTER, recompute, lambda s: (s.hessian_blocks, s.factors), state
    )
    current = state.current
    direction = _newton_direction(problem, penalty, current, factors, active)
    length = _line_search(problem, penalty, current, direction)
    moved = current.coefficients + length * direction.solution
    # With length 0 the direction may be infinite, and 0 times infinity is NaN.
    point = evaluate(problem, penalty, jnp.where(length > 0, moved, current.coefficients))
    improved = point.value < current.value - 2e-7 * jnp.abs(current.value)
    stalled = jnp.where(length == 0.0, MAX_STALLED_STEPS, jnp.where(improved, 0, state.stalled_steps + 1))
    return _NewtonState(point, blocks, factors, direction.products, state.iterations + 1, stalled)


def solve_logistic(
    problem: LogisticProblem,
    l2: Float[Array, ""],
    initial: Float[Array, "p classes"],
    hessian_blocks: HessianBlocks,
    tolerance: float,
    active: Bool[Array, ""] | bool = True,
) -> LogisticSolution:
    """Minimises until the gradient's largest entry and the relative gap are both at most `tolerance`.

    Stops earlier where float32 resolves no further decrease, and after MAX_NEWTON_STEPS.

    Args:
        problem: the regression.
        l2: per-example strength.
        initial: coefficients to start from.
        hessian_blocks: for the first preconditioner.
        tolerance: of the gradient and of the relative gap.
        active: if false, nothing is computed and the initial coefficients are returned.
    """
    strength = l2 * (2.0 if problem.targets.shape[2] == 2 else 1.0)
    penalty = jnp.full(problem.features.shape[2], strength).at[-1].set(0.0)  # none for the intercept
    active = jnp.asarray(active)

    def measures(point: Evaluation) -> tuple[Scalar, Scalar]:
        return jnp.max(jnp.abs(point.gradient)), _relative_gap(strength, point.value, point.gradient)

    def unfinished(state: _NewtonState) -> Bool[Array, ""]:
        norm, gap = measures(state.current)
        done = (norm <= tolerance) & (gap <= tolerance)
        return active & ~done & (state.iterations < MAX_NEWTON_STEPS) & (state.stalled_steps < MAX_STALLED_STEPS)

    first = evaluate(problem, penalty, center_over_classes(initial))
    zeros = (jnp.zeros((), int),) * 3
    start = _NewtonState(first, hessian_blocks, factorize(hessian_blocks, penalty), *zeros)
    last = jax.lax.while_loop(unfinished, lambda state: _newton_step(problem, penalty, state, active), start)
    point = last.current
    return LogisticSolution(point.coefficients, point.logits, *measures(point), last.iterations, last.hessian_blocks)


def solve_path(problem: LogisticProblem, l2_grid: Float[Array, " grid"], tolerance: float) -> LogisticSolution:
    """Solves for each strength, warm-started from the one before; stacks the solutions without their largest arrays."""

    def at_strength(
        state: tuple[Array, HessianBlocks], l2: Float[Array, ""]
    ) -> tuple[tuple[Array, HessianBlocks], LogisticSolution]:
        solution = solve_logistic(problem, l2, *state, tolerance)
        state = solution.coefficients, solution.hessian_blocks
        return state, solution._replace(logits=jnp.zeros((0, 0, 0)), hessian_blocks=jnp.zeros((0, 0, 0)))

    return jax.lax.scan(at_strength, (zero_coefficients(problem), initial_hessian_blocks(problem)), l2_grid)[1]
