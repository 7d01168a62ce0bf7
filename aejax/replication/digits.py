"""Claims of scikit-learn's documentation about its digits: two classifiers, nothing random."""

import numpy as np
from jaxtyping import Float
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from aejax.replication.claim import EXACT_REASON, NumericClaim, Source
from aejax.replication.context import ClaimContext

SKLEARN_SOURCE = Source(
    "scikit-learn documentation, Digits Classification Exercise",
    "output of the example",
    "https://scikit-learn.org/stable/auto_examples/exercises/plot_digits_classification_exercise.html",
)
DATA_PROTOCOL = (
    "load_digits(), divided by its largest value; the first 90 % of the rows train, unshuffled, the rest test"
)


def _accuracy(classifier: ClassifierMixin) -> Float[np.ndarray, "1 1"]:
    inputs, labels = load_digits(return_X_y=True)
    inputs, n_train = inputs / inputs.max(), int(0.9 * len(labels))
    classifier.fit(inputs[:n_train], labels[:n_train])
    return np.array([[classifier.score(inputs[n_train:], labels[n_train:])]])


def logistic_accuracy(context: ClaimContext) -> Float[np.ndarray, "1 1"]:
    """Returns the test accuracy of logistic regression."""
    return _accuracy(LogisticRegression(max_iter=1000))


def knn_accuracy(context: ClaimContext) -> Float[np.ndarray, "1 1"]:
    """Returns the test accuracy of five nearest neighbors, the default of scikit-learn."""
    return _accuracy(KNeighborsClassifier())


CLAIMS = (
    NumericClaim(
        name="digits-lr",
        statement="logistic regression on the digits' pixels is right on .9333 of the test rows",
        source=SKLEARN_SOURCE,
        protocol=f"{DATA_PROTOCOL}; LogisticRegression(max_iter=1000)",
        command="LogisticRegression(max_iter=1000).fit(X_train, y_train).score(X_test, y_test)",
        unit="test accuracy",
        printed_values=("0.9333",),
        tolerance=(5e-5,),
        tolerance_reason=EXACT_REASON,
        seeds=1,
        cost="seconds",
        measure=logistic_accuracy,
    ),
    NumericClaim(
        name="digits-knn",
        statement="five nearest neighbours on the digits' pixels are right on .9611 of the test rows",
        source=SKLEARN_SOURCE,
        protocol=f"{DATA_PROTOCOL}; KNeighborsClassifier() with scikit-learn's defaults",
        command="KNeighborsClassifier().fit(X_train, y_train).score(X_test, y_test)",
        unit="test accuracy",
        printed_values=("0.9611",),
        tolerance=(5e-5,),
        tolerance_reason=EXACT_REASON,
        seeds=1,
        cost="seconds",
        measure=knn_accuracy,
    ),
)
