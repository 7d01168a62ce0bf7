"""Selection of the L2 strength of a logistic regression by its mean validation loss over folds, along one path."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from aejax.probes.logistic import LogisticProblem, initial_hessian_blocks, weighted_nll, zero_coefficients
from aejax.probes.newton import solve_logistic
from aejax.probes.preconditioner import HessianBlocks

GRID_EXTENSION = 2  # strengths beyond each end of the grid, tried while each is better than all before
EXTENDED_GRID = tuple(
    np.logspace(2 + GRID_EXTENSION * 8 / 11, -6 - GRID_EXTENSION * 8 / 11, 12 + 2 * GRID_EXTENSION).tolist()
)
L2_GRID = EXTENDED_GRID[GRID_EXTENSION:-GRID_EXTENSION]  # 1e2 .. 1e-6 per example, strongest first
VALID_NLL_TOLERANCE = 1e-4  # nats; among strengths whose validation losses tie to this, the strongest is selected
PATIENCE = 2  # consecutive rises of the validation loss after which weaker strengths are not tried
MAX_RISE_RATIO = 1.05  # of the loss to the one before, above which one rise is enough
PATH_TOLERANCE = 1e-4  # gradient and relative gap of the solutions that are compared


class FoldWeights(NamedTuple):
    """Folds of a problem's rows, as weights of every row: 1 / n for the n rows of a part, else 0."""

    train: Float[Array, "folds blocks rows"]
    valid: Float[Array, "folds blocks rows"]


class SelectedStrength(NamedTuple):
    """The strength of lowest mean validation loss, or a fixed one, and a start for a fit on all rows."""

    l2: Float[Array, ""]
    coefficients: Float[Array, "p classes"]  # mean of the folds' solutions; zero if the strength is fixed
    hessian_blocks: HessianBlocks  # mean over the folds, a preconditioner for nearly the same problem
    valid_nll: Float[Array, " grid"]  # along EXTENDED_GRID, infinite where not tried; empty if the strength is fixed
    grid_edge: Bool[Array, ""]  # the best strength is the first or last of the extended grid
    grid_extended: Bool[Array, ""]  # strengths beyond L2_GRID were tried


class _PathStep(NamedTuple):
    coefficients: Float[Array, "folds p classes"]  # of the previous strength
    loss: Float[Array, ""]  # its validation loss
    best: Float[Array, ""]  # the lowest so far
    improved: Bool[Array, ""]  # the previous strength was better than all before it
    rises: Int[Array, ""]  # consecutive strengths at which the loss rose


class _PathState(NamedTuple):
    step: _PathStep
    hessian_blocks: Float[Array, "folds groups p p"]
    strongest: Float[Array, "folds p classes"]  # solutions for the strongest strength of the grid
    strongest_loss: Float[Array, ""]


def make_fold_weights(
    problem: LogisticProblem, train: Int[Array, "folds n_train"], valid: Int[Array, "folds n_valid"]
) -> FoldWeights:
    """Converts positions of rows to weights."""

    def spread(positions: Int[Array, "folds m"]) -> Float[Array, "folds blocks rows"]:
        (folds, count), shape = positions.shape, problem.row_weights.shape
        flat = jnp.zeros((folds, shape[0] * shape[1]))
        return flat.at[jnp.arange(folds)[:, None], positions].set(1 / count).reshape(folds, *shape)

    return FoldWeights(spread(train), spread(valid))


def fixed_strength(problem: LogisticProblem, l2: float) -> SelectedStrength:
    """Returns a strength that is not selected, with a cold start."""
    start, no = (zero_coefficients(problem), initial_hessian_blocks(problem)), jnp.asarray(False)
    return SelectedStrength(jnp.asarray(l2), *start, jnp.zeros(0), no, no)


