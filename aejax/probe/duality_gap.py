"""How far a fitted logistic regression can be from its optimum, in float64 on the host."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import logsumexp, softmax

ROWS_PER_BLOCK = 8192  # rows that are held in float64 at once
MAX_INTERCEPT_STEPS = 50  # Newton steps at most for the intercepts alone; a few are needed


class Certificate(NamedTuple):
    """What a solution is worth."""

    gradient_norm: float  # largest absolute entry of the objective's gradient
    gap: float  # the objective is at most this share of itself above its minimum; infinite without a penalty


def compute_certificate(
    features: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, "d classes"],
    bias: Float[np.ndarray, " classes"],
    l2: float,
    mean: Float[np.ndarray, " d"] | float = 0.0,
    std: Float[np.ndarray, " d"] | float = 1.0,
) -> Certificate:
    """Gradient and duality gap of one solution.

    With intercepts b' that are optimal for these weights, the residuals sum to zero for each class, so they are a dual
    point, and the duality gap at (W, b') is `||gradient_W||^2 / (2 c l2)`; what (W, b) costs more comes on top.

    Args:
        features: what was classified, before it was standardised.
        labels: their classes.
        weights: of the solution, for standardised features.
        bias: its intercepts.
        l2: per-example strength; c is 2 for two classes, else 1, as in `logistic`.
        mean: what was taken from the features.
        deviation: what they were then divided by.
    """
    weights, bias = weights.astype(np.float64), bias.astype(np.float64)
    strength = l2 * (2 if weights.shape[1] == 2 else 1)
    blocks = [slice(first, first + ROWS_PER_BLOCK) for first in range(0, len(labels), ROWS_PER_BLOCK)]

    def inputs(rows: slice) -> Float[np.ndarray, "block d"]:
        return (features[rows].astype(np.float64) - mean) / std

    scores = np.concatenate([inputs(rows) @ weights for rows in blocks])
    penalty = 0.5 * strength * float(np.sum(weights**2))

    def residuals(intercepts: Float[np.ndarray, " classes"]) -> Float[np.ndarray, "n classes"]:
        chances = softmax(scores + intercepts, axis=1)
        chances[np.arange(len(labels)), labels] -= 1.0
        return chances

    best = fit_intercepts(scores, labels, bias)
    own, at_best = residuals(bias), residuals(best)
    pulled = np.sum([inputs(rows).T @ np.hstack([own[rows], at_best[rows]]) for rows in blocks], axis=0) / len(labels)
    of_weights, of_weights_at_best = (part + strength * weights for part in np.split(pulled, 2, axis=1))
    norm = float(max(np.abs(of_weights).max(), np.abs(own.mean(axis=0)).max()))
    if strength == 0:
        return Certificate(norm, np.inf)
    value = mean_nll(scores + bias, labels) + penalty
    above = value - (mean_nll(scores + best, labels) + penalty)
    bound = float(np.sum(of_weights_at_best**2)) / (2 * strength)
    return Certificate(norm, (max(above, 0.0) + bound) / max(value, 1e-300))


def mean_nll(logits: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"]) -> float:
    """Mean negative log-likelihood, in nats."""
    return float(np.mean(logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]))


def fit_intercepts(
    scores: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"], initial: Float[np.ndarray, " classes"]
) -> Float[np.ndarray, " classes"]:
    """The intercepts of lowest loss for given `features @ weights`, by damped Newton steps on a K by K Hessian."""
    frequencies = np.bincount(labels, minlength=scores.shape[1]) / len(labels)
    best = initial - initial.mean()
    for _ in range(MAX_INTERCEPT_STEPS):
        chances = softmax(scores + best, axis=1)
        residual = chances.mean(axis=0) - frequencies
        if np.abs(residual).max() < 1e-13:
            break
        hessian = np.diag(chances.mean(axis=0)) - chances.T @ chances / len(labels)
        step = np.linalg.lstsq(hessian, residual, rcond=1e-12)[0]
        length, value = 1.0, mean_nll(scores + best, labels)
        while mean_nll(scores + best - length * step, labels) > value and length > 1e-6:
            length /= 2
        if length <= 1e-6:
            break
        best = best - length * step
    return best
