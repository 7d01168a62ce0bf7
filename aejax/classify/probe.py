"""The convex probe: what a linear classifier can read from features, with every choice made on validation rows."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from aejax.classify.certificate import Certificate, certify
from aejax.classify.curvature import Curvature
from aejax.classify.logistic import (
    Linear,
    Problem,
    Solution,
    coefficients_of,
    initial_curvature,
    lay_out,
    linear_of,
    logits_of,
    solve,
    zero_coefficients,
)
from aejax.classify.reading import Features, Standardizer, make_standardizer, standardize
from aejax.config import ProbeConfig

EXTENSION = 2  # strengths beyond each end of the grid that are tried while they are better than all before
EXTENDED_GRID = tuple(np.logspace(2 + EXTENSION * 8 / 11, -6 - EXTENSION * 8 / 11, 12 + 2 * EXTENSION).tolist())
L2_GRID = EXTENDED_GRID[EXTENSION:-EXTENSION]  # 1e2 .. 1e-6 per example, strongest first: ties go to the stronger
TIE = 1e-4  # nats of validation loss that make no choice: among such strengths the strongest is taken
RISES = 2  # rises of the validation loss in a row after which weaker strengths are not tried
FAR = 1.05  # times the loss before: a rise at which one is enough
PATH_TOLERANCE = 1e-4  # gradient and relative gap at which a grid point is good enough to be compared
FINAL_TOLERANCE = 1e-5  # gradient and relative gap asked of the classifier that is reported
CONVERGED = 1e-4  # gradient and relative gap, in float64, at which it counts as converged


class ProbeRows(NamedTuple):
    """One seed's rows, by role."""

    train: Int[Array, " n_train"]
    valid: Int[Array, " n_valid"]
    test: Int[Array, " n_test"]


class ProbeResult(NamedTuple):
    """One seed's fitted classifier and what it says of the test rows."""

    log_probs: Float[Array, "n_test classes"]
    linear: Linear  # for standardised features
    standardizer: Standardizer
    l2: Float[Array, ""]  # per-example strength used
    grid_edge: Bool[Array, ""]  # the best strength was the first or last of the extended grid
    grid_extended: Bool[Array, ""]  # strengths beyond L2_GRID were tried, the best so far being at its edge
    valid_nll: Float[Array, " grid"]  # validation loss along EXTENDED_GRID, infinite where not tried; empty if l2 fixed
    iterations: Int[Array, ""]


def nll(logits: Float[Array, "n classes"], labels: Int[Array, " n"]) -> Float[Array, ""]:
    """Mean negative log-likelihood, in nats."""
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1))


class _Step(NamedTuple):
    coefficients: Float[Array, "p classes"]  # of the strength before
    loss: Float[Array, ""]  # its validation loss
    best: Float[Array, ""]  # the lowest so far
    improved: Bool[Array, ""]  # the strength before was better than all before it
    rises: Int[Array, ""]  # strengths in a row at which the loss has risen


class _Path(NamedTuple):
    step: _Step
    curvature: Curvature
    strongest: Float[Array, "p classes"]  # coefficients of the grid's strongest strength, where the way back begins
    strongest_loss: Float[Array, ""]


class _Chosen(NamedTuple):
    l2: Float[Array, ""]
    linear: Linear
    curvature: Curvature  # a preconditioner for almost the same problem
    valid_nll: Float[Array, " grid"]
    edge: Bool[Array, ""]
    extended: Bool[Array, ""]


def _choose(problem: Problem, features: Float[Array, "n_valid d"], labels: Int[Array, " n_valid"]) -> _Chosen:
    """The strength of lowest validation loss, each solution starting from the one before.

    The grid is walked from its strongest strength. The walk ends where the loss has risen at `RISES` strengths in a
    row, or risen `FAR`: weaker strengths cost most and only overfit more. Beyond the weakest it goes on while each is
    better than all before; and if in the end the strongest is the best, stronger ones are tried in the same way.
    """
    grid = jnp.asarray(EXTENDED_GRID)
    last = EXTENSION + len(L2_GRID) - 1

    def at_strength(path: _Path, index: Int[Array, ""]) -> tuple[_Path, tuple[Float[Array, ""], Array]]:
        back = index == EXTENSION - 1
        before = jax.tree.map(lambda new, old: jnp.where(back, new, old), _turned(path), path.step)
        beyond = (index < EXTENSION) | (index > last)
        wanted = jnp.where(beyond, before.improved, before.rises < RISES)

        def tried(_: None) -> tuple[Array, Curvature, Array]:
            found = solve(problem, grid[index], before.coefficients, path.curvature, PATH_TOLERANCE, wanted)
            loss = nll(logits_of(linear_of(problem, found.coefficients), features), labels)
            return found.coefficients, found.curvature, loss

        def skipped(_: None) -> tuple[Array, Curvature, Array]:
            return before.coefficients, path.curvature, jnp.asarray(jnp.inf)

        coefficients, curvature, loss = jax.lax.cond(wanted, tried, skipped, None)
        rises = jnp.where(loss > before.loss + TIE, before.rises + 1, 0)
        rises = jnp.where(loss > FAR * before.loss + TIE, RISES, rises)
        rises = jnp.where(wanted, rises, RISES)
        step = _Step(coefficients, loss, jnp.minimum(loss, before.best), loss < before.best - TIE, rises)
        first = index == EXTENSION
        strongest = jnp.where(first, coefficients, path.strongest), jnp.where(first, loss, path.strongest_loss)
        return _Path(step, curvature, *strongest), (loss, coefficients)

    unknown, zero = jnp.asarray(jnp.inf), zero_coefficients(problem)
    begun = _Step(zero, unknown, unknown, jnp.asarray(False), jnp.zeros((), int))
    there_and_back = np.concatenate([np.arange(EXTENSION, len(grid)), np.arange(EXTENSION)[::-1]])
    start = _Path(begun, initial_curvature(problem), zero, unknown)
    # One loop, so that the solver is compiled once.
    walked, in_turn = jax.lax.scan(at_strength, start, jnp.asarray(there_and_back))
    valid_nll, solutions = (leaf[np.argsort(there_and_back)] for leaf in in_turn)
    best = jnp.argmax(valid_nll <= jnp.min(valid_nll) + TIE)
    tried = jnp.isfinite(valid_nll)
    return _Chosen(
        l2=grid[best],
        linear=linear_of(problem, solutions[best]),
        curvature=walked.curvature,
        valid_nll=valid_nll,
        edge=(best == 0) | (best == len(grid) - 1),
        extended=tried[EXTENSION - 1] | tried[last + 1],
    )