def select_strength(problem: LogisticProblem, folds: FoldWeights) -> SelectedStrength:
    """Selects the strength of lowest mean validation loss; each solution is warm-started from the one before.

    The path begins at the grid's strongest strength. It ends where the loss has risen PATIENCE times in a row, or once
    by MAX_RISE_RATIO: weaker strengths take longest to solve and overfit more. Beyond the weakest strength it continues
    while each is better than all before; if the strongest is the best in the end, stronger ones are tried likewise.
    All folds share the features of the problem: those that validate have weight 0 in the objective.
    """
    grid = jnp.asarray(EXTENDED_GRID)
    last = GRID_EXTENSION + len(L2_GRID) - 1

    def at_strength(path: _PathState, index: Int[Array, ""]) -> tuple[_PathState, tuple[Float[Array, ""], Array]]:
        turning = index == GRID_EXTENSION - 1  # from the weakest strength back to those beyond the strongest
        before = jax.tree.map(lambda new, old: jnp.where(turning, new, old), _restart_at_strongest(path), path.step)
        is_extension = (index < GRID_EXTENSION) | (index > last)
        active = jnp.where(is_extension, before.improved, before.rises < PATIENCE)

        def solve_fold(fold: tuple[Array, HessianBlocks, FoldWeights]) -> tuple[Array, HessianBlocks, Array]:
            coefficients, hessian_blocks, weights = fold
            of_fold = problem._replace(row_weights=weights.train)
            solution = solve_logistic(of_fold, grid[index], coefficients, hessian_blocks, PATH_TOLERANCE, active)
            loss = weighted_nll(problem, solution.logits, weights.valid)
            return solution.coefficients, solution.hessian_blocks, loss

        def solve(_: None) -> tuple[Array, Array, Array]:
            start = before.coefficients, path.hessian_blocks, folds
            coefficients, hessian_blocks, losses = jax.lax.map(solve_fold, start)
            return coefficients, hessian_blocks, jnp.mean(losses)

        def skip(_: None) -> tuple[Array, Array, Array]:
            return before.coefficients, path.hessian_blocks, jnp.asarray(jnp.inf)

        coefficients, hessian_blocks, loss = jax.lax.cond(active, solve, skip, None)
        step = _next_step(before, coefficients, loss, active)
        first = index == GRID_EXTENSION
        strongest = jnp.where(first, coefficients, path.strongest), jnp.where(first, loss, path.strongest_loss)
        return _PathState(step, hessian_blocks, *strongest), (loss, coefficients)

    start = _start_path(problem, folds)
    order = np.concatenate([np.arange(GRID_EXTENSION, len(grid)), np.arange(GRID_EXTENSION)[::-1]])
    # One loop over strengths and one over folds, so that the solver is compiled once.
    end, visited = jax.lax.scan(at_strength, start, jnp.asarray(order))
    valid_nll, solutions = (leaf[np.argsort(order)] for leaf in visited)
    best = jnp.argmax(valid_nll <= jnp.min(valid_nll) + VALID_NLL_TOLERANCE)
    at_edge, tried = (best == 0) | (best == len(grid) - 1), jnp.isfinite(valid_nll)
    extended = tried[GRID_EXTENSION - 1] | tried[last + 1]
    means = jnp.mean(solutions[best], axis=0), jnp.mean(end.hessian_blocks, axis=0)
    return SelectedStrength(grid[best], *means, valid_nll, at_edge, extended)


def _start_path(problem: LogisticProblem, folds: FoldWeights) -> _PathState:
    zero = jnp.zeros((len(folds.train), *zero_coefficients(problem).shape))
    blocks = jax.lax.map(lambda weights: initial_hessian_blocks(problem._replace(row_weights=weights)), folds.train)
    infinity = jnp.asarray(jnp.inf)
    return _PathState(
        _PathStep(zero, infinity, infinity, jnp.asarray(False), jnp.zeros((), int)), blocks, zero, infinity
    )


def _next_step(before: _PathStep, coefficients: Array, loss: Float[Array, ""], active: Bool[Array, ""]) -> _PathStep:
    rises = jnp.where(loss > before.loss + VALID_NLL_TOLERANCE, before.rises + 1, 0)
    rises = jnp.where(loss > MAX_RISE_RATIO * before.loss + VALID_NLL_TOLERANCE, PATIENCE, rises)
    rises = jnp.where(active, rises, PATIENCE)
    improved = loss < before.best - VALID_NLL_TOLERANCE
    return _PathStep(coefficients, loss, jnp.minimum(loss, before.best), improved, rises)


def _restart_at_strongest(path: _PathState) -> _PathStep:
    """Returns the step from which strengths beyond the strongest are tried, if it ties with the best."""
    loss = path.strongest_loss
    return _PathStep(path.strongest, loss, loss, loss <= path.step.best + VALID_NLL_TOLERANCE, jnp.zeros((), int))
