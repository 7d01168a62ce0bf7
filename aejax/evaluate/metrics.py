"""Scores of predicted class probabilities: per example, for the statistics, and per class.

Only the true class's probability is saved, so scores that need all probabilities are computed here, among them the
values of AUROC.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped, UInt

from aejax.config.evaluate import MetricName
from aejax.evaluate.verdict_metrics import auroc_values, balanced_accuracy_values

CALIBRATION_BINS = 15  # as in Guo et al. (2017)


class Scores(NamedTuple):
    """Scores of one method's predictions for the test rows."""

    correct: Bool[np.ndarray, "seeds n_test"]
    log_prob: Float[np.ndarray, "seeds n_test"]  # of the true class, in nats
    class_accuracy: Float[np.ndarray, "seeds classes"]  # recall of each class; NaN for a class without examples
    balanced_accuracy: Float[np.ndarray, " seeds"]  # mean of the above
    calibration_error: Float[np.ndarray, " seeds"]
    brier: Float[np.ndarray, " seeds"]
    auroc_values: Float[np.ndarray, "seeds n_test"] | None = None  # of `verdict_metrics.auroc_values`, if asked for
    predicted: UInt[np.ndarray, "seeds n_test"] | None = None  # classes; results of earlier versions have none


def score_predictions(
    log_probs: Float[np.ndarray, "seeds n_test classes"],
    labels: Int[np.ndarray, "*seeds n_test"],
    metric: MetricName = "accuracy",
) -> Scores:
    """Scores log-probabilities of classes against the true labels.

    Args:
        log_probs: in nats.
        labels: of every seed's test examples, or `(n_test,)` of those that all seeds share.
        metric: what verdicts will be about.
    """
    labels = np.broadcast_to(labels, log_probs.shape[:2])
    predicted = log_probs.argmax(axis=2)
    correct = predicted == labels
    class_accuracy = per_class_accuracy(correct, labels, log_probs.shape[2])
    return Scores(
        correct=correct,
        log_prob=np.take_along_axis(log_probs, labels[..., None], axis=2)[..., 0],
        class_accuracy=class_accuracy,
        balanced_accuracy=np.nanmean(class_accuracy, axis=1),
        calibration_error=expected_calibration_error(correct, np.exp(log_probs.max(axis=2).astype(np.float64))),
        brier=brier_score(log_probs, labels),
        auroc_values=auroc_values(log_probs, labels) if metric == "auroc" else None,
        predicted=predicted.astype(np.min_scalar_type(log_probs.shape[2] - 1)),
    )


def metric_values(
    metric: MetricName, scores: Scores, labels: Int[np.ndarray, "*seeds n_test"]
) -> Shaped[np.ndarray, "seeds n_test"]:
    """Returns values of test examples whose mean is the metric of each seed; `labels` as in `score_predictions`."""
    if metric == "auroc":
        assert scores.auroc_values is not None
        return scores.auroc_values
    if metric == "balanced_accuracy":
        return balanced_accuracy_values(scores.correct, labels)
    return -scores.log_prob if metric == "nll" else scores.correct


def per_class_accuracy(
    correct: Bool[np.ndarray, "seeds n_test"], labels: Int[np.ndarray, "seeds n_test"], n_classes: int
) -> Float[np.ndarray, "seeds classes"]:
    """Returns the recall of each class: the share of its examples that are correct. NaN for a class without any."""
    members = np.eye(n_classes)[labels]
    counts = members.sum(axis=1)
    return np.where(counts > 0, np.einsum("st,stc->sc", correct, members) / np.maximum(counts, 1), np.nan)


def expected_calibration_error(
    correct: Bool[np.ndarray, "seeds n_test"],
    confidence: Float[np.ndarray, "seeds n_test"],
    n_bins: int = CALIBRATION_BINS,
) -> Float[np.ndarray, " seeds"]:
    """Returns the expected calibration error (Guo et al. 2017, equation 5): mean of |accuracy - confidence| over bins.

    Examples are grouped by confidence, the probability of the likeliest class, into `n_bins` equally wide bins,
    ((m - 1)/M, m/M], and bins are weighted by their number of examples.
    """
    edges = np.linspace(0, 1, n_bins + 1)[1:-1]
    bins = np.searchsorted(edges, confidence)
    errors = correct - confidence
    sums = [np.bincount(indices, weights, n_bins) for indices, weights in zip(bins, errors, strict=True)]
    return np.abs(np.array(sums)).sum(axis=1) / correct.shape[1]


def brier_score(
    log_probs: Float[np.ndarray, "seeds n_test classes"], labels: Int[np.ndarray, "seeds n_test"]
) -> Float[np.ndarray, " seeds"]:
    """Returns the Brier score (1950): mean squared distance of the probabilities from the one-hot label; 0 to 2."""
    one_hot = np.eye(log_probs.shape[2])[labels]
    return np.square(np.exp(log_probs.astype(np.float64)) - one_hot).sum(axis=2).mean(axis=1)
