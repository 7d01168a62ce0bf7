"""Codes in two dimensions, for the eye, and how well classes can be told apart there."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

NEIGHBOURS = 15


class Plane(NamedTuple):
    """Test codes in a plane that was chosen on training codes."""

    points: Float[np.ndarray, "n 2"]
    explained: float  # share of the training codes' variance that lies in the plane
    accuracy: float  # share of the points whose class most of their `NEIGHBOURS` nearest training points have


def plane(
    train: Float[np.ndarray, "m latent"],
    train_labels: Int[np.ndarray, " m"],
    test: Float[np.ndarray, "n latent"],
    test_labels: Int[np.ndarray, " n"],
) -> Plane:
    """The codes themselves where they have two units, else their first two principal components.

    A code of one unit is drawn on a line.
    """
    explained = 1.0
    if train.shape[1] > 2:
        pca = PCA(2, random_state=0).fit(train)
        train, test, explained = pca.transform(train), pca.transform(test), float(pca.explained_variance_ratio_.sum())
    elif train.shape[1] == 1:
        train, test = (np.pad(codes, ((0, 0), (0, 1))) for codes in (train, test))
    classifier = KNeighborsClassifier(min(NEIGHBOURS, len(train))).fit(train, train_labels)
    return Plane(test, explained, float(classifier.score(test, test_labels)))
