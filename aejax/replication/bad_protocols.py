"""What faults of protocol buy: faulty minus correct accuracy, paired, on small data sets of scikit-learn."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits, make_classification
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from aejax.replication.claim import PerSeed, ProtocolEffect, Source
from aejax.replication.context import ClaimContext
from aejax.replication.digits_rbm import load_nudged_digits, neighbors_accuracy, split_rows

N_ROWS, N_FEATURES, N_COMPONENTS = 200, 50, 10
EPOCHS = 50
GRID = [(c, gamma) for c in (0.1, 1.0, 10.0, 100.0) for gamma in (0.001, 0.003, 0.01, 0.03, 0.1)]


class TableSplit(NamedTuple):
    """A small table with half of its rows for training, a quarter each for validation and the test."""

    inputs: Float[np.ndarray, "n d"]
    labels: Int[np.ndarray, " n"]
    train: Int[np.ndarray, " n_train"]
    valid: Int[np.ndarray, " n_valid"]
    test: Int[np.ndarray, " n_test"]

    def fit(self, classifier: BaseEstimator) -> BaseEstimator:
        """Returns the classifier, fitted on the training rows."""
        return classifier.fit(self.inputs[self.train], self.labels[self.train])

    def score(self, classifier: BaseEstimator, rows: Int[np.ndarray, " n_rows"]) -> float:
        """Returns the accuracy on these rows."""
        return float(classifier.score(self.inputs[rows], self.labels[rows]))


def draw_table(seed: int, scale: float = 1.0) -> TableSplit:
    """Returns another table and split for each seed; the features' scales differ by up to `scale`."""
    inputs, labels = make_classification(
        N_ROWS, N_FEATURES, n_informative=5, n_redundant=5, flip_y=0.2, class_sep=0.7, random_state=seed
    )
    inputs = inputs * np.geomspace(1, scale, N_FEATURES)
    train, rest = train_test_split(np.arange(N_ROWS), test_size=0.5, random_state=seed, stratify=labels)
    valid, test = train_test_split(rest, test_size=0.5, random_state=seed, stratify=labels[rest])
    return TableSplit(inputs, labels, train, valid, test)


def best_epoch_effect(seed: int) -> float:
    """Returns the greatest test accuracy of all epochs minus that of the epoch that validation rows choose."""
    table = draw_table(seed)
    scaler = StandardScaler().fit(table.inputs[table.train])
    table = table._replace(inputs=scaler.transform(table.inputs))
    classifier, history = SGDClassifier(loss="log_loss", random_state=seed), []
    for _ in range(EPOCHS):
        classifier.partial_fit(table.inputs[table.train], table.labels[table.train], classes=(0, 1))
        history.append([table.score(classifier, rows) for rows in (table.valid, table.test)])
    valid, test = np.array(history).T
    return float(test.max() - test[valid.argmax()])


def chosen_by_test_effect(seed: int) -> float:
    """Returns the test accuracy of the setting that the test prefers, minus that of the validation rows' choice."""
    table = draw_table(seed)
    fitted = [table.fit(make_pipeline(StandardScaler(), SVC(C=c, gamma=gamma))) for c, gamma in GRID]
    valid, test = (np.array([table.score(one, rows) for one in fitted]) for rows in (table.valid, table.test))
    return float(test.max() - test[valid.argmax()])


def fitted_on_all_effect(make_transform: Callable[[], Any], scale: float, seed: int) -> float:
    """Returns the test accuracy where a transform is fitted on all rows, minus that where the training rows fit it."""
    table = draw_table(seed, scale)
    accuracies = []
    for rows in (np.arange(N_ROWS), table.train):
        transform = make_transform().fit(table.inputs[rows])
        transformed = table._replace(inputs=transform.transform(table.inputs))
        accuracies.append(transformed.score(transformed.fit(KNeighborsClassifier()), table.test))
    return accuracies[0] - accuracies[1]


def selected_on_all_effect(seed: int) -> float:
    """Returns the accuracy with the features that correlate most with all labels, minus that with the training's.

    Features and labels are independent, so that no honest accuracy exceeds a half but by chance.
    """
    rng = np.random.default_rng(seed)
    table = draw_table(seed)
    table = table._replace(inputs=rng.normal(size=(N_ROWS, 20 * N_FEATURES)), labels=rng.permutation(table.labels))
    accuracies = []
    for rows in (np.arange(N_ROWS), table.train):
        centred = table.labels[rows] - table.labels[rows].mean()
        best = np.argsort(-np.abs(centred @ table.inputs[rows]))[:N_COMPONENTS]
        chosen = table._replace(inputs=table.inputs[:, best])
        accuracies.append(chosen.score(chosen.fit(LogisticRegression()), table.test))
    return accuracies[0] - accuracies[1]


