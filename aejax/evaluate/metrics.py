"""Scores of predictions: per example, so that every statistic can be computed from them later, and per class.

What needs every class's probability, which is not kept, is computed here.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

CALIBRATION_BINS = 15  # as Guo et al. (2017) have


class Scores(NamedTuple):
    """What a method said of the test rows."""

    correct: Bool[np.ndarray, "seeds n_test"]
    log_prob: Float[np.ndarray, "seeds n_test"]  # of the true class, in nats
    class_accuracy: Float[np.ndarray, "seeds classes"]  # of each class's examples; NaN for a class without any
    balanced_accuracy: Float[np.ndarray, " seeds"]  # mean of the above
    calibration_error: Float[np.ndarray, " seeds"]
    brier: Float[np.ndarray, " seeds"]


def score_predictions(
    log_probs: Float[np.ndarray, "seeds n_test classes"], labels: Int[np.ndarray, " n_test"]
) -> Scores:
    """Whether each example's likeliest class is its own, the log-probability of its own class, and what follows."""
    own = np.broadcast_to(labels[None, :, None], (*log_probs.shape[:2], 1))
    correct = log_probs.argmax(axis=2) == labels
    by_class = per_class_accuracy(correct, labels, log_probs.shape[2])
    return Scores(
        correct=correct,
        log_prob=np.take_along_axis(log_probs, own, axis=2)[..., 0],
        class_accuracy=by_class,
        balanced_accuracy=np.nanmean(by_class, axis=1),
        calibration_error=expected_calibration_error(correct, np.exp(log_probs.max(axis=2).astype(np.float64))),
        brier=brier_score(log_probs, labels),
    )


def per_class_accuracy(
    correct: Bool[np.ndarray, "seeds n_test"], labels: Int[np.ndarray, " n_test"], n_classes: int
) -> Float[np.ndarray, "seeds classes"]:
    """Share of each class's examples that were classified correctly: its recall. NaN for a class without examples."""
    members = np.eye(n_classes)[labels]
    counts = members.sum(axis=0)
    return np.where(counts > 0, correct @ members / np.maximum(counts, 1), np.nan)


def expected_calibration_error(
    correct: Bool[np.ndarray, "seeds n_test"],
    confidence: Float[np.ndarray, "seeds n_test"],
    n_bins: int = CALIBRATION_BINS,
) -> Float[np.ndarray, " seeds"]:
    """Expected calibration error (Guo et al. 2017, equation 5): mean distance of accuracy from confidence.

    Examples are put together by confidence, the probability of the likeliest class, in `bins` equally wide bins,
    ((m - 1)/M, m/M], and bins are weighted by their examples.
    """
    edges = np.linspace(0, 1, n_bins + 1)[1:-1]
    place = np.searchsorted(edges, confidence)
    surplus = correct - confidence
    sums = [np.bincount(own, weights, n_bins) for own, weights in zip(place, surplus, strict=True)]
    return np.abs(np.array(sums)).sum(axis=1) / correct.shape[1]


def brier_score(
    log_probs: Float[np.ndarray, "seeds n_test classes"], labels: Int[np.ndarray, " n_test"]
) -> Float[np.ndarray, " seeds"]:
    """Brier's score (1950): squared distance of the probabilities from the true class's, mean over examples; 0 to 2."""
    truth = np.eye(log_probs.shape[2])[labels]
    return np.square(np.exp(log_probs.astype(np.float64)) - truth).sum(axis=2).mean(axis=1)
