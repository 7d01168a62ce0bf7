"""Classifiers of the inputs from scikit-learn, with settings chosen for each seed: strong controls."""

import dataclasses
import itertools

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from aejax.autoencoders.spec import ProblemSpec
from aejax.methods.controls import raw
from aejax.methods.method import HostProblem, Method
from aejax.methods.tuning import Classifier, Settings, tuned

TREES = 100
BOOSTING_ITERATIONS = 100
SVM_CACHE_MEBIBYTES = 500
SAME_UNITS = 0.25  # deviations of features that differ from 1 by less are not standardised again


def svm(problem: ProblemSpec) -> Method:
    """Returns a support vector machine with the kernel exp(-gamma |x - y|^2) on the scaled inputs.

    C is 1, 10 or 100; gamma is 1/4, 1 or 4 times scikit-learn's `scale`, one by d times the variance of the inputs. The
    features of tables are also tried standardised on all training inputs. Where there are more features than rows, the
    rows are rotated into the space that they span, as the kernel depends on their distances alone.
    """
    return _control(problem, Classifier(_svm_grid, _make_svm, pairwise=True, prepare=_rows_for_kernel))


def _rows_for_kernel(problem: HostProblem, standardize: bool) -> HostProblem:
    if standardize:
        scaler = StandardScaler().fit(problem.inputs)
        inputs, test = scaler.transform(problem.inputs), scaler.transform(problem.test_inputs)
        problem = problem._replace(inputs=inputs, test_inputs=test)
    return rotate_wide_rows(problem)


def rotate_wide_rows(problem: HostProblem) -> HostProblem:
    """Returns as many coordinates of each row as there are rows, if there are more features: distances are the same.

    With X^T = Q R, X = R^T Q^T, and the columns of Q are orthonormal.
    """
    rows = np.concatenate([problem.inputs, problem.test_inputs])
    if rows.shape[0] >= rows.shape[1]:
        return problem
    coordinates = np.asarray(np.linalg.qr(rows.T.astype(np.float64), mode="r")).T
    count = len(problem.inputs)
    return problem._replace(inputs=coordinates[:count], test_inputs=coordinates[count:])


def _svm_grid(problem: HostProblem) -> list[Settings]:
    deviations = problem.inputs.std(axis=0)
    in_units = np.all((np.abs(deviations - 1) < SAME_UNITS) | (deviations == 0))
    grid: list[Settings] = []
    for standardize in (0,) if len(problem.example_shape) == 3 or in_units else (0, 1):
        scale = 1 / max(problem.inputs.shape[1] * _variance(problem.inputs, standardize), np.finfo(np.float32).tiny)
        grid += [
            {"C": c, "gamma": float(factor * scale), "standardize": standardize}
            for c, factor in itertools.product((1.0, 10.0, 100.0), (0.25, 1.0, 4.0))
        ]
    return grid


def _variance(inputs: Float[np.ndarray, "n d"], standardize: int) -> float:
    return float((StandardScaler().fit_transform(inputs) if standardize else inputs).var())


def _make_svm(problem: HostProblem, settings: Settings) -> BaseEstimator:
    own = {"C": settings["C"], "gamma": settings["gamma"], "cache_size": SVM_CACHE_MEBIBYTES}
    return SVC(**own, decision_function_shape="ovo")


def boosting(problem: ProblemSpec) -> Method:
    """Returns gradient boosting of 100 trees for each class on binned inputs (Ke et al. 2017).

    The learning rate is .05 or .2, a leaf has at least 3 or 20 rows, and leaves have the L2 penalty 0 or 3.
    """
    return _control(problem, Classifier(_boosting_grid, _make_boosting))


def _boosting_grid(problem: HostProblem) -> list[Settings]:
    return [
        {"learning_rate": rate, "min_samples_leaf": leaf, "l2_regularization": l2}
        for rate, leaf, l2 in itertools.product((0.05, 0.2), (3, 20), (0.0, 3.0))
    ]


def _make_boosting(problem: HostProblem, settings: Settings) -> BaseEstimator:
    return HistGradientBoostingClassifier(
        **settings, max_iter=BOOSTING_ITERATIONS, early_stopping=False, random_state=0
    )


def forest(problem: ProblemSpec) -> Method:
    """Returns a random forest (Breiman 2001) or extremely randomized trees (Geurts et al. 2006), 100 trees of either.

    A split tries sqrt(d) features, or for tables half of them; a leaf has at least 1 or 4 rows.
    """
    return _control(problem, Classifier(_forest_grid, _make_forest, randomized=True))


def _forest_grid(problem: HostProblem) -> list[Settings]:
    max_features: tuple[float | str, ...] = ("sqrt",) if len(problem.example_shape) == 3 else ("sqrt", 0.5)
    return [
        {"trees": trees, "max_features": features, "min_samples_leaf": leaf}
        for trees, features, leaf in itertools.product(("random", "extra"), max_features, (1, 4))
    ]


def _make_forest(problem: HostProblem, settings: Settings) -> BaseEstimator:
    make = RandomForestClassifier if settings["trees"] == "random" else ExtraTreesClassifier
    own = {name: value for name, value in settings.items() if name != "trees"}
    return make(TREES, **own, n_jobs=-1, random_state=problem.seed)


def _control(problem: ProblemSpec, classifier: Classifier) -> Method:
    return dataclasses.replace(raw(problem), fit_predict=tuned(classifier))
