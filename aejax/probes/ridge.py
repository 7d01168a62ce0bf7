"""Ridge regression on one-hot targets: a linear classifier in closed form, one eigendecomposition for all strengths.

    minimise over W, b:  (1/2n) sum_i ||y_i - W' x_i - b||^2 + (l2 / 2) ||W||^2

With centred features, S = X'X / n = U diag(s) U' and C = X'Y / n, the weights are U diag(1 / (s + l2)) U'C (Hastie,
Tibshirani and Friedman 2009, 3.47). Scores are turned into probabilities by a softmax, at a temperature that is
selected by validation.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from aejax.config import ProbeConfig
from aejax.probes.duality_gap import Certificate
from aejax.probes.features import Features, ProbeRows, Standardizer, fit_standardizer, principal_axes, standardize
from aejax.probes.logistic import LinearClassifier, linear_logits
from aejax.probes.regularization_path import EXTENDED_GRID, GRID_EXTENSION

INVERSE_TEMPERATURES = tuple(2.0 ** (step / 4) for step in range(-8, 41))  # .25 .. 1024, factors of the scores
VALID_LOSS_RTOL = 1e-4  # among strengths whose validation losses tie to this, the strongest is selected


class RidgeProbeResult(NamedTuple):
    """One seed's fitted classifier and its log-probabilities for the test rows."""

    log_probs: Float[Array, "n_test classes"]
    linear: LinearClassifier  # of standardised features
    standardizer: Standardizer
    l2: Float[Array, ""]  # per-example strength
    grid_edge: Bool[Array, ""]  # the best strength is the first or last of the grid
    grid_extended: Bool[Array, ""]  # it is beyond L2_GRID
    valid_loss: Float[Array, " grid"]  # half the squared error, mean over folds, along EXTENDED_GRID; empty if l2 fixed
    valid_nll: Float[Array, ""]  # at the chosen strength and temperature
    inverse_temperature: Float[Array, ""]


class _Moments(NamedTuple):
    mean: Float[Array, " d"]
    target_mean: Float[Array, " classes"]
    eigenvalues: Float[Array, " k"]  # k = min(n, d); the others are zero
    eigenvectors: Float[Array, "d k"]
    rotated_targets: Float[Array, "k classes"]  # in the eigenbasis


def _fit_moments(features: Float[Array, "n d"], targets: Float[Array, "n classes"]) -> _Moments:
    n, mean, target_mean = features.shape[0], jnp.mean(features, axis=0), jnp.mean(targets, axis=0)
    centred = features - mean[None]
    eigenvalues, eigenvectors = principal_axes(centred)
    rotated_targets = eigenvectors.T @ (centred.T @ (targets - target_mean[None]) / n)
    return _Moments(mean, target_mean, jnp.maximum(eigenvalues, 0.0), eigenvectors, rotated_targets)


def _solve_ridge(moments: _Moments, l2: Float[Array, ""]) -> LinearClassifier:
    weights = moments.eigenvectors @ (moments.rotated_targets / (moments.eigenvalues + l2)[:, None])
    return LinearClassifier(weights, moments.target_mean - moments.mean @ weights)


def _select_l2(losses: Float[Array, " grid"]) -> tuple[Int[Array, ""], Bool[Array, ""], Bool[Array, ""]]:
    """Returns the strongest strength that ties with the best, and whether it is the grid's edge or in its extension."""
    best, last = jnp.argmax(losses <= (1 + VALID_LOSS_RTOL) * jnp.min(losses)), len(EXTENDED_GRID) - 1
    extended = (best < GRID_EXTENSION) | (best > last - GRID_EXTENSION)
    return best, (best == 0) | (best == last), extended


def _mean_nll(logits: Float[Array, "n classes"], labels: Int[Array, " n"]) -> Float[Array, ""]:
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1))


