"""The convex probe: what a linear classifier can read from features, with every choice made on validation rows."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from aejax.classify.logistic import (
    Linear,
    Problem,
    logits_of,
    make_problem,
    rotate,
    solve,
    unrotate,
    zero_linear,
)
from aejax.config import ProbeConfig

L2_GRID = tuple(np.logspace(2, -6, 12).tolist())  # per-example strengths, strongest first: ties go to the stronger
TIE = 1e-4  # nats of validation loss that make no choice: among such strengths the strongest is taken
RISES = 2  # rises of the validation loss in a row after which weaker strengths are not tried
FAR = 1.05  # times the loss before: a rise at which one is enough
PATH_TOLERANCE = 1e-4  # gradient norm at which a grid point is good enough to be compared
FINAL_TOLERANCE = 1e-5  # gradient norm asked of the classifier that is reported
CONVERGED = 1e-4  # largest gradient entry, in float64, at which it counts as converged


class ProbeRows(NamedTuple):
    """One seed's rows, by role."""

    train: Int[Array, " n_train"]
    valid: Int[Array, " n_valid"]
    test: Int[Array, " n_test"]


class Standardizer(NamedTuple):
    """`(features - mean) / deviation`."""

    mean: Float[Array, " d"]
    deviation: Float[Array, " d"]


class ProbeResult(NamedTuple):
    """One seed's fitted classifier and what it says of the test rows."""

    log_probs: Float[Array, "n_test classes"]
    linear: Linear  # for standardised features
    standardizer: Standardizer
    l2: Float[Array, ""]  # per-example strength used
    grid_edge: Bool[Array, ""]  # the best strength was the grid's first or last
    valid_nll: Float[Array, " grid"]  # validation loss along L2_GRID, infinite where not tried; empty if l2 was fixed
    iterations: Int[Array, ""]


def _standardizer(features: Float[Array, "n d"], wanted: bool) -> Standardizer:
    d = features.shape[1]
    if not wanted:
        return Standardizer(jnp.zeros(d), jnp.ones(d))
    mean = jnp.mean(features, axis=0)
    deviation = jnp.sqrt(jnp.mean(jnp.square(features - mean[None]), axis=0))
    # A constant column is left at zero rather than blown up by what rounding made of it.
    return Standardizer(mean, jnp.where(deviation > 1e-6 * jnp.abs(mean), deviation, jnp.inf))


def _standardize(standardizer: Standardizer, features: Float[Array, "n d"]) -> Float[Array, "n d"]:
    return (features - standardizer.mean[None]) / standardizer.deviation[None]


def _nll(logits: Float[Array, "n classes"], labels: Int[Array, " n"]) -> Float[Array, ""]:
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1))


class _Path(NamedTuple):
    linear: Linear  # of the strength before
    loss: Float[Array, ""]  # its validation loss
    rises: Int[Array, ""]  # strengths in a row at which the loss has risen


def _validation_path(
    problem: Problem, features: Float[Array, "n_valid d"], labels: Int[Array, " n_valid"]
) -> tuple[Float[Array, " grid"], Linear]:
    """Validation loss at each strength of `L2_GRID`, strongest first, each solution starting from the one before.

    The path ends where the loss has risen at `RISES` strengths in a row, or risen `FAR`: weaker strengths cost most and
    only overfit more. Strengths that were not tried have an infinite loss. Also returns the solution at each strength,
    for features that are not rotated.
    """

    def at_strength(path: _Path, l2: Float[Array, ""]) -> tuple[_Path, tuple[Float[Array, ""], Linear]]:
        def tried(start: Linear) -> tuple[Linear, Float[Array, ""]]:
            linear = solve(problem, l2, start, PATH_TOLERANCE).linear
            return linear, _nll(logits_of(unrotate(problem, linear), features), labels)

        def skipped(start: Linear) -> tuple[Linear, Float[Array, ""]]:
            return start, jnp.asarray(jnp.inf)

        linear, loss = jax.lax.cond(path.rises < RISES, tried, skipped, path.linear)
        rises = jnp.where(loss > path.loss + TIE, path.rises + 1, 0)
        rises = jnp.where(loss > FAR * path.loss + TIE, RISES, rises)
        rises = jnp.where(path.rises < RISES, rises, path.rises)
        return _Path(linear, loss, rises), (loss, unrotate(problem, linear))

    start = _Path(zero_linear(problem), jnp.asarray(jnp.inf), jnp.zeros((), jnp.int32))
    return jax.lax.scan(at_strength, start, jnp.asarray(L2_GRID))[1]


