"""The convex probe: what a linear classifier can read from features, with every choice made on validation rows."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from aejax.config import ProbeConfig
from aejax.probe.duality_gap import Certificate, compute_certificate
from aejax.probe.features import Features, Standardizer, fit_standardizer, standardize
from aejax.probe.logistic import (
    LinearClassifier,
    LogisticProblem,
    LogisticSolution,
    initial_hessian_blocks,
    linear_logits,
    make_blocked_problem,
    solve_logistic,
    to_coefficients,
    to_linear,
    zero_coefficients,
)
from aejax.probe.preconditioner import HessianBlocks

GRID_EXTENSION = 2  # strengths beyond each end of the grid that are tried while they are better than all before
EXTENDED_GRID = tuple(
    np.logspace(2 + GRID_EXTENSION * 8 / 11, -6 - GRID_EXTENSION * 8 / 11, 12 + 2 * GRID_EXTENSION).tolist()
)
L2_GRID = EXTENDED_GRID[
    GRID_EXTENSION:-GRID_EXTENSION
]  # 1e2 .. 1e-6 per example, strongest first: ties go to the stronger
VALID_NLL_TOLERANCE = 1e-4  # nats of validation loss that make no choice: among such strengths the strongest is taken
PATIENCE = 2  # rises of the validation loss in a row after which weaker strengths are not tried
MAX_RISE_RATIO = 1.05  # times the loss before: a rise at which one is enough
PATH_TOLERANCE = 1e-4  # gradient and relative gap at which a grid point is good enough to be compared
FINAL_TOLERANCE = 1e-5  # gradient and relative gap asked of the classifier that is reported
CONVERGENCE_TOLERANCE = 1e-4  # gradient and relative gap, in float64, at which it counts as converged


class ProbeRows(NamedTuple):
    """One seed's rows, by role."""

    train: Int[Array, " n_train"]
    valid: Int[Array, " n_valid"]
    test: Int[Array, " n_test"]


class LogisticProbeResult(NamedTuple):
    """One seed's fitted classifier and what it says of the test rows."""

    log_probs: Float[Array, "n_test classes"]
    linear: LinearClassifier  # for standardised features
    standardizer: Standardizer
    l2: Float[Array, ""]  # per-example strength used
    grid_edge: Bool[Array, ""]  # the best strength was the first or last of the extended grid
    grid_extended: Bool[Array, ""]  # strengths beyond L2_GRID were tried, the best so far being at its edge
    valid_nll: Float[Array, " grid"]  # validation loss along EXTENDED_GRID, infinite where not tried; empty if l2 fixed
    iterations: Int[Array, ""]


def mean_nll(logits: Float[Array, "n classes"], labels: Int[Array, " n"]) -> Float[Array, ""]:
    """Mean negative log-likelihood, in nats."""
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1))


class _PathStep(NamedTuple):
    coefficients: Float[Array, "p classes"]  # of the strength before
    loss: Float[Array, ""]  # its validation loss
    best: Float[Array, ""]  # the lowest so far
    improved: Bool[Array, ""]  # the strength before was better than all before it
    rises: Int[Array, ""]  # strengths in a row at which the loss has risen


class _PathState(NamedTuple):
    step: _PathStep
    hessian_blocks: HessianBlocks
    strongest: Float[Array, "p classes"]  # coefficients of the grid's strongest strength, where the way back begins
    strongest_loss: Float[Array, ""]


class _SelectedStrength(NamedTuple):
    l2: Float[Array, ""]
    linear: LinearClassifier
    hessian_blocks: HessianBlocks  # a preconditioner for almost the same problem
    valid_nll: Float[Array, " grid"]
    grid_edge: Bool[Array, ""]
    grid_extended: Bool[Array, ""]


def _select_strength(
    problem: LogisticProblem, features: Float[Array, "n_valid d"], labels: Int[Array, " n_valid"]
) -> _SelectedStrength:
    """The strength of lowest validation loss, each solution starting from the one before.

    The grid is walked from its strongest strength. The walk ends where the loss has risen at `RISES` strengths in a
    row, or risen `FAR`: weaker strengths cost most and only overfit more. Beyond the weakest it goes on while each is
    better than all before; and if in the end the strongest is the best, stronger ones are tried in the same way.
    """
    grid = jnp.asarray(EXTENDED_GRID)
    last = GRID_EXTENSION + len(L2_GRID) - 1

    def at_strength(path: _PathState, index: Int[Array, ""]) -> tuple[_PathState, tuple[Float[Array, ""], Array]]:
        back = index == GRID_EXTENSION - 1
        before = jax.tree.map(lambda new, old: jnp.where(back, new, old), _restart_at_strongest(path), path.step)
        beyond = (index < GRID_EXTENSION) | (index > last)
        wanted = jnp.where(beyond, before.improved, before.rises < PATIENCE)

        def tried(_: None) -> tuple[Array, HessianBlocks, Array]:
            found = solve_logistic(
                problem, grid[index], before.coefficients, path.hessian_blocks, PATH_TOLERANCE, wanted
            )
            loss = mean_nll(linear_logits(to_linear(problem, found.coefficients), features), labels)
            return found.coefficients, found.hessian_blocks, loss

        def skipped(_: None) -> tuple[Array, HessianBlocks, Array]:
            return before.coefficients, path.hessian_blocks, jnp.asarray(jnp.inf)

        coefficients, curvature, loss = jax.lax.cond(wanted, tried, skipped, None)
        rises = jnp.where(loss > before.loss + VALID_NLL_TOLERANCE, before.rises + 1, 0)
        rises = jnp.where(loss > MAX_RISE_RATIO * before.loss + VALID_NLL_TOLERANCE, PATIENCE, rises)
        rises = jnp.where(wanted, rises, PATIENCE)
        step = _PathStep(
            coefficients, loss, jnp.minimum(loss, before.best), loss < before.best - VALID_NLL_TOLERANCE, rises
        )
        first = index == GRID_EXTENSION
        strongest = jnp.where(first, coefficients, path.strongest), jnp.where(first, loss, path.strongest_loss)
        return _PathState(step, curvature, *strongest), (loss, coefficients)

    unknown, zero = jnp.asarray(jnp.inf), zero_coefficients(problem)
    begun = _PathStep(zero, unknown, unknown, jnp.asarray(False), jnp.zeros((), int))
    there_and_back = np.concatenate([np.arange(GRID_EXTENSION, len(grid)), np.arange(GRID_EXTENSION)[::-1]])
    start = _PathState(begun, initial_hessian_blocks(problem), zero, unknown)
    # One loop, so that the solver is compiled once.
    walked, in_turn = jax.lax.scan(at_strength, start, jnp.asarray(there_and_back))
    valid_nll, solutions = (leaf[np.argsort(there_and_back)] for leaf in in_turn)
    best = jnp.argmax(valid_nll <= jnp.min(valid_nll) + VALID_NLL_TOLERANCE)
    tried = jnp.isfinite(valid_nll)
    return _SelectedStrength(
        l2=grid[best],
        linear=to_linear(problem, solutions[best]),
        hessian_blocks=walked.hessian_blocks,
        valid_nll=valid_nll,
        grid_edge=(best == 0) | (best == len(grid) - 1),
        grid_extended=tried[GRID_EXTENSION - 1] | tried[last + 1],
    )


