"""Sparse probes see the units of largest mean difference, and are scikit-learn's regressions of these columns."""

import functools

import jax
import numpy as np
import pytest
from scipy.special import log_expit, log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from aejax.config import ProbeConfig
from aejax.data.scalers import Scaler
from aejax.errors import InputError
from aejax.probes.features import Features
from aejax.probes.logistic_probe import make_logistic_probe
from aejax.probes.regularization_path import EXTENDED_GRID
from aejax.probes.top_units import certify_top_units_probe, make_top_units_probe
from tests.probe_rows import make_fold_rows, make_probe_rows

N, D, K = 240, 12, 3
ROWS = make_probe_rows(np.arange(120), np.arange(120, 170), test=np.arange(170, N))
FEW_ROWS = make_fold_rows(np.arange(40), 4, ROWS.test, np.arange(170))
SCALES = np.geomspace(1, 4, D).astype(np.float32)


def overlapping(classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(classes)
    labels = rng.permutation(N).astype(np.int32) % classes
    return SCALES * (
        0.8 * rng.normal(size=(classes, D))[labels] + rng.normal(size=(N, D)).astype(np.float32) + 5
    ), labels


@functools.cache
def program(make, config: ProbeConfig, classes: int):
    probe = make(config, classes)
    return jax.jit(lambda features, labels, rows: probe(features, labels, rows))


def fitted(features, labels, rows, make=make_top_units_probe, **settings):
    config = ProbeConfig(**({"probe_units": (K,)} | settings))
    features = features if isinstance(features, Features) else Features(features.astype(np.float32))
    return jax.tree.map(np.asarray, program(make, config, int(labels.max()) + 1)(features, labels, rows))


def top_units(inputs, is_member, rows, k=K):
    difference = inputs[rows][is_member[rows]].mean(axis=0) - inputs[rows][~is_member[rows]].mean(axis=0)
    return np.argsort(-np.abs(difference), kind="stable")[:k]


def regression(inputs, is_member, l2, train, queries, standardized_on):
    """Returns scikit-learn's log-probabilities of membership, from the top units of the rows `train`."""
    units = top_units(inputs, is_member, train)
    scaler = StandardScaler().fit(inputs[standardized_on][:, units].astype(np.float64))
    model = LogisticRegression(C=1 / (l2 * len(train)), tol=1e-8, max_iter=1000, solver="newton-cholesky")
    model.fit(scaler.transform(inputs[train][:, units]), is_member[train])
    margins = model.decision_function(scaler.transform(inputs[queries][:, units]))
    return log_expit(np.stack([-margins, margins], axis=1))


@pytest.mark.parametrize(("classes", "rows"), [(4, ROWS), (2, ROWS), (4, FEW_ROWS)], ids=["four", "two", "few labels"])
def test_each_probe_is_the_regression_of_the_columns_of_largest_mean_difference(classes, rows):
    inputs, labels = overlapping(classes)
    result = fitted(inputs, labels, rows)
    fit, standardize, fold_train, fold_valid = map(np.asarray, rows[:4])
    targets = [1] if classes == 2 else range(classes)
    expected = []
    for probe, target in enumerate(targets):
        is_member, l2 = labels == target, float(result.strengths[probe])
        np.testing.assert_array_equal(result.units[probe], top_units(inputs, is_member, fit))
        expected.append(regression(inputs, is_member, l2, fit, rows.test, standardize))

        def loss(l2, is_member=is_member):  # units of each fold are those of its training rows
            parts = [
                regression(inputs, is_member, l2, fit[train], fit[valid], standardize)[
                    np.arange(len(valid)), is_member[fit[valid]].astype(int)
                ].mean()
                for train, valid in zip(fold_train, fold_valid, strict=True)
            ]
            return -np.mean(parts)

        assert loss(l2) <= min(map(loss, EXTENDED_GRID[::2])) + 2e-3
    log_probs = expected[0] if classes == 2 else log_softmax(np.stack(expected)[..., 1].T, axis=1)
    np.testing.assert_allclose(np.exp(result.log_probs), np.exp(log_probs), atol=2e-3)


def test_a_probe_of_all_units_of_two_classes_is_the_logistic_probe():
    inputs, labels = overlapping(2)
    sparse = fitted(inputs, labels, ROWS, probe_units=(D,))
    full = fitted(inputs, labels, ROWS, make=make_logistic_probe)
    np.testing.assert_allclose(sparse.log_probs, full.log_probs, atol=2e-3)
    np.testing.assert_allclose(sparse.valid_nll, full.valid_nll.min(), atol=1e-4)


def test_planted_units_are_found_and_one_of_each_class_is_enough():
    labels = np.random.default_rng(0).permutation(N).astype(np.int32) % 4
    inputs = 0.1 * np.random.default_rng(1).normal(size=(N, 30))
    planted = [17, 3, 29, 8]
    for label, unit in enumerate(planted):
        inputs[labels == label, unit] += 1
    result = fitted(inputs, labels, ROWS, probe_units=(1,))
    np.testing.assert_array_equal(result.units[:, 0], planted)
    np.testing.assert_array_equal(result.log_probs.argmax(axis=1), labels[170:])


def test_test_rows_and_unlabelled_rows_do_not_choose_units():
    inputs, labels = overlapping(4)
    changed = inputs.copy()
    changed[170:] += 100 * np.eye(D)[labels[170:]]
    np.testing.assert_array_equal(fitted(inputs, labels, ROWS).units, fitted(changed, labels, ROWS).units)


def test_unscaled_inputs_with_their_scaler_are_scaled_inputs():
    inputs, labels = overlapping(4)
    inputs = inputs.astype(np.float32)
    scaler = Scaler(np.linspace(-1, 1, D).astype(np.float32), (1 / SCALES).astype(np.float32))
    lazy = fitted(Features(inputs, scaler), labels, ROWS)
    scaled = fitted((inputs - scaler.shift) * scaler.scale, labels, ROWS)
    np.testing.assert_array_equal(lazy.units, scaled.units)
    np.testing.assert_allclose(lazy.log_probs, scaled.log_probs, atol=1e-4)


@pytest.mark.parametrize("settings", [{}, {"probe_c": 1.0}, {"probe_units": (50,)}], ids=["chosen", "fixed", "wide"])
def test_solutions_are_certified_and_missing_units_are_marked(settings):
    inputs, labels = overlapping(4)
    result = fitted(inputs, labels, ROWS, **settings)
    fit = np.asarray(ROWS.fit)
    certificate = certify_top_units_probe(result, inputs[fit], labels[fit])
    assert max(certificate) < 1e-4
    worse = result._replace(linear=result.linear._replace(bias=result.linear.bias + np.array([[0.1, 0]])))
    assert max(certify_top_units_probe(worse, inputs[fit], labels[fit])) > 1e-3
    assert len(result.valid_nll) == (0 if "probe_c" in settings else 1)
    assert (result.units >= 0).sum() == 4 * min(D, settings.get("probe_units", (K,))[0])


def test_a_class_without_a_label_gets_a_small_probability_and_no_certificate():
    inputs, labels = overlapping(4)
    fit = np.asarray(ROWS.fit)
    labels[fit[labels[fit] == 3]] = 2
    result = fitted(inputs, labels, ROWS, probe_c=1.0)
    assert np.exp(result.log_probs[:, 3]).max() < 1e-3
    assert max(certify_top_units_probe(result, inputs[fit], labels[fit])) < 1e-4


@pytest.mark.parametrize("only", [0, 1])
def test_rows_of_one_of_two_classes_give_a_probe_that_predicts_it_with_a_certificate_of_zero(only):
    inputs, labels = overlapping(2)
    fit = np.asarray(ROWS.fit)
    labels[fit] = only
    result = fitted(inputs, labels, ROWS)
    assert np.all(result.log_probs.argmax(axis=-1) == only)
    assert max(certify_top_units_probe(result, inputs[fit], labels[fit])) == 0


@pytest.mark.parametrize("units", [(), (0,), (2, 2), (5, 2)])
def test_numbers_of_units_ascend_from_one(units):
    with pytest.raises(InputError, match="--probe-units"):
        ProbeConfig(probe_units=units)
