"""Controls from scikit-learn predict what scikit-learn predicts with the chosen settings; choices use folds alone."""

import dataclasses
import itertools

import numpy as np
import pytest
from host_problems import digits_problem, wine_problem
from scipy.special import log_softmax, softmax
from sklearn.datasets import load_digits, make_moons
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsRegressor, kneighbors_graph
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC

from aejax.methods import classical, label_spreading, tuning
from aejax.methods.registry import CONTROLS
from aejax.methods.tuning import Classifier, pairwise_scores, rate_scores, tuned

HOST_CONTROLS = ("svm", "boosting", "forest", "label-spreading")


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(classical, "TREES", 10)
    monkeypatch.setattr(classical, "BOOSTING_ITERATIONS", 3)


@pytest.fixture(scope="module")
def methods(make_problem_spec):
    problem = make_problem_spec((6,))
    return {name: CONTROLS[name](problem).fit_predict for name in HOST_CONTROLS}


@pytest.fixture(scope="module")
def wine():
    return wine_problem()


def labelled_inputs(problem):
    return problem.inputs[problem.labelled]


def cv_accuracy(model, problem):
    folds = list(zip(problem.fold_train, problem.fold_valid, strict=True))
    return cross_val_score(model, labelled_inputs(problem), problem.labels, cv=folds).mean()


def test_svm_is_scikit_learns_with_the_best_cross_validated_c_gamma_and_units(methods, wine):
    problem, test_labels = wine
    log_probs, settings, _ = methods["svm"](problem)
    standardized = StandardScaler().fit(problem.inputs)
    units = [problem, problem._replace(inputs=standardized.transform(problem.inputs))]
    scales = [1 / (one.inputs.shape[1] * one.inputs.var()) for one in units]
    accuracies = {
        (number, c, factor): cv_accuracy(SVC(C=c, gamma=factor * scales[number]), one)
        for (number, one), c, factor in itertools.product(enumerate(units), (1, 10, 100), (0.25, 1, 4))
    }
    assert settings["valid_accuracy"] == pytest.approx(max(accuracies.values()))
    assert settings["standardize"] == 1  # the units of wine differ by three orders of magnitude
    model = SVC(C=settings["C"], gamma=settings["gamma"], decision_function_shape="ovo")
    model.fit(labelled_inputs(units[1]), problem.labels)
    decisions = model.decision_function(standardized.transform(problem.test_inputs))
    expected = pairwise_scores(decisions, 3) / settings["temperature"]
    np.testing.assert_allclose(log_probs, log_softmax(expected, axis=1), atol=1e-5)
    predicted = model.predict(standardized.transform(problem.test_inputs))
    np.testing.assert_array_equal(log_probs.argmax(axis=1), predicted)
    assert np.mean(predicted == test_labels) > 0.9


def test_pairwise_scores_predict_a_class_that_beats_all_others_as_votes_do():
    digits = load_digits()
    model = SVC(decision_function_shape="ovo").fit(digits.data[:900], digits.target[:900])
    decisions = model.decision_function(digits.data[900:])
    scores = pairwise_scores(decisions, 10)
    winner = scores.max(axis=1) == 0
    assert winner.mean() > 0.95
    np.testing.assert_array_equal(scores.argmax(axis=1)[winner], model.predict(digits.data[900:])[winner])
    losses = [
        [sum(min(0, pair_value(decisions[row], label, other)) for other in range(10) if other != label)]
        for row, label in ((0, 3), (1, 0), (2, 9))
    ]
    np.testing.assert_allclose(losses, scores[[0, 1, 2], [3, 0, 9]][:, None], atol=1e-9)


def pair_value(decisions, label, other):
    """The value by which a class wins against another."""
    pairs = list(itertools.combinations(range(10), 2))
    return decisions[pairs.index((label, other))] if label < other else -decisions[pairs.index((other, label))]


def test_boosting_is_scikit_learns(methods, wine):
    problem, _ = wine
    log_probs, settings, _ = methods["boosting"](problem)
    names = ("learning_rate", "min_samples_leaf", "l2_regularization")
    model = HistGradientBoostingClassifier(
        **{name: settings[name] for name in names}, max_iter=3, early_stopping=False, random_state=0
    )
    assert settings["valid_accuracy"] == pytest.approx(cv_accuracy(model, problem))
    model.fit(labelled_inputs(problem), problem.labels)
    np.testing.assert_array_equal(log_probs.argmax(axis=1), model.predict(problem.test_inputs))


