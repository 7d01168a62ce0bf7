"""The logistic probe: an L2 logistic regression on features, with the strength selected by validation."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from aejax.config import ProbeConfig
from aejax.probes.duality_gap import Certificate, compute_certificate
from aejax.probes.features import Features, ProbeRows, Standardizer, fit_standardizer, standardize
from aejax.probes.logistic import LinearClassifier, linear_logits, make_blocked_problem, to_linear
from aejax.probes.newton import solve_logistic
from aejax.probes.regularization_path import fixed_strength, make_fold_weights, select_strength

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
    valid_nll: Float[Array, " grid"]  # mean over folds along EXTENDED_GRID, infinite if not tried; empty if l2 fixed


def make_logistic_probe(
    config: ProbeConfig, n_classes: int
) -> Callable[[Features, Int[Array, " n"], ProbeRows], LogisticProbeResult]:
    """Returns the probe as a pure function of one seed's `(features, labels, rows)`.

    Features are standardised on all training inputs. The strength is the one of lowest mean validation loss over the
    folds (the strongest of those that tie); the classifier is then fitted on all labelled rows. With `probe_c` the
    strength is fixed. Matrix products have full float32 precision.
    """

    def probe(features: Features, labels: Int[Array, " n"], rows: ProbeRows) -> LogisticProbeResult:
        standardizer = fit_standardizer(features, rows.standardize, config.probe_standardize)

        def read_rows(positions: Int[Array, " m"]) -> Float[Array, "m d"]:
            return standardize(standardizer, features.gather(rows.fit[positions]))

        with jax.default_matmul_precision("highest"):
            problem = make_blocked_problem(read_rows, labels[rows.fit], n_classes)
            if config.probe_c is None:
                selected = select_strength(problem, make_fold_weights(problem, rows.fold_train, rows.fold_valid))
            else:
                selected = fixed_strength(problem, 1 / (config.probe_c * len(rows.fit)))
            start = selected.coefficients, selected.hessian_blocks
            linear = to_linear(problem, solve_logistic(problem, selected.l2, *start, FINAL_TOLERANCE).coefficients)
            logits = linear_logits(linear, standardize(standardizer, features.gather(rows.test)))
        return LogisticProbeResult(
            log_probs=jax.nn.log_softmax(logits),
            linear=linear,
            standardizer=standardizer,
            l2=selected.l2,
            grid_edge=selected.grid_edge,
            grid_extended=selected.grid_extended,
            valid_nll=selected.valid_nll,
        )

    return probe


def certify_logistic_probe(
    result: LogisticProbeResult, features: Float[np.ndarray, "fitted d"], labels: Int[np.ndarray, " fitted"]
) -> Certificate:
    """Bounds the distance of one seed's classifier from the optimum, in float64 on the host.

    Args:
        result: one seed's result, as NumPy arrays.
        features: of the fitted rows.
        labels: their classes.
    """
    mean, std = (np.asarray(leaf, np.float64) for leaf in result.standardizer)
    weights, bias = np.asarray(result.linear.weights), np.asarray(result.linear.bias)
    return compute_certificate(features, labels, weights, bias, float(result.l2), (mean, std))
