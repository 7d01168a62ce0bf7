"""The ridge probe equals scikit-learn's Ridge on one-hot targets, with its settings selected on validation rows."""

import functools

import jax
import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from aejax.config import ProbeConfig
from aejax.probes.features import Features, ProbeRows
from aejax.probes.regularization_path import EXTENDED_GRID
from aejax.probes.ridge import INVERSE_TEMPERATURES, certify_ridge_probe, make_ridge_probe
from tests.probe_rows import make_fold_rows, make_probe_rows

RNG = np.random.default_rng(0)
N, CLASSES = 240, 3
LABELS = (RNG.permutation(N) % CLASSES).astype(np.int32)
INPUTS = (0.7 * RNG.normal(size=(CLASSES, 6))[LABELS] + RNG.normal(size=(N, 6)) + 1.0).astype(np.float32)
TRAIN, VALID = np.arange(0, 120), np.arange(120, 170)
ROWS = make_probe_rows(TRAIN, VALID, test=np.arange(170, N))
FITTED = np.arange(170)
DEFAULT = ProbeConfig(probe="ridge")


@functools.cache
def program(config: ProbeConfig):
    return jax.jit(make_ridge_probe(config, CLASSES))


def fitted(config: ProbeConfig = DEFAULT, rows: ProbeRows = ROWS):
    return jax.tree.map(np.asarray, program(config)(Features(INPUTS), LABELS, rows))


def scikit(rows: np.ndarray, l2: float, queries: np.ndarray) -> np.ndarray:
    scaler = StandardScaler().fit(INPUTS[FITTED].astype(np.float64))
    model = Ridge(alpha=l2 * len(rows)).fit(scaler.transform(INPUTS[rows]), np.eye(CLASSES)[LABELS[rows]])
    return model.predict(scaler.transform(INPUTS[queries]))


@pytest.mark.parametrize("rows", [ROWS, make_fold_rows(np.arange(40), 5, ROWS.test, FITTED)], ids=["one fold", "five"])
def test_validation_errors_of_all_strengths_are_scikit_learns(rows):
    result = fitted(rows=rows)
    fit, _, fold_train, fold_valid, *_ = jax.tree.map(np.asarray, rows)

    def error(l2: float, train: np.ndarray, valid: np.ndarray) -> float:
        errors = scikit(train, l2, valid) - np.eye(CLASSES)[LABELS[valid]]
        return 0.5 * np.mean(np.sum(errors**2, axis=1))

    folds = list(zip(fit[fold_train], fit[fold_valid], strict=True))
    expected = [np.mean([error(l2, *fold) for fold in folds]) for l2 in EXTENDED_GRID]
    np.testing.assert_allclose(result.valid_loss, expected, rtol=1e-4)
    chosen = int(np.argmin(np.abs(np.log(EXTENDED_GRID) - np.log(result.l2))))
    assert expected[chosen] <= min(expected) * 1.0003
    assert all(loss > min(expected) * 1.0001 * (1 - 1e-5) for loss in expected[:chosen])


def test_test_rows_are_scored_by_the_refit_on_training_and_validation_rows():
    result = fitted()
    scores = scikit(FITTED, float(result.l2), np.asarray(ROWS.test))
    np.testing.assert_allclose(result.log_probs, log_softmax(result.inverse_temperature * scores, axis=1), atol=2e-3)


def test_the_temperature_is_the_one_of_lowest_validation_nll():
    result = fitted()
    scores = scikit(TRAIN, float(result.l2), VALID)

    def nll(factor: float) -> float:
        return -np.mean(log_softmax(factor * scores, axis=1)[np.arange(50), LABELS[VALID]])

    best = min(INVERSE_TEMPERATURES, key=nll)
    np.testing.assert_allclose(result.inverse_temperature, best)
    np.testing.assert_allclose(result.valid_nll, nll(best), rtol=1e-3)


def test_test_rows_never_influence_the_fit():
    others, labels = INPUTS.copy(), LABELS.copy()
    others[ROWS.test], labels[ROWS.test] = 1e6, 0
    there = program(DEFAULT)(Features(others), labels, ROWS)
    here = fitted()
    for part in ("linear", "l2", "valid_loss", "inverse_temperature"):
        jax.tree.map(np.testing.assert_array_equal, getattr(here, part), getattr(there, part))


def test_a_fixed_c_needs_no_selection():
    result = fitted(ProbeConfig(probe="ridge", probe_c=0.5))
    np.testing.assert_allclose(result.l2, 1 / (0.5 * 170))
    assert result.valid_loss.shape == (0,)
    assert not result.grid_edge
    assert not result.grid_extended


@pytest.mark.parametrize("size", [0.01, 1.0])
def test_the_certificate_is_zero_at_the_optimum_and_bounds_the_distance_elsewhere(size):
    result = fitted()
    at_optimum = certify_ridge_probe(result, INPUTS[FITTED], LABELS[FITTED])
    assert max(at_optimum) < 1e-5
    moved = result.linear._replace(weights=result.linear.weights + size * RNG.normal(size=result.linear.weights.shape))
    certificate = certify_ridge_probe(result._replace(linear=moved), INPUTS[FITTED], LABELS[FITTED])

    def objective(linear) -> float:
        inputs = (INPUTS[FITTED] - result.standardizer.mean) / result.standardizer.std
        errors = inputs @ linear.weights + linear.bias - np.eye(CLASSES)[LABELS[FITTED]]
        return 0.5 * np.mean(np.sum(errors**2, axis=1)) + 0.5 * float(result.l2) * np.sum(linear.weights**2)

    value = objective(moved)
    assert certificate.gap * value >= (value - objective(result.linear)) * (1 - 1e-6)
