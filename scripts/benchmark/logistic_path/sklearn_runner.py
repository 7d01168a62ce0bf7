"""scikit-learn as a peer: one `LogisticRegression(C=1)` with its own solver, on the same rows.

Rows in order of memory and float32 are the fastest that it can be given; float64 is what it makes of most inputs.
"""

import warnings
from typing import Any

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from benchmark.logistic_path.job import SKLEARN_C, PathJob, certify_solutions
from benchmark.training.job import Runner

WARM_UP_ROWS = 1000  # fitted before the clock starts, so that what loads on first use is loaded


def make_runner(job: PathJob, dtype: str, max_iter: int) -> Runner:
    """One fit; each "epoch" repeats it."""
    features = np.ascontiguousarray(job.features, dtype=dtype)
    model = LogisticRegression(C=SKLEARN_C, max_iter=max_iter)
    some = np.unique(job.labels, return_index=True)[1]  # a row of each class
    some = np.union1d(some, np.arange(min(WARM_UP_ROWS, len(job.labels))))
    fit_silently(LogisticRegression(C=SKLEARN_C, max_iter=2), features[some], job.labels[some])

    def train(epochs: int) -> dict[str, Any]:
        for _ in range(epochs):
            fit_silently(model, features, job.labels)
        return {"iterations": [model.n_iter_.tolist()]}

    def facts() -> dict[str, Any]:
        limit = {"version": sklearn.__version__, "dtype": dtype, "max_iter": max_iter}
        weights, bias = symmetric_softmax_weights(model.coef_, model.intercept_)
        everyone = np.arange(len(job.labels))
        points = certify_solutions(job, everyone, weights[None], bias[None], [1 / (SKLEARN_C * len(job.labels))])
        return {**limit, "points": [points], "at_peers_strength": points[0]}

    return Runner(train, facts)


def fit_silently(model: LogisticRegression, features: np.ndarray, labels: np.ndarray) -> None:
    """Fit, without the warning that a limit of iterations was reached: `max_iter` and `iterations` say so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, labels)


def symmetric_softmax_weights(coefficients: np.ndarray, intercepts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Softmax weights `(d, classes)` and intercepts; of the one row that two classes have, half for each."""
    if len(coefficients) == 1:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    return coefficients.T, intercepts
