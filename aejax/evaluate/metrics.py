"""Scores of predictions, kept per example so that every statistic can be computed from them later."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


class Scores(NamedTuple):
    """What a method said of the test rows."""

    correct: Bool[np.ndarray, "seeds n_test"]
    log_prob: Float[np.ndarray, "seeds n_test"]  # of the true class, in nats


def score(log_probs: Float[np.ndarray, "seeds n_test classes"], labels: Int[np.ndarray, " n_test"]) -> Scores:
    """Whether each example's likeliest class is its own, and the log-probability of its own class."""
    own = np.broadcast_to(labels[None, :, None], (*log_probs.shape[:2], 1))
    return Scores(
        correct=log_probs.argmax(axis=2) == labels, log_prob=np.take_along_axis(log_probs, own, axis=2)[..., 0]
    )
