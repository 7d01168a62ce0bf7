"""Runs a classifier on the host for every seed, and reports what tried settings give, here and in `tuning`."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from aejax.config import CompareConfig
from aejax.data.label_budget import make_seed_labels
from aejax.errors import require
from aejax.evaluate.metrics import Scores, metric_values, score_predictions
from aejax.evaluate.tuning import TuningReport, choose_settings, expected_of_best
from aejax.experiments.experiment import Experiment, explain_no_validation
from aejax.experiments.feature_extraction import scaled_inputs
from aejax.experiments.probes import ClassifierFit
from aejax.methods.method import HostProblem, Method, TriedSettings


def require_selection_rows(experiment: Experiment, methods: Mapping[str, Method]) -> None:
    """Raises InputError if a classifier on the host has no rows to choose its settings by."""
    choosing = [name for name, method in methods.items() if method.fit_predict is not None]
    cause, fix = explain_no_validation(experiment.config.split)
    require(
        not choosing or experiment.selection_folds.can_select,
        f"{cause}: leaves no validation rows to choose settings by; {fix}, or leave {' and '.join(choosing)} out of "
        "--methods",
    )


def fit_host_classifier(experiment: Experiment, method: Method) -> ClassifierFit:
    """Calls `Method.fit_predict` for one seed after the other; each of several processes computes all seeds."""
    assert method.fit_predict is not None
    config, split, predictions, ratings = experiment.config, experiment.split, [], dict[str, Any]()
    tune = config.tune if isinstance(config, CompareConfig) else None
    labels = make_seed_labels(experiment.training_labels, split.labelled, permuted=method.permute_labels)
    for seed in range(experiment.plan.seeds):
        experiment.reporter.set_status(f"seed {seed + 1} of {experiment.plan.seeds}")
        problem = host_problem(experiment, seed, labels[seed])
        with warnings.catch_warnings():  # scikit-learn takes few labels of many classes for numbers to be predicted
            warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%", UserWarning)
            predictions.append(method.fit_predict(problem._replace(tune=tune, ratings=ratings)))
    tried = [prediction.tried for prediction in predictions if prediction.tried is not None]
    return ClassifierFit(
        np.stack([prediction.log_probs for prediction in predictions]),
        settings=[dict(prediction.settings) for prediction in predictions],
        tuning=_report_tuning(experiment, tried) if tried else None,
    )


def _report_tuning(experiment: Experiment, tried: list[TriedSettings]) -> TuningReport:
    """Returns what the settings give that all seeds tried; values that depend on the data are those of seed 0."""
    count = min(len(one.settings) for one in tried)
    metric, labels = experiment.evaluation.metric, experiment.test_labels
    predictions = [np.stack([one.log_probs[index] for one in tried]) for index in range(count)]
    scores = [score_predictions(log_probs, labels, metric) for log_probs in predictions]
    losses = np.stack([one.valid_nll[:count] for one in tried], axis=1)
    return report_settings(experiment, tried[0].settings[:count], losses, scores)


def report_settings(
    experiment: Experiment,
    settings: list[dict[str, Any]],
    valid_nll: Float[np.ndarray, "settings seeds"],
    scores: Sequence[Scores],
) -> TuningReport:
    """Returns what settings with these validation losses and scores give, and the choice of each seed."""
    metric, labels = experiment.evaluation.metric, experiment.test_labels
    metrics = np.stack([metric_values(metric, one, labels).mean(axis=1, dtype=np.float64) for one in scores])
    chosen, expected = choose_settings(valid_nll), expected_of_best(valid_nll, metrics)
    return TuningReport(settings, valid_nll, metrics, chosen, expected)


def host_problem(experiment: Experiment, seed: int, labels: Int[np.ndarray, " n"]) -> HostProblem:
    """Returns what a classifier of one seed may see; labels are those of all rows, as it sees them."""
    split, folds = experiment.split, experiment.selection_folds
    rows = np.union1d(split.train[seed], split.labelled[seed])
    labelled_rows = np.sort(split.labelled[seed])
    return HostProblem(
        inputs=scaled_inputs(experiment, seed, rows),
        labelled=np.searchsorted(rows, labelled_rows),
        labels=labels[labelled_rows],
        fold_train=np.searchsorted(labelled_rows, folds.train[seed]),
        fold_valid=np.searchsorted(labelled_rows, folds.valid[seed]),
        test_inputs=scaled_inputs(experiment, seed, split.test[seed]),
        n_classes=experiment.dataset.n_classes,
        seed=seed,
        example_shape=experiment.dataset.example_shape,
    )
