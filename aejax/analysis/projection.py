"""Projections of codes to two dimensions, and the accuracy of nearest neighbours there."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.neighbors import KNeighborsClassifier

PROJECTION_NEIGHBORS = 15


class Projection2D(NamedTuple):
    """Test codes in a plane fitted on training codes."""

    points: Float[np.ndarray, "n 2"]
    explained_variance_ratio: float  # of the training codes, in the plane
    knn_accuracy: float  # of the `PROJECTION_NEIGHBORS` nearest training points; NaN: none has a label


def project_to_2d(
    reference: Float[np.ndarray, "m latent"], *others: Float[np.ndarray, "_ latent"]
) -> tuple[list[Float[np.ndarray, "_ 2"]], float]:
    """Projects codes to their first two principal components; codes of at most two units are unchanged, padded with 0.

    Args:
        reference: codes on which the plane is fitted.
        *others: codes to project to the same plane.

    Returns:
        points: of `reference` and of each of `others`.
        explained_variance_ratio: the share of the variance of `reference` in the plane.
    """
    arrays = [reference, *others]
    if reference.shape[1] <= 2:
        return [np.pad(codes, ((0, 0), (0, 2 - codes.shape[1]))) for codes in arrays], 1.0
    mean = reference.mean(axis=0)
    _, singular, axes = np.linalg.svd(reference - mean, full_matrices=False)
    variance = np.square(singular)
    # A collapsed code has no variance.
    explained = float(variance[:2].sum() / variance.sum()) if variance.any() else 1.0
    return [(codes - mean) @ axes[:2].T for codes in arrays], explained


def project_codes(
    train_codes: Float[np.ndarray, "m latent"],
    train_labels: Int[np.ndarray, " m"],
    test_codes: Float[np.ndarray, "n latent"],
    test_labels: Int[np.ndarray, " n"],
) -> Projection2D:
    """Projects test codes to the plane of the training codes, and classifies them there by nearest neighbours.

    Training codes with a label below 0, which have none, are no neighbours.
    """
    (train_codes, test_codes), explained = project_to_2d(train_codes, test_codes)
    known = train_labels >= 0
    if not known.any():
        return Projection2D(test_codes, explained, float("nan"))
    classifier = KNeighborsClassifier(min(PROJECTION_NEIGHBORS, np.count_nonzero(known)))
    classifier.fit(train_codes[known], train_labels[known])
    return Projection2D(test_codes, explained, float(classifier.score(test_codes, test_labels)))
