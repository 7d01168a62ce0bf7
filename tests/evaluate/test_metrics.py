"""Scores are kept per example and mean what they say."""

import numpy as np
from scipy.special import log_softmax

from aejax.evaluate.metrics import score

PROBABILITIES = np.array(
    [[[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]], [[0.3, 0.4, 0.3], [0.2, 0.2, 0.6]]]
)  # (seed, test, class)
LABELS = np.array([0, 2])


def test_an_example_is_correct_where_its_likeliest_class_is_its_own():
    np.testing.assert_array_equal(score(np.log(PROBABILITIES), LABELS).correct, [[True, False], [False, True]])


def test_the_log_probability_is_that_of_the_true_class_in_nats():
    np.testing.assert_allclose(score(np.log(PROBABILITIES), LABELS).log_prob, np.log([[0.7, 0.4], [0.3, 0.6]]))


def test_scores_are_those_of_a_loop_over_seeds_and_examples():
    rng = np.random.default_rng(0)
    log_probs, labels = log_softmax(rng.normal(size=(4, 30, 5)), axis=2), rng.integers(5, size=30)
    scores = score(log_probs, labels)
    for seed in range(4):
        for example, label in enumerate(labels):
            row = log_probs[seed, example]
            assert scores.correct[seed, example] == (np.argmax(row) == label)
            assert scores.log_prob[seed, example] == row[label]