def _select_temperature(
    scores: Float[Array, "n classes"], labels: Int[Array, " n"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Returns the inverse temperature of lowest negative log-likelihood, and that likelihood."""
    factors = jnp.asarray(INVERSE_TEMPERATURES)
    losses = jax.lax.map(lambda factor: _mean_nll(factor * scores, labels), factors)
    return factors[jnp.argmin(losses)], jnp.min(losses)


def make_ridge_probe(
    config: ProbeConfig, n_classes: int
) -> Callable[[Features, Int[Array, " n"], ProbeRows], RidgeProbeResult]:
    """Returns the probe as a pure function of one seed's `(features, labels, rows)`.

    Features are standardised on all training inputs. The strength is the one of lowest mean squared error over the
    folds (the strongest of those that tie), the temperature the one of lowest mean validation NLL; the weights are then
    fitted on all labelled rows. With `probe_c` the strength is 1 / (C n), and without validation rows the temperature
    is selected on the training rows.
    """

    def ridge(features: Features, labels: Int[Array, " n"], rows: ProbeRows) -> RidgeProbeResult:
        fixed = jnp.asarray([1 / (config.probe_c * rows.fit.shape[0])]) if config.probe_c else None
        strengths = jnp.asarray(EXTENDED_GRID) if fixed is None else fixed
        standardizer = fit_standardizer(features, rows.standardize, config.probe_standardize)
        fold_valid = rows.fold_valid if rows.fold_valid.shape[1] else rows.fold_train
        targets, fit_labels = jax.nn.one_hot(labels[rows.fit], n_classes), labels[rows.fit]

        def read(positions: Int[Array, " m"]) -> Float[Array, "m d"]:
            return standardize(standardizer, features.gather(rows.fit[positions]))

        def score_fold(fold: tuple[Int[Array, " n"], Int[Array, " m"]]) -> tuple[Array, Array]:
            train, valid = fold
            moments, inputs = _fit_moments(read(train), targets[train]), read(valid)
            scores = jax.lax.map(lambda l2: linear_logits(_solve_ridge(moments, l2), inputs), strengths)
            return scores, 0.5 * jnp.mean(jnp.sum(jnp.square(scores - targets[valid][None]), axis=2), axis=1)

        with jax.default_matmul_precision("highest"):
            scores, losses = jax.lax.map(score_fold, (rows.fold_train, fold_valid))
            losses = jnp.mean(losses, axis=0)
            best, edge, extended = _select_l2(losses) if fixed is None else (0, jnp.asarray(False), jnp.asarray(False))
            factor, valid_nll = _select_temperature(
                scores[:, best].reshape(-1, n_classes), fit_labels[fold_valid].reshape(-1)
            )
            fit_rows = jnp.where(factor > 0, jnp.arange(len(fit_labels)), 0)  # so that memory never holds both fits
            linear = _solve_ridge(_fit_moments(read(fit_rows), targets), strengths[best])
            logits = factor * linear_logits(linear, standardize(standardizer, features.gather(rows.test)))
        return RidgeProbeResult(
            log_probs=jax.nn.log_softmax(logits),
            linear=linear,
            standardizer=standardizer,
            l2=strengths[best],
            grid_edge=edge,
            grid_extended=extended,
            valid_loss=losses if fixed is None else jnp.zeros(0),
            valid_nll=valid_nll,
            inverse_temperature=factor,
        )

    return ridge


def certify_ridge_probe(
    result: RidgeProbeResult, features: Float[np.ndarray, "fitted d"], labels: Int[np.ndarray, " fitted"]
) -> Certificate:
    """Bounds the distance of one seed's classifier from the optimum, in float64 on the host.

    With intercepts that are optimal for the weights the objective is strongly convex in the weights, so it is at most
    `||gradient||^2 / (2 l2)` above its minimum; the excess of the actual intercepts is added.

    Args:
        result: one seed's result, as NumPy arrays.
        features: of the fitted rows.
        labels: their classes.
    """
    mean, std = (np.asarray(leaf, np.float64) for leaf in result.standardizer)
    weights, bias = (np.asarray(leaf, np.float64) for leaf in result.linear)
    inputs, l2 = (features - mean) / std, float(result.l2)
    errors = inputs @ weights + bias - np.eye(weights.shape[1])[labels]
    bias_gradient = errors.mean(axis=0)
    norm = max(np.abs(inputs.T @ errors / len(labels) + l2 * weights).max(), np.abs(bias_gradient).max())
    value = 0.5 * np.mean(np.sum(errors**2, axis=1)) + 0.5 * l2 * np.sum(weights**2)
    gradient = inputs.T @ (errors - bias_gradient) / len(labels) + l2 * weights
    excess = 0.5 * np.sum(bias_gradient**2) + np.sum(gradient**2) / (2 * l2)
    return Certificate(float(norm), float(excess / max(value, 1e-300)))
