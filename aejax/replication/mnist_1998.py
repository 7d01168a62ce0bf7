"""Rows of the table of results of MNIST's home page, from LeCun et al. (1998) on, that a CPU measures in minutes."""

import functools

import numpy as np
from jaxtyping import Float
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from aejax.replication.claim import NumericClaim, PerSeed, Source
from aejax.replication.context import ClaimContext

PAPER = "Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-Based Learning Applied to Document Recognition (1998)"
PAPER_URL = "https://doi.org/10.1109/5.726791"
TABLE, TABLE_URL = "The MNIST database of handwritten digits, table of results", "http://yann.lecun.com/exdb/mnist/"
N_COMPONENTS = 40
SVM_SELECTION_ROWS = 10_000  # that choose its parameters: as many train and as many validate
SVM_GRID = [(c, gamma) for c in (1.0, 10.0) for gamma in (0.01, 0.02, 0.05)]


def knn_error(context: ClaimContext, k: int) -> PerSeed:
    """Returns the percentage of test digits that k nearest neighbors classify wrongly."""
    digits = context.load_mnist_arrays()
    classifier = KNeighborsClassifier(k, algorithm="brute").fit(digits.train, digits.train_labels)
    return np.array([100 * (1 - classifier.score(digits.test, digits.test_labels))])


def linear_error(context: ClaimContext) -> PerSeed:
    """Returns the same for a linear classifier on the pixels, by least squares."""
    digits = context.load_mnist_arrays()
    predicted = _least_squares_labels(digits.train, digits.train_labels, digits.test)
    return np.array([100 * np.mean(predicted != digits.test_labels)])


def quadratic_error(context: ClaimContext) -> PerSeed:
    """Returns the same for all products of pairs of 40 principal components, and a constant, by least squares."""
    digits = context.load_mnist_arrays()
    pca = PCA(min(N_COMPONENTS, len(digits.train)), svd_solver="covariance_eigh").fit(digits.train)
    left, right = np.triu_indices(pca.n_components_)
    train, test = (pca.transform(pixels) for pixels in (digits.train, digits.test))
    predicted = _least_squares_labels(
        train[:, left] * train[:, right], digits.train_labels, test[:, left] * test[:, right]
    )
    return np.array([100 * np.mean(predicted != digits.test_labels)])


def _least_squares_labels(
    train: Float[np.ndarray, "n_train d"], labels: np.ndarray, test: Float[np.ndarray, "n_test d"]
) -> np.ndarray:
    """Returns the class with the highest output of a linear map that is fitted to indicators of the classes."""
    features, queries = (np.c_[inputs, np.ones(len(inputs))].astype(np.float64) for inputs in (train, test))
    targets = np.eye(10)[labels]
    weights = np.linalg.lstsq(features.T @ features, features.T @ targets, rcond=1e-12)[0]
    return (queries @ weights).argmax(axis=1)


def svm_error(context: ClaimContext) -> PerSeed:
    """Returns the same for a support vector machine whose parameters are chosen among the training digits."""
    digits = context.load_mnist_arrays()
    n = min(SVM_SELECTION_ROWS, len(digits.train) // 2)
    rows, held_out = slice(0, n), slice(n, 2 * n)

    def validation_accuracy(parameters: tuple[float, float]) -> float:
        c, gamma = parameters
        fitted = SVC(C=c, gamma=gamma, cache_size=1000).fit(digits.train[rows], digits.train_labels[rows])
        return float(fitted.score(digits.train[held_out], digits.train_labels[held_out]))

    c, gamma = max(SVM_GRID, key=validation_accuracy)
    classifier = SVC(C=c, gamma=gamma, cache_size=1000).fit(digits.train, digits.train_labels)
    return np.array([100 * (1 - classifier.score(digits.test, digits.test_labels))])


_error_claim = functools.partial(NumericClaim, unit="test error, %", requirements=("MNIST",))
CLAIMS = (
    _error_claim(
        name="mnist-linear-1998",
        statement="a linear classifier (1-layer network) on the pixels errs on 12.0 %",
        source=Source(PAPER, "table of results, linear classifier, no preprocessing", PAPER_URL),
        protocol="pixels of the 60,000 training digits; least squares on indicators of the classes, in closed form; "
        "how the source trains is not in the table",
        command="aejax.replication.mnist_1998.linear_error (NumPy)",
        printed_values=("12.0",),
        cost="seconds",
        measure=linear_error,
    ),
    _error_claim(
        name="mnist-knn-1998",
        statement="nearest neighbours by Euclidean distance on the regular test set err on 5.0 %",
        source=Source(PAPER, "section III.C, baseline nearest neighbour classifier", PAPER_URL),
        protocol="pixels of the 60,000 training digits; three nearest neighbours, the number that the paper gives for "
        "its deslanted digits; its images were scaled otherwise (-0.1 to 1.175), which changes no neighbour",
        command='KNeighborsClassifier(3, algorithm="brute").fit(X_train, y_train).score(X_test, y_test)',
        printed_values=("5.0",),
        cost="a minute",
        measure=lambda context: knn_error(context, 3),
    ),
    _error_claim(
        name="mnist-knn-wilder",
        statement="nearest neighbours by Euclidean distance err on 3.09 %",
        source=Source(
            "The MNIST database of handwritten digits, table of results (K. Wilder, U. Chicago)",
            "K-nearest-neighbors, Euclidean (L2), no preprocessing",
            TABLE_URL,
        ),
        protocol="pixels of the 60,000 training digits; the one nearest neighbour, as the table does not say how many",
        command='KNeighborsClassifier(1, algorithm="brute").fit(X_train, y_train).score(X_test, y_test)',
        printed_values=("3.09",),
        cost="a minute",
        measure=lambda context: knn_error(context, 1),
    ),
    _error_claim(
        name="mnist-quadratic-1998",
        statement="a quadratic classifier on 40 principal components errs on 3.3 %",
        source=Source(PAPER, "table of results, 40 PCA + quadratic classifier", PAPER_URL),
        protocol="40 principal components of the 60,000 training digits; their 820 products of pairs, squares among "
        "them, and a constant, the 821 inputs that the paper counts; least squares on indicators of the classes",
        command="aejax.replication.mnist_1998.quadratic_error (scikit-learn, NumPy)",
        printed_values=("3.3",),
        cost="seconds",
        caveat="with the 40 linear terms as well, 861 inputs, it errs on 3.33 %",
        measure=quadratic_error,
    ),
    _error_claim(
        name="mnist-svm-gaussian",
        statement="a support vector machine with a Gaussian kernel errs on 1.4 %",
        source=Source(TABLE, "SVM, Gaussian Kernel, no preprocessing", TABLE_URL),
        protocol="pixels of the 60,000 training digits in [0, 1]; one machine for each pair of classes; C (1, 10) and "
        "gamma (.01, .02, .05), which the table does not give, are chosen on the second 10,000 training digits by "
        "machines that train on the first 10,000",
        command="SVC(C=c, gamma=gamma).fit(X_train, y_train).score(X_test, y_test)",
        printed_values=("1.4",),
        cost="minutes",
        measure=svm_error,
    ),
)
