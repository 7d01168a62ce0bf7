"""A certified bound on the distance of a logistic regression from its optimum, in float64 on the host."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import logsumexp, softmax

ROWS_PER_BLOCK = 8192  # rows that are converted to float64 at a time
MAX_INTERCEPT_STEPS = 50  # Newton steps for the intercepts alone; a few are needed


class Certificate(NamedTuple):
    """How far a solution can be from the optimum."""

    gradient_norm: float  # largest absolute entry of the objective's gradient
    gap: float  # bound on (objective - minimum) / objective; infinite without a penalty


def compute_certificate(
    features: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, "d classes"],
    bias: Float[np.ndarray, " classes"],
    l2: float,
    mean_and_std: tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]] | None = None,
) -> Certificate:
    """Computes the gradient and the duality gap of a solution.

    With intercepts b' that are optimal for these weights, the residuals sum to zero for each class, so they are a dual
    point, and the duality gap at (W, b') is `||gradient_W||^2 / (2 c l2)`; the objective's excess at (W, b) is added.

    Args:
        features: of the fitted rows, before standardisation.
        labels: their classes.
        weights: of the solution, for standardised features.
        bias: its intercepts.
        l2: per-example strength; c is 2 for two classes, else 1, as in `logistic`.
        mean_and_std: of the standardisation; None for features that are not standardised.
    """
    weights, bias = weights.astype(np.float64), bias.astype(np.float64)
    mean, std = mean_and_std or (0.0, 1.0)
    strength = l2 * (2 if weights.shape[1] == 2 else 1)
    blocks = [slice(first, first + ROWS_PER_BLOCK) for first in range(0, len(labels), ROWS_PER_BLOCK)]

    def inputs(rows: slice) -> Float[np.ndarray, "block d"]:
        return (features[rows].astype(np.float64) - mean) / std

    scores = np.concatenate([inputs(rows) @ weights for rows in blocks])
    penalty = 0.5 * strength * float(np.sum(weights**2))
    best = fit_intercepts(scores, labels, bias)
    residuals = np.hstack([_residuals(scores + bias, labels), _residuals(scores + best, labels)])
    sums = np.sum([inputs(rows).T @ residuals[rows] for rows in blocks], axis=0) / len(labels)
    gradient, gradient_at_best = (part + strength * weights for part in np.split(sums, 2, axis=1))
    bias_gradient = residuals[:, : len(bias)].mean(axis=0)
    norm = float(max(np.abs(gradient).max(), np.abs(bias_gradient).max()))
    if strength == 0:
        return Certificate(norm, np.inf)
    value = mean_nll(scores + bias, labels) + penalty
    excess = value - (mean_nll(scores + best, labels) + penalty)
    bound = float(np.sum(gradient_at_best**2)) / (2 * strength)
    return Certificate(norm, (max(excess, 0.0) + bound) / max(value, 1e-300))


def _residuals(logits: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n classes"]:
    probabilities = softmax(logits, axis=1)
    probabilities[np.arange(len(labels)), labels] -= 1.0
    return probabilities


def mean_nll(logits: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"]) -> float:
    """Returns the mean negative log-likelihood, in nats."""
    return float(np.mean(logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]))


def fit_intercepts(
    scores: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"], initial: Float[np.ndarray, " classes"]
) -> Float[np.ndarray, " classes"]:
    """Returns the intercepts of lowest loss for given `features @ weights`, by damped Newton steps."""
    frequencies = np.bincount(labels, minlength=scores.shape[1]) / len(labels)
    best = initial - initial.mean()
    for _ in range(MAX_INTERCEPT_STEPS):
        probabilities = softmax(scores + best, axis=1)
        residual = probabilities.mean(axis=0) - frequencies
        if np.abs(residual).max() < 1e-13:
            break
        hessian = np.diag(probabilities.mean(axis=0)) - probabilities.T @ probabilities / len(labels)
        step = np.linalg.lstsq(hessian, residual, rcond=1e-12)[0]
        length, value = 1.0, mean_nll(scores + best, labels)
        while mean_nll(scores + best - length * step, labels) > value and length > 1e-6:
            length /= 2
        if length <= 1e-6:
            break
        best = best - length * step
    return best