def duplicates_effect(seed: int) -> float:
    """Returns the accuracy where copies of the test rows are in training, minus that where none is."""
    inputs, labels = load_digits(return_X_y=True)
    train, test = train_test_split(np.arange(len(labels)), train_size=N_ROWS, random_state=seed, stratify=labels)
    rng, test = np.random.default_rng(seed), test[:N_ROWS]
    leaked = rng.permutation(test)[: N_ROWS // 10]
    accuracies = [
        KNeighborsClassifier(1).fit(inputs[rows], labels[rows]).score(inputs[test], labels[test])
        for rows in (np.concatenate([train, leaked]), train)
    ]
    return float(accuracies[0] - accuracies[1])


def nudged_copies_effect(seed: int) -> float:
    """Returns the accuracy of five neighbours where moved copies of test digits are in training, minus without."""
    digits = load_nudged_digits()
    leaky, clean = (
        neighbors_accuracy(split_rows(digits, by_original=by_original, seed=seed)) for by_original in (False, True)
    )
    return leaky - clean


def _measure(effect: Callable[[int], float]) -> Callable[[ClaimContext], PerSeed]:
    return lambda context: 100 * np.array([effect(seed) for seed in range(context.seeds)])


MUSGRAVE = Source(
    "K. Musgrave, S. Belongie and S.-N. Lim, A Metric Learning Reality Check (2020)",
    "training with test set feedback",
    "https://arxiv.org/abs/2003.08505",
)
CAWLEY = Source(
    "G. C. Cawley and N. L. C. Talbot, On Over-fitting in Model Selection and Subsequent Selection Bias (2010)",
    "bias in performance evaluation",
    "https://jmlr.org/papers/v11/cawley10a.html",
)
BARZ = Source(
    "B. Barz and J. Denzler, Do We Train on Test Data? Purging CIFAR of Near-Duplicates (2020)",
    "accuracies with and without near-duplicates",
    "https://doi.org/10.3390/jimaging6060041",
)
PITFALLS = Source(
    "scikit-learn documentation, Common pitfalls and recommended practices",
    "data leakage",
    "https://scikit-learn.org/stable/common_pitfalls.html",
)
TABLE_PROTOCOL = (
    "make_classification with 200 rows and 50 features (5 informative, 5 redundant, a fifth of the labels flipped), "
    "another table for each seed; 100 training, 50 validation and 50 test rows"
)
BEST_EPOCH = ProtocolEffect(
    name="protocol-best-epoch",
    statement="the greatest test accuracy of 50 epochs, not that of the epoch that validation rows choose",
    source=MUSGRAVE,
    protocol=f"{TABLE_PROTOCOL}; logistic regression by stochastic gradient descent, standardised",
    command="aejax.replication.bad_protocols.best_epoch_effect (scikit-learn)",
    unit="points",
    criterion_reason="no source has the number",
    seeds=50,
    cost="seconds",
    measure=_measure(best_epoch_effect),
)
CLAIMS = (
    BEST_EPOCH,
    dataclasses.replace(
        BEST_EPOCH,
        name="protocol-chosen-by-test",
        statement="C and gamma of an SVM chosen by the test rows, not by validation rows",
        source=CAWLEY,
        protocol=f"{TABLE_PROTOCOL}; 20 settings, standardised",
        command="aejax.replication.bad_protocols.chosen_by_test_effect (scikit-learn)",
        measure=_measure(chosen_by_test_effect),
    ),
    dataclasses.replace(
        BEST_EPOCH,
        name="protocol-duplicates",
        statement="a tenth of the test rows copied into the training rows",
        source=BARZ,
        protocol="load_digits(), 200 training and 200 test rows, another draw for each seed; the nearest neighbour",
        command="aejax.replication.bad_protocols.duplicates_effect (scikit-learn)",
        measure=_measure(duplicates_effect),
    ),
    dataclasses.replace(
        BEST_EPOCH,
        name="protocol-moved-copies",
        statement="digits moved by a pixel are in training where the digits are in the test",
        source=BARZ,
        protocol="load_digits() and four moved copies of each; a random fifth of all rows for the test, or all copies "
        "of a fifth of the digits; five nearest neighbours",
        command="aejax.replication.bad_protocols.nudged_copies_effect (scikit-learn)",
        seeds=10,
        measure=_measure(nudged_copies_effect),
    ),
    dataclasses.replace(
        BEST_EPOCH,
        name="protocol-pca-on-all",
        statement="principal components fitted on all rows, test rows among them",
        source=PITFALLS,
        protocol=f"{TABLE_PROTOCOL}; 10 components, five nearest neighbours",
        command="aejax.replication.bad_protocols.fitted_on_all_effect (scikit-learn)",
        seeds=200,
        measure=_measure(functools.partial(fitted_on_all_effect, lambda: PCA(N_COMPONENTS, svd_solver="full"), 1.0)),
    ),
    dataclasses.replace(
        BEST_EPOCH,
        name="protocol-standardised-on-all",
        statement="features standardised by mean and deviation of all rows, test rows among them",
        source=PITFALLS,
        protocol=f"{TABLE_PROTOCOL}, scales of the features from 1 to 100; five nearest neighbours",
        command="aejax.replication.bad_protocols.fitted_on_all_effect (scikit-learn)",
        seeds=200,
        measure=_measure(functools.partial(fitted_on_all_effect, StandardScaler, 100.0)),
    ),
    dataclasses.replace(
        BEST_EPOCH,
        name="protocol-selected-on-all",
        statement="10 of 1,000 features chosen by the labels of all rows, test rows among them",
        source=PITFALLS,
        protocol="200 rows of 1,000 independent normal features, and labels that do not depend on them; 100 training "
        "and 50 test rows; logistic regression on the features with the greatest covariance with the labels",
        command="aejax.replication.bad_protocols.selected_on_all_effect (scikit-learn)",
        measure=_measure(selected_on_all_effect),
    ),
)
