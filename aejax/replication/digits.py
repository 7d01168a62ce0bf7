"""Claims of scikit-learn's documentation about its digits: two classifiers, nothing random."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from aejax.replication.claim import NumericClaim, PerSeed, Source

SKLEARN_SOURCE = Source(
    "scikit-learn documentation, Digits Classification Exercise",
    "output of the example",
    "https://scikit-learn.org/stable/auto_examples/exercises/plot_digits_classification_exercise.html",
)
DATA_PROTOCOL = (
    "load_digits(), divided by its largest value; the first 90 % of the rows train, unshuffled, the rest test"
)


def _accuracy(classifier: ClassifierMixin) -> PerSeed:
    inputs, labels = load_digits(return_X_y=True)
    inputs, n_train = inputs / inputs.max(), int(0.9 * len(labels))
    classifier.fit(inputs[:n_train], labels[:n_train])
    return np.array([classifier.score(inputs[n_train:], labels[n_train:])])


def _accuracy_claim(
    name: str, statement: str, printed: str, classifier: ClassifierMixin, note: str = ""
) -> NumericClaim:
    """Returns the claim that a classifier has this test accuracy.

    Args:
        name: of the claim.
        statement: what the source says.
        printed: the accuracy.
        classifier: shown in the protocol and the command by its `repr`, a constructor call.
        note: on the classifier, for the protocol.
    """
    return NumericClaim(
        name=name,
        statement=statement,
        source=SKLEARN_SOURCE,
        protocol=f"{DATA_PROTOCOL}; {classifier!r}{note}",
        command=f"{classifier!r}.fit(X_train, y_train).score(X_test, y_test)",
        unit="test accuracy",
        printed_values=(printed,),
        cost="seconds",
        measure=lambda context: _accuracy(classifier),
    )


CLAIMS = (
    _accuracy_claim(
        "digits-lr",
        "logistic regression on the digits' pixels is right on .9333 of the test rows",
        "0.9333",
        LogisticRegression(max_iter=1000),
    ),
    _accuracy_claim(
        "digits-knn",
        "five nearest neighbours on the digits' pixels are right on .9611 of the test rows",
        "0.9611",
        KNeighborsClassifier(),
        note=" with scikit-learn's defaults",
    ),
)
