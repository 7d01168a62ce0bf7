"""Claims about simple classifiers on MNIST's pixels."""

import warnings
from importlib.metadata import version

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from aejax.data.shuffling import make_generator
from aejax.replication.claim import (
    ROUNDING_REASON,
    ComparativeClaim,
    Evidence,
    NumericClaim,
    PerSeed,
    Source,
    paired_evidence,
)
from aejax.replication.context import ClaimContext

SOFTMAX_N_TRAIN, SOFTMAX_STEPS, SOFTMAX_BATCH_SIZE, SOFTMAX_LEARNING_RATE = 55_000, 1000, 100, 0.5
L1_N_TRAIN, L1_N_TEST = 5000, 10_000
# Arguments for an L1 penalty, from scikit-learn 1.8 on and before.
L1_PENALTY = (
    {"l1_ratio": 1.0} if tuple(map(int, version("scikit-learn").split(".")[:2])) >= (1, 8) else {"penalty": "l1"}
)
L1_ACCURACY_THRESHOLD = 0.8  # that scikit-learn's example claims to exceed


def softmax_accuracy(context: ClaimContext) -> PerSeed:
    """Returns the test accuracy after a thousand steps of gradient descent on a softmax layer that starts at zero."""
    digits = context.load_mnist_arrays()
    inputs = digits.train[:SOFTMAX_N_TRAIN]
    targets = np.eye(10, dtype=np.float32)[digits.train_labels[:SOFTMAX_N_TRAIN]]
    accuracies = []
    for seed in range(context.seeds):
        rng = make_generator(seed, "softmax regression")
        epochs = -(-SOFTMAX_STEPS * SOFTMAX_BATCH_SIZE // len(inputs))
        order = np.concatenate([rng.permutation(len(inputs)) for _ in range(epochs)])
        weights, bias = np.zeros((inputs.shape[1], 10), np.float32), np.zeros(10, np.float32)
        for step in range(SOFTMAX_STEPS):
            rows = order[step * SOFTMAX_BATCH_SIZE : (step + 1) * SOFTMAX_BATCH_SIZE]
            residual = (softmax(inputs[rows] @ weights + bias, axis=1) - targets[rows]) / len(rows)
            weights -= SOFTMAX_LEARNING_RATE * inputs[rows].T @ residual
            bias -= SOFTMAX_LEARNING_RATE * residual.sum(axis=0)
        accuracies.append(np.mean((digits.test @ weights + bias).argmax(axis=1) == digits.test_labels))
    return np.array(accuracies)


def l1_accuracy_above_threshold(context: ClaimContext) -> list[Evidence]:
    """Compares the test accuracy of an L1 logistic regression with 0.8; seed 0 draws the source's rows."""
    digits = context.load_mnist_arrays()
    inputs = np.concatenate([digits.train, digits.test]).astype(np.float64) * 255
    labels = np.concatenate([digits.train_labels, digits.test_labels])
    accuracies = []
    for seed in range(context.seeds):
        state = check_random_state(seed)
        order = state.permutation(len(inputs))
        train, test, train_labels, test_labels = train_test_split(
            inputs[order], labels[order], train_size=L1_N_TRAIN, test_size=L1_N_TEST, random_state=state
        )
        scaler = StandardScaler().fit(train)
        classifier = LogisticRegression(C=50 / L1_N_TRAIN, solver="saga", tol=0.1, random_state=seed, **L1_PENALTY)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            classifier.fit(scaler.transform(train), train_labels)
        accuracies.append(classifier.score(scaler.transform(test), test_labels))
    points = 100 * (np.array(accuracies) - L1_ACCURACY_THRESHOLD)
    return [paired_evidence("accuracy minus 80 %", "claim", points, unit="points", margin=0.5)]


CLAIMS = (
    NumericClaim(
        name="mnist-softmax",
        statement="softmax regression on the pixels is right on about 92 % of the test digits",
        source=Source(
            "TensorFlow 1, MNIST For ML Beginners",
            "Evaluating Our Model",
            "https://github.com/tensorflow/tensorflow/blob/r1.4/tensorflow/docs_src/get_started/mnist/beginners.md",
        ),
        protocol="the first 55,000 training digits in [0, 1], reshuffled every epoch; one softmax layer from zero, "
        "cross-entropy, 1000 steps of gradient descent at .5, batch 100; judged on the 10,000 test digits",
        command="aejax.replication.mnist_classifiers.softmax_accuracy (NumPy)",
        unit="test accuracy",
        printed_values=("0.92",),
        tolerance=(0.005,),
        criterion_reason=ROUNDING_REASON,
        seeds=6,
        requirements=("MNIST",),
        cost="seconds",
        measure=softmax_accuracy,
    ),
    ComparativeClaim(
        name="mnist-l1-logistic",
        statement="L1 multinomial logistic regression on 5,000 digits has a test accuracy above 0.8",
        source=Source(
            "scikit-learn documentation, MNIST classification using multinomial logistic + L1",
            "description of the example; the score it prints differs between versions",
            "https://scikit-learn.org/stable/auto_examples/linear_model/plot_sparse_logistic_regression_mnist.html",
        ),
        protocol="all 70,000 digits permuted; 5,000 train, 10,000 test; standardised; LogisticRegression(C=50/5000, "
        "L1, saga, tol=.1); another permutation for each seed, the source's for seed 0 where the rows come from "
        "IDX files",
        command='LogisticRegression(C=0.01, l1_ratio=1, solver="saga", tol=0.1).fit(X_train, y_train)',
        unit="points",
        criterion="better",
        criterion_reason="above: interval and p together, and by more than half a point",
        seeds=6,
        requirements=("MNIST",),
        cost="a minute",
        measure=l1_accuracy_above_threshold,
    ),
)
