"""Claims of scikit-learn's documentation about its digits: two classifiers, and a restricted Boltzmann machine.

What the machine claims to add is compared with what could explain it.
"""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage, special
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import BernoulliRBM
from sklearn.preprocessing import minmax_scale

from aejax.data.shuffling import make_generator
from aejax.replication.claim import ComparativeClaim, Evidence, NumericClaim, PerSeed, Role, Source, paired_evidence
from aejax.replication.context import ClaimContext

TITLE = "scikit-learn 0.24 documentation, Restricted Boltzmann Machine features for digit classification"
URL = "https://scikit-learn.org/0.24/auto_examples/neural_networks/plot_rbm_logistic_classification.html"
Rows = tuple[Int[np.ndarray, " n_train"], Int[np.ndarray, " n_test"]]
NUDGES = ((0, 0), (-1, 0), (0, -1), (0, 1), (1, 0))
N_UNITS, LEARNING_RATE, EPOCHS = 100, 0.06, 10
RBM_C, PIXELS_C = 6000.0, 100.0
DATA_PROTOCOL = (
    "load_digits() and its copies moved by a pixel to each of four sides, scaled to [0, 1]; "
    "train_test_split(test_size=0.2, random_state=0); logistic regression by newton-cg, stopped at the source's "
    "tolerance of 1 for the sum of the losses (the loss is a mean since scikit-learn 1.4, whose documentation prints "
    "0.10 for both numbers with the same tolerance)"
)
PIXELS_PROTOCOL = (
    "load_digits(), divided by its largest value; the first 90 % of the rows train, unshuffled, the rest test"
)
LEAK = "nudged copies of one digit are on both sides of the split"


def pixels_accuracy(classifier: ClassifierMixin) -> PerSeed:
    """Returns a classifier's accuracy on the last tenth of the digits."""
    inputs, labels = load_digits(return_X_y=True)
    inputs, n_train = inputs / inputs.max(), int(0.9 * len(labels))
    classifier.fit(inputs[:n_train], labels[:n_train])
    return np.array([classifier.score(inputs[n_train:], labels[n_train:])])


class NudgedDigits(NamedTuple):
    """Digits with their moved copies."""

    pixels: Float[np.ndarray, "n 64"]
    labels: Int[np.ndarray, " n"]
    originals: Int[np.ndarray, " n"]  # the digit that a row is a copy of


@functools.cache
def load_nudged_digits() -> NudgedDigits:
    """Returns the digits and four copies of each, which are moved by one pixel."""
    inputs, labels = load_digits(return_X_y=True)
    images = inputs.reshape(-1, 8, 8)
    moved = np.concatenate([ndimage.shift(images, (0, *nudge), order=0) for nudge in NUDGES])
    originals = np.tile(np.arange(len(labels)), len(NUDGES))
    return NudgedDigits(minmax_scale(moved.reshape(len(moved), -1)), np.tile(labels, len(NUDGES)), originals)


def split_rows(digits: NudgedDigits, *, by_original: bool, seed: int = 0) -> Rows:
    """Returns a fifth of the rows for the test: the source's draw, or all copies of a fifth of the digits."""
    if by_original:
        splitter = GroupShuffleSplit(1, test_size=0.2, random_state=seed)
        train, test = next(splitter.split(digits.pixels, digits.labels, digits.originals))
    else:
        train, test = train_test_split(np.arange(len(digits.labels)), test_size=0.2, random_state=seed)
    return train, test


def accuracy(features: Float[np.ndarray, "n d"], rows: Rows, c: float) -> float:
    """Returns the test accuracy of the source's logistic regression on features of all rows."""
    labels, (train, test) = load_nudged_digits().labels, rows
    classifier = LogisticRegression(solver="newton-cg", tol=1 / len(train), C=c).fit(features[train], labels[train])
    return float(classifier.score(features[test], labels[test]))


def rbm_accuracy(seed: int, rows: Rows) -> float:
    """Returns the same on the units of a machine that is trained on the training rows."""
    pixels = load_nudged_digits().pixels
    rbm = BernoulliRBM(N_UNITS, learning_rate=LEARNING_RATE, n_iter=EPOCHS, random_state=seed).fit(pixels[rows[0]])
    return accuracy(rbm.transform(pixels), rows, RBM_C)


def untrained_accuracy(seed: int, rows: Rows) -> float:
    """Returns the same on as many sigmoid units with weights and biases from the standard normal distribution."""
    pixels, rng = load_nudged_digits().pixels, make_generator(seed, "untrained units")
    weights, bias = rng.normal(size=(pixels.shape[1], N_UNITS)), rng.normal(size=N_UNITS)
    return accuracy(special.expit(pixels @ weights + bias), rows, RBM_C)


def neighbors_accuracy(rows: Rows) -> float:
    """Returns the test accuracy of five nearest neighbors on the pixels."""
    digits, (train, test) = load_nudged_digits(), rows
    classifier = KNeighborsClassifier(5).fit(digits.pixels[train], digits.labels[train])
    return float(classifier.score(digits.pixels[test], digits.labels[test]))


def measure_rbm(context: ClaimContext) -> PerSeed:
    """Returns the accuracy on the source's split, with other random states of the machine."""
    rows = split_rows(load_nudged_digits(), by_original=False)
    return np.array([rbm_accuracy(seed, rows) for seed in range(context.seeds)])


