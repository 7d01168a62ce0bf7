"""Cyanure as a contender: incremental solvers that stop at a duality gap (Mairal 2019, arXiv:1912.08165)."""

import importlib.metadata
from collections.abc import Callable, Sequence

import numpy as np
from cyanure.estimators import Classifier

from benchmark.path_job import PathJob, Point, make_peer_path_runner, symmetric_softmax_weights
from benchmark.training_job import MakeRunner, Runner

MAX_EPOCHS = 300  # of one strength: a fit is one call of compiled code, which no time limit ends


def make_path_runner(job: PathJob, seeds: Sequence[int], threads: int, *, solver: str) -> Runner:
    """Returns a runner of the path on all rows, with a solver such as `catalyst-miso`."""
    features = np.ascontiguousarray(job.features, np.float64)  # float32 does not reach the gap

    def make_path(tolerance: float) -> Callable[[float], Point]:
        model = Classifier(
            loss="logistic" if job.classes == 2 else "multiclass-logistic",
            penalty="l2",
            solver=solver,
            tol=tolerance,
            max_iter=MAX_EPOCHS,
            warm_start=True,
            n_threads=threads,
            verbose=False,
        )

        def fit(l2: float) -> Point:
            model.set_params(lambda_1=l2).fit(features, job.labels)
            weights = np.asarray(model.coef_).reshape(-1, features.shape[1])
            return symmetric_softmax_weights(weights, np.ravel(model.intercept_))

        return fit

    return make_peer_path_runner(job, importlib.metadata.version("cyanure"), make_path)


RUNNERS: dict[str, MakeRunner] = {"path": make_path_runner}
