"""scikit-learn as a contender: `MLPRegressor` that learns its inputs, and `LogisticRegression`, once or along a path.

`MLPRegressor` has squared error and Adam as aejax has them, but its outputs are linear and its biases start at random.
`partial_fit` shuffles, and its last batch of an epoch may be smaller. It is fastest in float32. `LogisticRegression` is
fastest with contiguous rows in float32; float64 is what it makes of most inputs.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPRegressor

from aejax.data.shuffling import steps_per_epoch
from benchmark.architecture import Dense, make_architecture
from benchmark.path_job import PathJob, Point, certify_solutions, make_peer_path_runner, symmetric_softmax_weights
from benchmark.training_job import MakeRunner, Runner, TrainingJob

WARM_UP_ROWS = 1000  # fitted before the clock starts, so that lazy imports are done


def make_model(job: TrainingJob, seed: int) -> MLPRegressor:
    """Returns the untrained model of a seed."""
    config = job.config
    layers = make_architecture(config, job.dataset.inputs.shape[1:])
    widths = [layer.fan_out for layer in [*layers.encoder, *layers.decoder] if isinstance(layer, Dense)]
    return MLPRegressor(
        hidden_layer_sizes=widths[:-1],
        activation=config.model.code_activation,
        solver="adam",
        alpha=0.0,
        batch_size=min(config.train.batch_size, len(job.rows)),
        learning_rate_init=config.optimizer.learning_rate,
        random_state=seed,
    )


def mean_squared_error(model: MLPRegressor) -> float:
    """Returns the mean squared error of the last epoch; scikit-learn records half of it."""
    return 2 * float(model.loss_)


def make_training_runner(job: TrainingJob, seeds: Sequence[int], threads: int) -> Runner:
    """Returns a runner that trains one seed after the other; the environment limits the BLAS library's threads."""
    inputs, models = job.scaled_inputs(), [make_model(job, seed) for seed in seeds]
    steps = steps_per_epoch(len(inputs), job.config.train.batch_size)

    def run(epochs: int) -> dict[str, Any]:
        for model in models:
            for _ in range(epochs):
                model.partial_fit(inputs, inputs)
        return {"loss": [mean_squared_error(model) for model in models], "steps": steps}

    return Runner(run, lambda: {"version": sklearn.__version__, "compile_seconds": None})


def make_path_runner(
    job: PathJob,
    seeds: Sequence[int],
    threads: int,
    *,
    dtype: str = "float32",
    max_iter: int = 10_000,
    solver: str | None = None,
) -> Runner:
    """Returns a runner of fits on all rows: of one strength, or with a solver of the path, each from the one before."""
    if solver is not None:
        return make_peer_path_runner(job, sklearn.__version__, lambda tol: _warm_started(job, solver, tol))
    features = np.ascontiguousarray(job.features, dtype=dtype)
    model = LogisticRegression(max_iter=max_iter)
    first_of_class = np.unique(job.labels, return_index=True)[1]
    rows = np.union1d(first_of_class, np.arange(min(WARM_UP_ROWS, len(job.labels))))
    fit_silently(LogisticRegression(max_iter=2), features[rows], job.labels[rows])

    def run(times: int) -> dict[str, Any]:
        for _ in range(times):
            fit_silently(model, features, job.labels)
        return {}

    def facts() -> dict[str, Any]:
        point, rows = symmetric_softmax_weights(model.coef_, model.intercept_), np.arange(len(job.labels))
        points = certify_solutions(job, rows, [point], [1 / len(job.labels)])
        result = {"iterations": [model.n_iter_.tolist()], "points": [points], "at_peers_strength": points[0]}
        return {"version": sklearn.__version__, **result}

    return Runner(run, facts)


def _warm_started(job: PathJob, solver: str, tolerance: float) -> Callable[[float], Point]:
    """Returns a function that fits a strength from the solution of its last call."""
    model = LogisticRegression(solver=solver, tol=tolerance, max_iter=10_000, warm_start=True)
    features = job.features.astype(np.float64)  # in float32 lbfgs ends before the gap is small

    def fit(l2: float) -> Point:
        fit_silently(model.set_params(C=1 / (l2 * len(job.labels))), features, job.labels)
        return symmetric_softmax_weights(model.coef_, model.intercept_)

    return fit


def fit_silently(model: LogisticRegression, features: np.ndarray, labels: np.ndarray) -> None:
    """Fits without the warning about `max_iter`, which the results report as `iterations`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, labels)


RUNNERS: dict[str, MakeRunner] = {"training": make_training_runner, "path": make_path_runner}