def _restart_at_strongest(path: _PathState) -> _PathStep:
    """Where stronger strengths than the grid's are tried from, if its strongest is the best of all."""
    loss = path.strongest_loss
    return _PathStep(path.strongest, loss, loss, loss <= path.step.best + VALID_NLL_TOLERANCE, jnp.zeros((), int))


def make_logistic_probe(
    config: ProbeConfig, n_classes: int
) -> Callable[[Features, Int[Array, " n"], ProbeRows], LogisticProbeResult]:
    """The probe as a pure function of one seed's `(features, labels, rows)`.

    The strength is the one of lowest validation loss when fitted on the training rows (of those that tie, the
    strongest); the classifier is then fitted again on training and validation rows together. With `probe_c` there is
    no choice, and validation rows, if any, just add to the fit. Products run at full float32 precision everywhere.
    """

    def prepared(
        features: Features, labels: Int[Array, " n"], rows: Int[Array, " m"]
    ) -> tuple[Standardizer, LogisticProblem]:
        standardizer = fit_standardizer(features, rows, config.probe_standardize)

        def read(places: Int[Array, " m"]) -> Float[Array, "m d"]:
            return standardize(standardizer, features.gather(rows[places]))

        return standardizer, make_blocked_problem(read, labels[rows], n_classes)

    def choose(features: Features, labels: Int[Array, " n"], rows: ProbeRows) -> _SelectedStrength:
        standardizer, problem = prepared(features, labels, rows.train)
        return _select_strength(problem, standardize(standardizer, features.gather(rows.valid)), labels[rows.valid])

    def fit(
        problem: LogisticProblem, chosen: _SelectedStrength | None, count: int
    ) -> tuple[LogisticSolution, Float[Array, ""]]:
        if chosen is None:
            assert config.probe_c is not None
            l2, start, curvature = jnp.asarray(1 / (config.probe_c * count)), zero_coefficients(problem), None
        else:
            l2, start, curvature = chosen.l2, to_coefficients(problem, chosen.linear), chosen.hessian_blocks
            if curvature.shape[1] != start.shape[0]:  # fewer rows than features: their span has grown
                curvature = None
        own = initial_hessian_blocks(problem) if curvature is None else curvature
        return solve_logistic(problem, l2, start, own, FINAL_TOLERANCE), l2

    def probe(features: Features, labels: Int[Array, " n"], rows: ProbeRows) -> LogisticProbeResult:
        with jax.default_matmul_precision("highest"):
            chosen = None if config.probe_c else choose(features, labels, rows)
            both = jnp.concatenate([rows.train, rows.valid])
            if chosen is not None:  # what the rows depend on, so that memory never holds both regressions
                both = jnp.where(chosen.l2 > 0, both, 0)
            standardizer, problem = prepared(features, labels, both)
            solution, l2 = fit(problem, chosen, len(both))
            linear = to_linear(problem, solution.coefficients)
            logits = linear_logits(linear, standardize(standardizer, features.gather(rows.test)))
        no = jnp.asarray(False)
        edge, extended = (no, no) if chosen is None else (chosen.grid_edge, chosen.grid_extended)
        valid_nll = jnp.zeros(0) if chosen is None else chosen.valid_nll
        found = standardizer, l2, edge, extended, valid_nll, solution.iterations
        return LogisticProbeResult(jax.nn.log_softmax(logits), linear, *found)

    return probe


def certify_logistic_probe(
    result: LogisticProbeResult, features: Float[np.ndarray, "fitted d"], labels: Int[np.ndarray, " fitted"]
) -> Certificate:
    """How far one seed's classifier can be from the optimum, in float64 on the host.

    Args:
        result: one seed's result, as NumPy arrays.
        features: of the rows that it was fitted on, training and validation.
        labels: their classes.
    """
    mean, deviation = (np.asarray(leaf, np.float64) for leaf in result.standardizer)
    weights, bias = np.asarray(result.linear.weights), np.asarray(result.linear.bias)
    return compute_certificate(features, labels, weights, bias, float(result.l2), mean, deviation)