def measure_pixels(context: ClaimContext) -> PerSeed:
    """Returns the accuracy of logistic regression on the pixels."""
    digits = load_nudged_digits()
    return np.array([accuracy(digits.pixels, split_rows(digits, by_original=False), PIXELS_C)])


def compare_rbm(context: ClaimContext) -> list[Evidence]:
    """Compares the machine with the pixels and with its controls, and both splits, paired by seed, in points."""
    digits = load_nudged_digits()
    leaky = [split_rows(digits, by_original=False, seed=seed) for seed in range(context.seeds)]
    clean = [split_rows(digits, by_original=True, seed=seed) for seed in range(context.seeds)]
    rbm, rbm_clean = (
        np.array([rbm_accuracy(seed, rows) for seed, rows in enumerate(splits)]) for splits in (leaky, clean)
    )
    pixels, pixels_clean = (
        np.array([accuracy(digits.pixels, rows, PIXELS_C) for rows in splits]) for splits in (leaky, clean)
    )
    untrained = np.array([untrained_accuracy(seed, rows) for seed, rows in enumerate(leaky)])
    neighbors = np.array([neighbors_accuracy(rows) for rows in leaky])
    pairs: list[tuple[str, Role, Float[np.ndarray, " seeds"]]] = [
        ("RBM minus the pixels", "claim", rbm - pixels),
        ("RBM minus 100 untrained units", "control", rbm - untrained),
        ("RBM minus 5 neighbours on the pixels", "control", rbm - neighbors),
        ("RBM minus the pixels, split by digit", "context", rbm_clean - pixels_clean),
        ("RBM, split of copies minus split by digit", "context", rbm - rbm_clean),
    ]
    return [
        paired_evidence(what, role, 100 * difference, unit="points", margin=0.5) for what, role, difference in pairs
    ]


LOGISTIC = NumericClaim(
    name="digits-lr",
    statement="logistic regression on the digits' pixels is right on .9333 of the test rows",
    source=Source(
        "scikit-learn documentation, Digits Classification Exercise",
        "output of the example",
        "https://scikit-learn.org/stable/auto_examples/exercises/plot_digits_classification_exercise.html",
    ),
    protocol=f"{PIXELS_PROTOCOL}; LogisticRegression(max_iter=1000)",
    command="LogisticRegression(max_iter=1000).fit(X_train, y_train).score(X_test, y_test)",
    unit="test accuracy",
    printed_values=("0.9333",),
    cost="seconds",
    measure=lambda context: pixels_accuracy(LogisticRegression(max_iter=1000)),
)
CLAIMS = (
    LOGISTIC,
    dataclasses.replace(
        LOGISTIC,
        name="digits-knn",
        statement="five nearest neighbours on the digits' pixels are right on .9611 of the test rows",
        protocol=f"{PIXELS_PROTOCOL}; KNeighborsClassifier() with scikit-learn's defaults",
        command="KNeighborsClassifier().fit(X_train, y_train).score(X_test, y_test)",
        printed_values=("0.9611",),
        measure=lambda context: pixels_accuracy(KNeighborsClassifier()),
    ),
    NumericClaim(
        name="digits-rbm-pixels",
        statement="logistic regression on the pixels is right on .78 of the nudged test digits",
        source=Source(TITLE, "output of the example, raw pixel features", URL),
        protocol=f"{DATA_PROTOCOL}; C = {PIXELS_C:g}",
        command='LogisticRegression(solver="newton-cg", tol=1 / 7188, C=100).fit(X_train, y_train)',
        unit="test accuracy",
        printed_values=("0.78",),
        cost="seconds",
        caveat=LEAK,
        measure=measure_pixels,
    ),
    NumericClaim(
        name="digits-rbm-features",
        statement="logistic regression on 100 units of a restricted Boltzmann machine is right on .94",
        source=Source(TITLE, "output of the example, RBM features", URL),
        protocol=f"{DATA_PROTOCOL}; BernoulliRBM(100, learning_rate=.06, n_iter=10), another random state for each "
        f"seed; C = {RBM_C:g}",
        command="BernoulliRBM(100, learning_rate=0.06, n_iter=10, random_state=seed).fit_transform(X_train)",
        unit="test accuracy",
        printed_values=("0.94",),
        max_half_width=(0.94 - 0.78,),
        criterion_reason="one run is shown; the width excludes the accuracy on the pixels from an interval around the "
        "printed one",
        seeds=10,
        cost="a minute",
        caveat=LEAK,
        measure=measure_rbm,
    ),
    ComparativeClaim(
        name="digits-rbm-helps",
        statement="the features of the RBM help improve the accuracy with respect to logistic regression on raw pixels",
        source=Source(TITLE, "Evaluation, conclusion", URL),
        protocol=f"{DATA_PROTOCOL}, and another split for each seed; the same classifier on 100 sigmoid units that are "
        "not trained, and 5 nearest neighbours on the pixels; and a split by original digit",
        command="aejax.replication.digits_rbm.compare_rbm (scikit-learn)",
        unit="points",
        criterion="better",
        criterion_reason="better: the interval over seeds excludes 0; a control must come out below the RBM, too, or "
        "the RBM is not what it takes",
        seeds=10,
        cost="minutes",
        caveat=LEAK,
        measure=compare_rbm,
    ),
)
