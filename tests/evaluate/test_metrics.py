"""Scores of predictions on cases whose answer is known; `test_scipy_agreement` compares them with scikit-learn."""

import numpy as np
from scipy.special import log_softmax

from aejax.evaluate.metrics import expected_calibration_error, score_predictions


def test_an_example_is_correct_where_its_likeliest_class_is_true_and_scored_by_its_true_class():
    probabilities = np.array(
        [[[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]], [[0.3, 0.4, 0.3], [0.2, 0.2, 0.6]]]
    )  # (seed, test, k)
    scores = score_predictions(np.log(probabilities), np.array([0, 2]))
    np.testing.assert_array_equal(scores.correct, [[True, False], [False, True]])
    np.testing.assert_allclose(scores.log_prob, np.log([[0.7, 0.4], [0.3, 0.6]]))


def test_a_class_without_test_examples_has_no_accuracy_and_does_not_count():
    rng = np.random.default_rng(1)
    labels = rng.choice([0, 1, 3], size=200)
    logits = 1.5 * rng.normal(size=(3, 200, 4)) + 2 * np.eye(4)[labels]
    scores = score_predictions(log_softmax(logits, axis=2), labels)
    assert np.isnan(scores.class_accuracy[:, 2]).all()
    np.testing.assert_allclose(scores.balanced_accuracy, scores.class_accuracy[:, [0, 1, 3]].mean(axis=1))


def test_labels_drawn_from_the_probabilities_are_calibrated_and_sharper_probabilities_are_not():
    rng = np.random.default_rng(2)
    log_probs = log_softmax(rng.normal(size=(1, 40_000, 3)), axis=2)
    labels = (rng.uniform(size=(40_000, 1)) > np.exp(log_probs[0]).cumsum(axis=1)).sum(axis=1)
    assert score_predictions(log_probs, labels).calibration_error < 0.015
    assert score_predictions(log_softmax(4 * log_probs, axis=2), labels).calibration_error > 0.15


def test_the_calibration_error_of_one_bin_is_the_distance_of_accuracy_from_mean_confidence():
    correct, confidence = np.array([[True, False, True, True]]), np.array([[0.5, 0.9, 0.6, 0.7]])
    np.testing.assert_allclose(expected_calibration_error(correct, confidence, n_bins=1), [0.75 - 0.675])
    # (0.5, 1]: two of three correct, total confidence 2.2; (0, 0.5]: one correct at 0.5.
    np.testing.assert_allclose(expected_calibration_error(correct, confidence, n_bins=2), [(0.2 + 0.5) / 4])
