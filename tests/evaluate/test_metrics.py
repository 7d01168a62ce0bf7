"""Scores are kept per example and mean what they say."""

import numpy as np
from scipy.special import log_softmax
from sklearn import metrics

from aejax.evaluate.metrics import expected_calibration_error, score_predictions

PROBABILITIES = np.array(
    [[[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]], [[0.3, 0.4, 0.3], [0.2, 0.2, 0.6]]]
)  # (seed, test, class)
LABELS = np.array([0, 2])


def test_an_example_is_correct_where_its_likeliest_class_is_its_own():
    np.testing.assert_array_equal(
        score_predictions(np.log(PROBABILITIES), LABELS).correct, [[True, False], [False, True]]
    )


def test_the_log_probability_is_that_of_the_true_class_in_nats():
    np.testing.assert_allclose(
        score_predictions(np.log(PROBABILITIES), LABELS).log_prob, np.log([[0.7, 0.4], [0.3, 0.6]])
    )


def test_scores_are_those_of_a_loop_over_seeds_and_examples():
    rng = np.random.default_rng(0)
    log_probs, labels = log_softmax(rng.normal(size=(4, 30, 5)), axis=2), rng.integers(5, size=30)
    scores = score_predictions(log_probs, labels)
    for seed in range(4):
        for example, label in enumerate(labels):
            row = log_probs[seed, example]
            assert scores.correct[seed, example] == (np.argmax(row) == label)
            assert scores.log_prob[seed, example] == row[label]


def random_predictions(seeds=3, examples=200, classes=4):
    rng = np.random.default_rng(1)
    labels = rng.choice(classes, p=[0.6, 0.25, 0.1, 0.05], size=examples)
    logits = 1.5 * rng.normal(size=(seeds, examples, classes)) + 2 * np.eye(classes)[labels]
    return log_softmax(logits, axis=2), labels


def test_scores_are_scikit_learns():
    log_probs, labels = random_predictions()
    scores = score_predictions(log_probs, labels)
    for seed in range(3):
        predicted, probabilities = log_probs[seed].argmax(axis=1), np.exp(log_probs[seed])
        recalls = metrics.recall_score(labels, predicted, average=None)
        balanced = metrics.balanced_accuracy_score(labels, predicted)
        squares = sum(metrics.brier_score_loss(labels == k, probabilities[:, k]) for k in range(4))
        np.testing.assert_allclose(scores.class_accuracy[seed], recalls, atol=1e-10)
        np.testing.assert_allclose(scores.balanced_accuracy[seed], balanced, atol=1e-10)
        np.testing.assert_allclose(scores.brier[seed], squares, atol=1e-10)


def test_a_class_without_test_examples_has_no_accuracy_and_does_not_count():
    log_probs, labels = random_predictions()
    kept = labels != 2
    scores = score_predictions(log_probs[:, kept], labels[kept])
    assert np.isnan(scores.class_accuracy[:, 2]).all()
    np.testing.assert_allclose(scores.balanced_accuracy, scores.class_accuracy[:, [0, 1, 3]].mean(axis=1))


def test_labels_that_are_drawn_from_the_probabilities_are_calibrated_and_sharper_ones_are_not():
    rng = np.random.default_rng(2)
    log_probs = log_softmax(rng.normal(size=(1, 40_000, 3)), axis=2)
    labels = (rng.uniform(size=(40_000, 1)) > np.exp(log_probs[0]).cumsum(axis=1)).sum(axis=1)
    assert score_predictions(log_probs, labels).calibration_error < 0.015
    assert score_predictions(log_softmax(4 * log_probs, axis=2), labels).calibration_error > 0.15


def test_the_calibration_error_of_one_bin_is_the_distance_of_accuracy_from_mean_confidence():
    correct, confidence = np.array([[True, False, True, True]]), np.array([[0.5, 0.9, 0.6, 0.7]])
    np.testing.assert_allclose(expected_calibration_error(correct, confidence, n_bins=1), [0.75 - 0.675])
    # In (0.5, 1] and (0, 0.5]: of three examples two right at 2.2 together, of one all right at 0.5.
    np.testing.assert_allclose(expected_calibration_error(correct, confidence, n_bins=2), [(0.2 + 0.5) / 4])
