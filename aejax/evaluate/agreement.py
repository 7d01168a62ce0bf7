"""The largest differences between this project's statistics and those that SciPy and scikit-learn have, too."""

from collections.abc import Callable

import numpy as np
from scipy import special, stats
from sklearn import metrics as peer
from sklearn.calibration import calibration_curve

from aejax.evaluate.intervals import crossed_interval, seeds_interval
from aejax.evaluate.metrics import CALIBRATION_BINS, score_predictions
from aejax.evaluate.significance import mcnemar_p, sign_flip_p

AGREEMENT_TOLERANCE = 1e-10


def max_differences_from_peers(rng: np.random.Generator, n_cases: int = 20) -> dict[str, float]:
    """By quantity and peer, the largest absolute difference over random cases."""
    checks: dict[str, Callable[[np.random.Generator], float]] = {
        "sign-flip p, scipy.stats.permutation_test": _sign_flip_difference,
        "t interval over seeds, scipy.stats.ttest_1samp": _seeds_interval_difference,
        "crossed interval of equal seeds, scipy.stats.ttest_1samp": _crossed_interval_difference,
        "McNemar's p, scipy.stats.binom": _mcnemar_difference,
        "scores of predictions, sklearn.metrics": _scores_difference,
        "calibration error, sklearn.calibration.calibration_curve": _calibration_difference,
    }
    return {name: max(check(rng) for _ in range(n_cases)) for name, check in checks.items()}


def _sign_flip_difference(rng: np.random.Generator) -> float:
    # Differences in accuracy are whole numbers of examples, so that many sums tie; undivided, for SciPy, too.
    values = rng.integers(-4, 8, size=rng.integers(2, 12)).astype(np.float64)
    expected = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    ).pvalue
    return abs((sign_flip_p(values) or np.nan) - float(expected))


def _seeds_interval_difference(rng: np.random.Generator) -> float:
    values = rng.normal(size=rng.integers(2, 20))
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    return float(np.abs(np.subtract(seeds_interval(values) or [np.nan], expected)).max())


def _crossed_interval_difference(rng: np.random.Generator) -> float:
    """Seeds that are all alike leave a sample of examples."""
    values = rng.normal(size=rng.integers(5, 400))
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    return float(np.abs(np.subtract(crossed_interval(np.tile(values, (7, 1))), expected)).max())


def _mcnemar_difference(rng: np.random.Generator) -> float:
    differences = rng.choice([-1, 0, 1], p=[0.05, 0.9, 0.05], size=360)
    wins, losses = np.count_nonzero(differences > 0), np.count_nonzero(differences < 0)
    tail = stats.binom.cdf(min(wins, losses), wins + losses, 0.5)
    return abs(mcnemar_p(differences) - min(1.0, 2 * float(tail)))


def _scores_difference(rng: np.random.Generator) -> float:
    classes = int(rng.integers(2, 6))
    labels = np.concatenate([np.arange(classes), rng.integers(classes, size=80)])
    log_probs = special.log_softmax(2 * rng.normal(size=(1, len(labels), classes)), axis=2)
    found, predicted, probabilities = (
        score_predictions(log_probs, labels),
        log_probs[0].argmax(axis=1),
        np.exp(log_probs[0]),
    )
    differences = [
        found.correct.mean() - peer.accuracy_score(labels, predicted),
        -found.log_prob.mean() - peer.log_loss(labels, probabilities, labels=np.arange(classes)),
        found.balanced_accuracy[0] - peer.balanced_accuracy_score(labels, predicted),
        *(found.class_accuracy[0] - peer.recall_score(labels, predicted, average=None)),
        found.brier[0] - np.sum([peer.brier_score_loss(labels == k, probabilities[:, k]) for k in range(classes)]),
    ]
    return float(np.abs(differences).max())


def _calibration_difference(rng: np.random.Generator) -> float:
    log_probs = special.log_softmax(2 * rng.normal(size=(1, 300, 4)), axis=2)
    found, confidence = score_predictions(log_probs, rng.integers(4, size=300)), np.exp(log_probs[0].max(axis=1))
    right = found.correct[0]
    shares, means = calibration_curve(right, confidence, n_bins=CALIBRATION_BINS)  # of the bins that are not empty
    counts = np.bincount(np.searchsorted(np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1], confidence))
    expected = np.sum(counts[counts > 0] * np.abs(shares - means)) / len(confidence)
    return abs(float(found.calibration_error[0] - expected))