def test_forest_is_scikit_learns_for_each_seed(methods, wine):
    predictions = []
    for seed in (3, 4):
        problem = wine[0]._replace(seed=seed)
        log_probs, settings, _ = methods["forest"](problem)
        make = {"random": RandomForestClassifier, "extra": ExtraTreesClassifier}[settings["trees"]]
        own = {name: settings[name] for name in ("max_features", "min_samples_leaf")}
        model = make(10, **own, random_state=seed)
        assert settings["valid_accuracy"] == pytest.approx(cv_accuracy(model, problem))
        probabilities = model.fit(labelled_inputs(problem), problem.labels).predict_proba(problem.test_inputs)
        np.testing.assert_array_equal(log_probs.argmax(axis=1), probabilities.argmax(axis=1))
        predictions.append(probabilities)
    assert np.any(predictions[0] != predictions[1])


def test_label_spreading_is_scikit_learns_and_its_settings_classify_hidden_labels_best(methods):
    problem, test_labels = digits_problem()
    log_probs, settings, _ = methods["label-spreading"](problem)
    graph = kneighbors_graph(problem.inputs, settings["n_neighbors"])
    graph = (graph + graph.T > 0).astype(float)
    model = LabelSpreading(kernel=lambda *_: graph, alpha=settings["alpha"], max_iter=2000, tol=1e-8)

    def fit(positions):
        labels = np.full(len(problem.inputs), -1)
        labels[problem.labelled[positions]] = problem.labels[positions]
        return model.fit(problem.inputs, labels)

    nearest = KNeighborsRegressor(settings["n_neighbors"]).fit(problem.inputs, fit(slice(None)).label_distributions_)
    expected = nearest.predict(problem.test_inputs)
    np.testing.assert_array_equal(log_probs.argmax(axis=1), expected.argmax(axis=1))
    assert np.mean(log_probs.argmax(axis=1) == test_labels) > 0.95
    hits = []
    for train, valid in zip(problem.fold_train, problem.fold_valid, strict=True):
        fit(train)
        hits.append(model.transduction_[problem.labelled[valid]] == problem.labels[valid])
    assert settings["valid_accuracy"] == pytest.approx(np.mean(hits), abs=0.05)  # with a row as its neighbour
    assert settings["unlabelled_rows"] == len(problem.inputs) - 40


def test_label_spreading_follows_the_inputs_where_labels_are_too_few(methods, make_problem_spec):
    inputs, labels = make_moons(400, noise=0.05, random_state=0)
    labelled = np.concatenate([np.flatnonzero(labels[100:] == label)[:3] for label in range(2)])
    problem = wine_problem()[0]._replace(
        inputs=inputs[100:].astype(np.float32),
        labelled=labelled,
        labels=labels[100:][labelled],
        fold_train=np.array([[1, 2, 4, 5], [0, 1, 3, 4]]),
        fold_valid=np.array([[0, 3], [2, 5]]),
        test_inputs=inputs[:100].astype(np.float32),
        n_classes=2,
    )
    accuracy = {name: np.mean(methods[name](problem)[0].argmax(axis=1) == labels[:100]) for name in methods}
    assert accuracy["label-spreading"] == 1.0
    assert max(accuracy[name] for name in ("svm", "boosting", "forest")) < 1.0


@pytest.mark.parametrize("name", ["svm", "label-spreading"])  # what is made of test inputs here, not in scikit-learn
def test_the_prediction_of_a_test_row_does_not_depend_on_the_others(name, methods, wine):
    problem, _ = wine
    every = methods[name](problem).log_probs
    one = methods[name](problem._replace(test_inputs=problem.test_inputs[7:8])).log_probs
    np.testing.assert_allclose(one[0], every[7], atol=1e-6)
    np.testing.assert_allclose(np.exp(every).sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", HOST_CONTROLS)
def test_two_labels_of_each_class_are_enough(name, methods):
    problem, _ = digits_problem(labels=240)
    labelled = np.concatenate([np.flatnonzero(problem.labels == label)[:2] for label in range(4)])
    few = problem._replace(
        labelled=problem.labelled[labelled],
        labels=problem.labels[labelled],
        fold_train=np.array([[0, 2, 4, 6], [1, 3, 5, 7]]),
        fold_valid=np.array([[1, 3, 5, 7], [0, 2, 4, 6]]),
    )
    assert np.all(np.isfinite(methods[name](few).log_probs))


@pytest.mark.parametrize("name", HOST_CONTROLS)
@pytest.mark.parametrize("only", [0, 2])
def test_labels_of_one_class_predict_this_class(name, only, methods):
    problem, _ = wine_problem(labels=9)
    log_probs = methods[name](problem._replace(labels=np.full(9, only))).log_probs
    assert np.all(log_probs.argmax(axis=1) == only)
    assert np.all(np.isfinite(log_probs))


def test_the_temperature_minimizes_the_loss_and_few_hits_do_not_make_it_certain():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5000, 3)) * 2
    labels = np.array([rng.choice(3, p=row) for row in softmax(logits, axis=1)])
    assert rate_scores({}, 4 * logits, labels).temperature == pytest.approx(4, rel=0.1)
    chosen = rate_scores({}, logits, labels)
    assert chosen.nll == pytest.approx(log_loss(labels, softmax(logits, axis=1)), abs=0.002)
    certain = rate_scores({}, np.eye(3)[[0, 1, 2, 0, 1]], np.array([0, 1, 2, 0, 1]))
    assert certain.accuracy == 1.0
    assert softmax(np.eye(3)[0] / certain.temperature).max() < 0.95


