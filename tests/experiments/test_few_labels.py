"""With few labels a probe is standardised on all training inputs, and chooses its strength in folds of the labels."""

import functools

import numpy as np
import pytest
from preparing import configure, prepare
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from aejax.experiments.feature_extraction import extract_features
from aejax.experiments.probes import fit_classifier
from aejax.methods.registry import METHODS
from aejax.probes.regularization_path import EXTENDED_GRID


@functools.cache
def experiment_and_fit(probe_c: float | None):
    experiment = prepare(configure(dataset="wine", scaler="none", labels_per_class=3, probe_c=probe_c, seeds=2))
    labels = np.tile(experiment.dataset.labels, (2, 1))
    fits = []
    for chunk in experiment.plan.chunks():
        features = extract_features(experiment, chunk, METHODS["raw"](experiment.problem), {})
        fits.append(fit_classifier(experiment, chunk, "logistic", features, labels))
    log_probs = np.concatenate([fit.log_probs for fit in fits])
    return experiment, log_probs, np.concatenate([fit.report.probe.l2 for fit in fits])


def scikit(experiment, seed: int, l2: float, rows, queries):
    inputs, labels = experiment.dataset.inputs.astype(np.float64), experiment.dataset.labels
    scaler = StandardScaler().fit(inputs[experiment.split.train[seed]])
    model = LogisticRegression(C=1 / (l2 * len(rows)), solver="newton-cholesky", tol=1e-8)
    return model.fit(scaler.transform(inputs[rows]), labels[rows]).predict_log_proba(scaler.transform(inputs[queries]))


@pytest.mark.parametrize("probe_c", [1.0, None], ids=["fixed", "selected"])
def test_predictions_are_those_of_scikit_learn_standardised_on_all_training_inputs(probe_c):
    experiment, log_probs, l2 = experiment_and_fit(probe_c)
    for seed, rows in enumerate(experiment.split.labelled):
        assert len(rows) == 9
        expected = scikit(experiment, seed, float(l2[seed]), rows, experiment.split.test[seed])
        np.testing.assert_allclose(np.exp(log_probs[seed]), np.exp(expected), atol=1e-2)


def test_the_strength_is_the_best_on_average_over_the_folds():
    experiment, _, l2 = experiment_and_fit(None)
    folds, labels = experiment.selection_folds, experiment.dataset.labels
    assert folds.n_folds == 3
    for seed in range(2):

        def loss(strength: float, seed=seed) -> float:
            parts = [
                -scikit(experiment, seed, strength, train, valid)[np.arange(len(valid)), labels[valid]].mean()
                for train, valid in zip(folds.train[seed], folds.valid[seed], strict=True)
            ]
            return float(np.mean(parts))

        losses = [loss(strength) for strength in EXTENDED_GRID]
        assert loss(float(l2[seed])) <= min(losses) + 1e-3
