"""Codes in two dimensions, for the eye, and how well classes can be told apart there."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.neighbors import KNeighborsClassifier

NEIGHBOURS = 15


class Plane(NamedTuple):
    """Test codes in a plane that was chosen on training codes."""

    points: Float[np.ndarray, "n 2"]
    explained: float  # share of the training codes' variance that lies in the plane
    accuracy: float  # share of the points whose class most of their `NEIGHBOURS` nearest training points have


def in_the_plane(
    fitted: Float[np.ndarray, "m latent"], *others: Float[np.ndarray, "_ latent"]
) -> tuple[list[Float[np.ndarray, "_ 2"]], float]:
    """Codes in two dimensions: themselves if they have two units, else their first two principal components.

    A code of one unit is drawn on a line.

    Args:
        fitted: codes that the plane is chosen on.
        *others: what is to lie in the same plane.

    Returns:
        points: of `fitted` and of all others.
        explained: share of the variance of `fitted` that lies in the plane.
    """
    everything = [fitted, *others]
    if fitted.shape[1] <= 2:
        return [np.pad(codes, ((0, 0), (0, 2 - codes.shape[1]))) for codes in everything], 1.0
    mean = fitted.mean(axis=0)
    _, singular, axes = np.linalg.svd(fitted - mean, full_matrices=False)
    variance = np.square(singular)
    explained = float(variance[:2].sum() / variance.sum()) if variance.any() else 1.0  # a collapsed code has none
    return [(codes - mean) @ axes[:2].T for codes in everything], explained


def plane(
    train: Float[np.ndarray, "m latent"],
    train_labels: Int[np.ndarray, " m"],
    test: Float[np.ndarray, "n latent"],
    test_labels: Int[np.ndarray, " n"],
) -> Plane:
    """Test codes in the plane of `in_the_plane` of the training codes."""
    (train, test), explained = in_the_plane(train, test)
    classifier = KNeighborsClassifier(min(NEIGHBOURS, len(train))).fit(train, train_labels)
    return Plane(test, explained, float(classifier.score(test, test_labels)))
