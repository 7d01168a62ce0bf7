"""Classifiers on the host see the rows of their seed, never test labels, and their results lack what features have."""

import dataclasses

import numpy as np
import pytest
from preparing import configure
from sklearn.neighbors import NearestCentroid

from aejax.data.selection_folds import make_selection_folds
from aejax.experiments.compare import compare
from aejax.experiments.feature_evaluation import fit_host_classifier, host_problem
from aejax.methods import tuning
from aejax.methods.controls import raw
from aejax.methods.method import HostPrediction
from aejax.methods.registry import METHODS
from aejax.storage.atomic_io import read_json
from tests.consoles import quiet

CONFIG = configure(dataset="wine", label_fraction=0.5, design="holdout", probe_c=1.0, seeds=2)


def nearest_centroid(problem):
    """The classifier of the nearest class mean, with one-hot probabilities."""

    def fit_predict(problem):
        model = NearestCentroid().fit(problem.inputs[problem.labelled], problem.labels)
        hit = model.predict(problem.test_inputs)[:, None] == np.arange(problem.n_classes)
        return HostPrediction(np.log(np.where(hit, 0.8, 0.1)), {"seed": problem.seed, "metric": "euclidean"})

    return dataclasses.replace(raw(problem), fit_predict=fit_predict)


def test_a_problem_holds_training_and_labelled_rows_alone_with_folds_among_its_labels(experiment):
    split, dataset = experiment.split, experiment.dataset
    for seed in range(2):
        problem = host_problem(experiment, seed, experiment.dataset.labels)
        assert len(problem.inputs) == len(np.union1d(split.train[seed], split.labelled[seed]))
        assert len(problem.labelled) == split.labelled.shape[1] < len(problem.inputs)
        np.testing.assert_array_equal(problem.labels, dataset.labels[np.sort(split.labelled[seed])])
        parts = np.sort(np.concatenate([problem.fold_train, problem.fold_valid], axis=1))
        np.testing.assert_array_equal(parts, np.tile(np.arange(len(problem.labels)), (len(parts), 1)))
        scaler = experiment.scaler
        train = np.sort(dataset.inputs[np.union1d(split.train[seed], split.labelled[seed])], axis=None)
        shift, scale = scaler.shift[seed], scaler.scale[seed]
        np.testing.assert_allclose(np.sort(problem.inputs / scale + shift, axis=None), train, atol=1e-2)


def test_neither_test_labels_nor_other_test_rows_change_what_is_fitted(experiment):
    test = np.unique(experiment.split.test)
    labels, inputs = experiment.dataset.labels.copy(), experiment.dataset.inputs.copy()
    labels[test] = np.roll(labels[test], 7)
    inputs[test[1:]] += 1e6
    dataset = dataclasses.replace(experiment.dataset, labels=labels, inputs=inputs)
    folds = make_selection_folds(dataset, experiment.split)
    changed = dataclasses.replace(experiment, dataset=dataset, selection_folds=folds)
    for seed in range(2):
        before = host_problem(experiment, seed, experiment.dataset.labels)
        after = host_problem(changed, seed, labels)
        for name in ("inputs", "labelled", "labels", "fold_train", "fold_valid"):
            np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    only_labels = dataclasses.replace(experiment, dataset=dataclasses.replace(experiment.dataset, labels=labels))
    method = nearest_centroid(experiment.problem)
    one, other = (fit_host_classifier(it, method).log_probs for it in (experiment, only_labels))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["svm", "label-spreading"])  # boosting and forest are tuned as svm
def test_settings_are_chosen_by_the_folds_of_the_run_whatever_the_process_ran_before(name, experiment, monkeypatch):
    monkeypatch.setattr(tuning, "MAX_SELECTION_ROWS", (20, 8))
    folds = experiment.selection_folds
    other = folds._replace(train=folds.train[:, :1], valid=folds.valid[:, :1])
    other_folds = dataclasses.replace(experiment, selection_folds=other)
    alone = fit_host_classifier(other_folds, METHODS[name](experiment.problem)).settings
    method = METHODS[name](experiment.problem)
    assert fit_host_classifier(experiment, method).settings != alone
    assert fit_host_classifier(other_folds, method).settings == alone


def test_a_run_reports_settings_of_every_seed_and_no_features(tmp_path, monkeypatch):
    monkeypatch.setitem(METHODS, "centroid", nearest_centroid)
    monkeypatch.setitem(METHODS, "mine", lambda problem: dataclasses.replace(raw(problem), role="autoencoder"))
    config = configure(CONFIG, methods=("raw", "centroid", "mine"))
    results = compare(config, tmp_path / "out", quiet())
    plain, centroid, _ = read_json(tmp_path / "out" / "results.json")["methods"]
    assert plain["settings"] is None
    assert centroid["settings"] == [{"seed": 0, "metric": "euclidean"}, {"seed": 1, "metric": "euclidean"}]
    assert (centroid["features"], centroid["probe"], centroid["reconstruction_mse"]) == (13, None, None)
    assert centroid["test_accuracy"]["mean"] > 0.8
    assert [entry["name"] for entry in results["diagnostics"]["methods"]] == ["raw", "mine"]
    assert [(row["method"], row["baseline"]) for row in results["comparisons"]] == [
        ("mine", "raw"),
        ("mine", "centroid"),
    ]
    assert "centroid" in (tmp_path / "out" / "table.md").read_text()
