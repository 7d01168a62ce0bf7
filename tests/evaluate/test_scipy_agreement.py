"""Statistics and scores equal those of SciPy and scikit-learn to rounding, on random cases."""

import numpy as np
import pytest
from scipy import special, stats
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

from aejax.evaluate.estimates import estimate_mean, holdout_design
from aejax.evaluate.intervals import mean_interval, seeds_interval
from aejax.evaluate.metrics import CALIBRATION_BINS, score_predictions
from aejax.evaluate.significance import mcnemar_p, sign_flip_p

TOLERANCE = 1e-14


def sign_flip(rng):
    # Differences in accuracy are whole numbers of examples, so many sums tie; SciPy ties only if they are undivided.
    values = rng.integers(-4, 8, size=rng.integers(2, 12)).astype(np.float64)
    test = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True)
    return [sign_flip_p(values), sign_flip_p(values / 360)], [test.pvalue] * 2


def student_interval_over_seeds(rng):
    values = rng.normal(size=rng.integers(2, 20))
    return seeds_interval(values), stats.ttest_1samp(values, 0).confidence_interval(0.95)


def interval_where_one_factor_has_no_effect(rng):
    sample = rng.normal(size=rng.integers(5, 400))
    expected = stats.ttest_1samp(sample, 0).confidence_interval(0.95)
    tables = np.tile(sample, (7, 1)), np.tile(sample[:, None], (1, 50)), sample[None], sample[:, None]
    designs = [holdout_design(np.zeros(table.shape[1], int), len(table), 100) for table in tables]
    return [mean_interval(estimate_mean(*case)) for case in zip(tables, designs, strict=True)], [expected] * 4


def mcnemar(rng):
    differences = rng.choice([-1, 0, 1], p=[0.05, 0.9, 0.05], size=rng.choice([1, 5, 360]))
    wins, losses = np.count_nonzero(differences > 0), np.count_nonzero(differences < 0)
    return mcnemar_p(differences), min(1.0, 2 * stats.binom.cdf(min(wins, losses), wins + losses, 0.5))


def scores(rng):
    classes = int(rng.integers(2, 6))
    labels = np.concatenate([np.arange(classes), rng.integers(classes, size=80)])
    log_probs = special.log_softmax(2 * rng.normal(size=(1, len(labels), classes)), axis=2)
    result, predicted, probabilities = (
        score_predictions(log_probs, labels),
        log_probs[0].argmax(1),
        np.exp(log_probs[0]),
    )
    ours = result.correct.mean(), -result.log_prob.mean(), result.balanced_accuracy[0], result.brier[0]
    return [*ours, *result.class_accuracy[0]], [
        sklearn_metrics.accuracy_score(labels, predicted),
        sklearn_metrics.log_loss(labels, probabilities, labels=np.arange(classes)),
        sklearn_metrics.balanced_accuracy_score(labels, predicted),
        np.sum([sklearn_metrics.brier_score_loss(labels == k, probabilities[:, k]) for k in range(classes)]),
        *sklearn_metrics.recall_score(labels, predicted, average=None),
    ]


def calibration_error(rng):
    log_probs, labels = special.log_softmax(2 * rng.normal(size=(1, 300, 4)), axis=2), rng.integers(4, size=300)
    result, confidence = score_predictions(log_probs, labels), np.exp(log_probs[0].max(axis=1))
    accuracies, means = calibration_curve(result.correct[0], confidence, n_bins=CALIBRATION_BINS)  # of non-empty bins
    counts = np.bincount(np.searchsorted(np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1], confidence))
    return result.calibration_error[0], np.sum(counts[counts > 0] * np.abs(accuracies - means)) / len(confidence)


@pytest.mark.parametrize(
    "case",
    [
        sign_flip,
        student_interval_over_seeds,
        interval_where_one_factor_has_no_effect,
        mcnemar,
        scores,
        calibration_error,
    ],
    ids=lambda case: case.__name__,
)
def test_equals_scipy_or_scikit_learn(case):
    for seed in range(20):
        ours, expected = case(np.random.default_rng(seed))
        np.testing.assert_allclose(ours, expected, rtol=0, atol=TOLERANCE)