def _turned(path: _Path) -> _Step:
    """Where stronger strengths than the grid's are tried from, if its strongest is the best of all."""
    loss = path.strongest_loss
    return _Step(path.strongest, loss, loss, loss <= path.step.best + TIE, jnp.zeros((), int))


def make_probe(config: ProbeConfig, classes: int) -> Callable[[Features, Int[Array, " n"], ProbeRows], ProbeResult]:
    """The probe as a pure function of one seed's `(features, labels, rows)`.

    The strength is the one of lowest validation loss when fitted on the training rows (of those that tie, the
    strongest); the classifier is then fitted again on training and validation rows together. With `probe_c` there is
    no choice, and validation rows, if any, just add to the fit. Products run at full float32 precision everywhere.
    """

    def prepared(features: Features, labels: Int[Array, " n"], rows: Int[Array, " m"]) -> tuple[Standardizer, Problem]:
        standardizer = make_standardizer(features, rows, config.probe_standardize)

        def read(places: Int[Array, " m"]) -> Float[Array, "m d"]:
            return standardize(standardizer, features.at(rows[places]))

        return standardizer, lay_out(read, labels[rows], classes)

    def choose(features: Features, labels: Int[Array, " n"], rows: ProbeRows) -> _Chosen:
        standardizer, problem = prepared(features, labels, rows.train)
        return _choose(problem, standardize(standardizer, features.at(rows.valid)), labels[rows.valid])

    def fit(problem: Problem, chosen: _Chosen | None, count: int) -> tuple[Solution, Float[Array, ""]]:
        if chosen is None:
            assert config.probe_c is not None
            l2, start, curvature = jnp.asarray(1 / (config.probe_c * count)), zero_coefficients(problem), None
        else:
            l2, start, curvature = chosen.l2, coefficients_of(problem, chosen.linear), chosen.curvature
            if curvature.shape[1] != start.shape[0]:  # fewer rows than features: their span has grown
                curvature = None
        own = initial_curvature(problem) if curvature is None else curvature
        return solve(problem, l2, start, own, FINAL_TOLERANCE), l2

    def probe(features: Features, labels: Int[Array, " n"], rows: ProbeRows) -> ProbeResult:
        with jax.default_matmul_precision("highest"):
            chosen = None if config.probe_c else choose(features, labels, rows)
            both = jnp.concatenate([rows.train, rows.valid])
            if chosen is not None:  # what the rows depend on, so that memory never holds both regressions
                both = jnp.where(chosen.l2 > 0, both, 0)
            standardizer, problem = prepared(features, labels, both)
            solution, l2 = fit(problem, chosen, len(both))
            linear = linear_of(problem, solution.coefficients)
            logits = logits_of(linear, standardize(standardizer, features.at(rows.test)))
        no = jnp.asarray(False)
        edge, extended = (no, no) if chosen is None else (chosen.edge, chosen.extended)
        valid_nll = jnp.zeros(0) if chosen is None else chosen.valid_nll
        found = standardizer, l2, edge, extended, valid_nll, solution.iterations
        return ProbeResult(jax.nn.log_softmax(logits), linear, *found)

    return probe


def certificate(
    result: ProbeResult, features: Float[np.ndarray, "fitted d"], labels: Int[np.ndarray, " fitted"]
) -> Certificate:
    """How far one seed's classifier can be from the optimum, in float64 on the host.

    Args:
        result: one seed's result, as NumPy arrays.
        features: of the rows that it was fitted on, training and validation.
        labels: their classes.
    """
    mean, deviation = (np.asarray(leaf, np.float64) for leaf in result.standardizer)
    weights, bias = np.asarray(result.linear.weights), np.asarray(result.linear.bias)
    return certify(features, labels, weights, bias, float(result.l2), mean, deviation)
