"""Runs a classifier on the host for every seed."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from aejax.data.label_budget import make_seed_labels
from aejax.data.selection_folds import SelectionFolds
from aejax.experiments.experiment import Experiment
from aejax.experiments.feature_extraction import scaled_inputs
from aejax.methods.host import HostProblem
from aejax.methods.method import Method


class HostFit(NamedTuple):
    """What a classifier on the host predicted for every seed, and the settings that it chose."""

    log_probs: Float[np.ndarray, "seeds n_test classes"]
    settings: list[dict[str, Any]]


def fit_host_classifier(experiment: Experiment, name: str, method: Method) -> HostFit:
    """Calls `Method.fit_predict` for one seed after the other; each of several processes computes all seeds."""
    assert method.fit_predict is not None
    split, predictions = experiment.split, []
    labels = make_seed_labels(experiment.dataset.labels, split.labelled, permuted=method.permute_labels)
    for seed in range(experiment.plan.seeds):
        experiment.reporter.set_status(f"seed {seed + 1} of {experiment.plan.seeds}")
        predictions.append(method.fit_predict(host_problem(experiment, seed, labels[seed], experiment.selection_folds)))
    return HostFit(
        np.stack([prediction.log_probs for prediction in predictions]),
        [dict(prediction.settings) for prediction in predictions],
    )


def host_problem(
    experiment: Experiment, seed: int, labels: Int[np.ndarray, " n"], folds: SelectionFolds
) -> HostProblem:
    """Returns what a classifier of one seed may see.

    Args:
        experiment: the data, the split and the scalers.
        seed: the seed.
        labels: of all rows of the dataset, as the classifier of this seed sees them.
        folds: for choosing settings.
    """
    split = experiment.split
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