def test_settings_are_chosen_on_few_rows_of_every_class_and_the_tested_fit_has_all(monkeypatch):
    monkeypatch.setattr(tuning, "MAX_SELECTION_ROWS", (20, 8))
    problem, _ = digits_problem(labels=120)
    fitted = []

    class Counting(DummyClassifier):
        def fit(self, inputs, labels):
            fitted.append(np.bincount(labels, minlength=4))
            return super().fit(inputs, labels)

    classifier = Classifier(lambda _: [{"a": 1}, {"a": 2}], lambda *_: Counting())
    fit_predict = tuned(classifier)
    problem = problem._replace(ratings={})
    fit_predict(problem)
    assert [counts.sum() for counts in fitted] == [20] * 6 + [120]
    assert np.min(fitted) > 0
    fit_predict(problem._replace(seed=1))  # with so many labels, seeds with the same rows share the choice and the fit
    assert len(fitted) == 7
    monkeypatch.setattr(tuning, "MAX_SELECTION_ROWS", (120, 20))
    fit_predict(problem._replace(seed=1))
    assert len(fitted) == 13
    fit_predict(problem._replace(labels=problem.labels[::-1]))
    assert fitted[-1].sum() == 120
    randomized = tuned(dataclasses.replace(classifier, randomized=True))
    randomized(problem), randomized(problem._replace(seed=1))
    assert [counts.sum() for counts in fitted].count(120) == 4


def test_at_most_some_rows_without_labels_enter_the_graph(monkeypatch, methods):
    monkeypatch.setattr(label_spreading, "MAX_UNLABELLED", 50)
    problem, _ = digits_problem()
    assert methods["label-spreading"](problem).settings["unlabelled_rows"] == 50
    first, other = (label_spreading.draw_unlabelled(problem._replace(seed=seed)) for seed in range(2))
    assert len(np.union1d(first, problem.labelled)) == 90
    assert np.any(first != other)


def test_svm_on_more_features_than_rows_is_scikit_learns(methods, monkeypatch):
    problem, _ = wine_problem()
    mixing = np.random.default_rng(0).normal(size=(problem.inputs.shape[1], 500)).astype(np.float32)
    wide = problem._replace(inputs=problem.inputs @ mixing, test_inputs=problem.test_inputs @ mixing)
    rotated = methods["svm"](wide)
    monkeypatch.setattr(classical, "rotate_wide_rows", lambda problem: problem)
    direct = methods["svm"](wide)
    assert {**rotated.settings, "temperature": 0} == {**direct.settings, "temperature": 0}
    np.testing.assert_allclose(rotated.log_probs, direct.log_probs, atol=1e-4)


@pytest.mark.parametrize("name", ["svm", "label-spreading"])  # boosting and forest are tuned as svm
def test_tuning_tries_some_settings_and_predicts_with_the_lowest_validation_loss(name, methods, wine):
    problem, _ = wine
    few, whole = (methods[name](problem._replace(tune=count)) for count in (3, 99))
    best = int(few.tried.valid_nll.argmin())
    np.testing.assert_array_equal(few.log_probs, few.tried.log_probs[best])
    assert few.tried.settings[best].items() <= few.settings.items()
    assert len(few.tried.settings) == 3
    assert few.tried.settings == whole.tried.settings[:3]
    assert methods[name](problem).settings["valid_accuracy"] >= whole.settings["valid_accuracy"]
    other = methods[name](problem._replace(tune=3, seed=7)).tried.settings
    assert other == few.tried.settings
