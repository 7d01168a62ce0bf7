"""Codes in two dimensions, for the eye, and how well classes can be told apart there."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.neighbors import KNeighborsClassifier

PROJECTION_NEIGHBORS = 15


class Projection2D(NamedTuple):
    """Test codes in a plane that was chosen on training codes."""

    points: Float[np.ndarray, "n 2"]
    explained_variance_ratio: float  # share of the training codes' variance that lies in the plane
    knn_accuracy: float  # share of the points whose class most of their `NEIGHBOURS` nearest training points have


def project_to_2d(
    reference: Float[np.ndarray, "m latent"], *others: Float[np.ndarray, "_ latent"]
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
    everything = [reference, *others]
    if reference.shape[1] <= 2:
        return [np.pad(codes, ((0, 0), (0, 2 - codes.shape[1]))) for codes in everything], 1.0
    mean = reference.mean(axis=0)
    _, singular, axes = np.linalg.svd(reference - mean, full_matrices=False)
    variance = np.square(singular)
    explained = float(variance[:2].sum() / variance.sum()) if variance.any() else 1.0  # a collapsed code has none
    return [(codes - mean) @ axes[:2].T for codes in everything], explained


def project_codes(
    train_codes: Float[np.ndarray, "m latent"],
    train_labels: Int[np.ndarray, " m"],
    test_codes: Float[np.ndarray, "n latent"],
    test_labels: Int[np.ndarray, " n"],
) -> Projection2D:
    """Test codes in the plane of `in_the_plane` of the training codes."""
    (train_codes, test_codes), explained = project_to_2d(train_codes, test_codes)
    classifier = KNeighborsClassifier(min(PROJECTION_NEIGHBORS, len(train_codes))).fit(train_codes, train_labels)
    return Projection2D(test_codes, explained, float(classifier.score(test_codes, test_labels)))