def make_probe(
    config: ProbeConfig, classes: int
) -> Callable[[Float[Array, "n d"], Int[Array, " n"], ProbeRows], ProbeResult]:
    """The probe as a pure function of one seed's `(features, labels, rows)`.

    The strength is the one of lowest validation loss when fitted on the training rows (of those that tie, the
    strongest); the classifier is then fitted again on training and validation rows together. With `probe_c` there is
    no choice, and validation rows, if any, just add to the fit. Products run at full float32 precision everywhere.
    """

    def path(
        features: Float[Array, "n d"], labels: Int[Array, " n"], rows: ProbeRows
    ) -> tuple[Float[Array, " grid"], Linear]:
        standardizer = _standardizer(features[rows.train], config.probe_standardize)
        problem = make_problem(_standardize(standardizer, features[rows.train]), labels[rows.train], classes)
        return _validation_path(problem, _standardize(standardizer, features[rows.valid]), labels[rows.valid])

    def probe(features: Float[Array, "n d"], labels: Int[Array, " n"], rows: ProbeRows) -> ProbeResult:
        with jax.default_matmul_precision("highest"):
            both = jnp.concatenate([rows.train, rows.valid])
            standardizer = _standardizer(features[both], config.probe_standardize)
            problem = make_problem(_standardize(standardizer, features[both]), labels[both], classes)
            if config.probe_c:
                valid_nll, edge = jnp.zeros(0), jnp.asarray(False)
                l2, start = jnp.asarray(1 / (config.probe_c * len(both))), zero_linear(problem)
            else:
                valid_nll, solutions = path(features, labels, rows)
                best = jnp.argmax(valid_nll <= jnp.min(valid_nll) + TIE)
                edge = (best == 0) | (best == len(L2_GRID) - 1)
                # Almost the same problem: the solution on the training rows alone is a good start.
                l2, start = jnp.asarray(L2_GRID)[best], rotate(problem, jax.tree.map(lambda x: x[best], solutions))
            solution = solve(problem, l2, start, FINAL_TOLERANCE)
            linear = unrotate(problem, solution.linear)
            logits = logits_of(linear, _standardize(standardizer, features[rows.test]))
        log_probs = jax.nn.log_softmax(logits)
        return ProbeResult(log_probs, linear, standardizer, l2, edge, valid_nll, solution.iterations)

    return probe


def gradient_norm(
    result: ProbeResult,
    features: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    rows: Int[np.ndarray, " fitted"],
) -> float:
    """Largest absolute entry of one seed's objective gradient at its solution, in float64 on the host.

    Args:
        result: one seed's result, as NumPy arrays.
        features: the features it was fitted on.
        labels: classes of all rows.
        rows: the rows it was fitted on, training and validation.
    """
    standardizer = Standardizer(*(leaf.astype(np.float64) for leaf in result.standardizer))
    weights, bias = (leaf.astype(np.float64) for leaf in result.linear)
    inputs = (features[rows] - standardizer.mean) / standardizer.deviation
    logits = inputs @ weights + bias
    residuals = np.exp(logits - logits.max(axis=1, keepdims=True))
    residuals /= residuals.sum(axis=1, keepdims=True)
    residuals[np.arange(len(rows)), labels[rows]] -= 1.0
    strength = float(result.l2) * (2 if weights.shape[1] == 2 else 1)
    of_weights = inputs.T @ residuals / len(rows) + strength * weights
    return float(max(np.abs(of_weights).max(), np.abs(residuals.mean(axis=0)).max()))
