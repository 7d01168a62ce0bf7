"""The logistic probe: an L2 logistic regression on features, with the strength selected on validation rows."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from aejax.config import ProbeConfig
from aejax.probe.duality_gap import Certificate, compute_certificate
from aejax.probe.features import Features, ProbeRows, Standardizer, fit_standardizer, standardize
from aejax.probe.logistic import (
    LinearClassifier,
    LogisticProblem,
    initial_hessian_blocks,
    linear_logits,
    make_blocked_problem,
    to_coefficients,
    to_linear,
    zero_coefficients,
)
from aejax.probe.newton import LogisticSolution, solve_logistic
from aejax.probe.regularization_path import SelectedStrength, select_strength

FINAL_TOLERANCE = 1e-5  # gradient and relative gap, in float32, at which the reported classifier's solver stops
CONVERGENCE_TOLERANCE = 1e-4  # gradient and relative gap, in float64, at which it counts as converged


class LogisticProbeResult(NamedTuple):
    """One seed's fitted classifier and its log-probabilities for the test rows."""

    log_probs: Float[Array, "n_test classes"]
    linear: LinearClassifier  # of standardised features
    standardizer: Standardizer
    l2: Float[Array, ""]  # per-example strength
    grid_edge: Bool[Array, ""]  # the best strength is the first or last of the extended grid
    grid_extended: Bool[Array, ""]  # strengths beyond L2_GRID were tried, as the best was at its edge
    valid_nll: Float[Array, " grid"]  # validation loss along EXTENDED_GRID, infinite where not tried; empty if l2 fixed
    iterations: Int[Array, ""]


def make_logistic_probe(
    config: ProbeConfig, n_classes: int
) -> Callable[[Features, Int[Array, " n"], ProbeRows], LogisticProbeResult]:
    """Returns the probe as a pure function of one seed's `(features, labels, rows)`.

    The strength is the one of lowest validation loss when fitted on the training rows (the strongest of those that
    tie); the classifier is then fitted again on training and validation rows together. With `probe_c` the strength is
    fixed, and validation rows, if any, are just more rows to fit. Matrix products have full float32 precision.
    """

    def probe(features: Features, labels: Int[Array, " n"], rows: ProbeRows) -> LogisticProbeResult:
        with jax.default_matmul_precision("highest"):
            selected = None if config.probe_c else _select(config, n_classes, features, labels, rows)
            fit_rows = jnp.concatenate([rows.train, rows.valid])
            if selected is not None:  # a data dependency, so that memory never holds both regressions
                fit_rows = jnp.where(selected.l2 > 0, fit_rows, 0)
            standardizer, problem = _make_problem(config, n_classes, features, labels, fit_rows)
            if selected is None:
                assert config.probe_c is not None
                l2 = jnp.asarray(1 / (config.probe_c * len(fit_rows)))
            else:
                l2 = selected.l2
            solution = _refit(problem, l2, selected)
            linear = to_linear(problem, solution.coefficients)
            logits = linear_logits(linear, standardize(standardizer, features.gather(rows.test)))
        no = jnp.asarray(False)
        return LogisticProbeResult(
            log_probs=jax.nn.log_softmax(logits),
            linear=linear,
            standardizer=standardizer,
            l2=l2,
            grid_edge=selected.grid_edge if selected else no,
            grid_extended=selected.grid_extended if selected else no,
            valid_nll=selected.valid_nll if selected else jnp.zeros(0),
            iterations=solution.iterations,
        )

    return probe


def _make_problem(
    config: ProbeConfig, n_classes: int, features: Features, labels: Int[Array, " n"], rows: Int[Array, " m"]
) -> tuple[Standardizer, LogisticProblem]:
    standardizer = fit_standardizer(features, rows, config.probe_standardize)

    def read_rows(positions: Int[Array, " m"]) -> Float[Array, "m d"]:
        return standardize(standardizer, features.gather(rows[positions]))

    return standardizer, make_blocked_problem(read_rows, labels[rows], n_classes)


def _select(
    config: ProbeConfig, n_classes: int, features: Features, labels: Int[Array, " n"], rows: ProbeRows
) -> SelectedStrength:
    standardizer, problem = _make_problem(config, n_classes, features, labels, rows.train)
    return select_strength(problem, standardize(standardizer, features.gather(rows.valid)), labels[rows.valid])


def _refit(problem: LogisticProblem, l2: Float[Array, ""], selected: SelectedStrength | None) -> LogisticSolution:
    """Solves on all fitted rows, warm-started from the selected solution if there is one."""
    if selected is None:
        return solve_logistic(problem, l2, zero_coefficients(problem), initial_hessian_blocks(problem), FINAL_TOLERANCE)
    start, blocks = to_coefficients(problem, selected.linear), selected.hessian_blocks
    if blocks.shape[1] != start.shape[0]:  # with fewer rows than features, more rows have a larger span
        blocks = initial_hessian_blocks(problem)
    return solve_logistic(problem, l2, start, blocks, FINAL_TOLERANCE)


def certify_logistic_probe(
    result: LogisticProbeResult, features: Float[np.ndarray, "fitted d"], labels: Int[np.ndarray, " fitted"]
) -> Certificate:
    """Bounds the distance of one seed's classifier from the optimum, in float64 on the host.

    Args:
        result: one seed's result, as NumPy arrays.
        features: of the fitted rows, training and validation.
        labels: their classes.
    """
    mean, std = (np.asarray(leaf, np.float64) for leaf in result.standardizer)
    weights, bias = np.asarray(result.linear.weights), np.asarray(result.linear.bias)
    return compute_certificate(features, labels, weights, bias, float(result.l2), (mean, std))
