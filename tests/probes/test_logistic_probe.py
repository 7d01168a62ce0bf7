"""The probe selects by validation, refits on all labelled rows, and never uses the test rows."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from aejax.config import ProbeConfig
from aejax.probes.features import Features
from aejax.probes.logistic_probe import CONVERGENCE_TOLERANCE, certify_logistic_probe, make_logistic_probe
from aejax.probes.regularization_path import EXTENDED_GRID, GRID_EXTENSION, L2_GRID, PATIENCE, VALID_NLL_TOLERANCE
from tests.probe_rows import make_fold_rows, make_probe_rows

N = 240
TRAIN, VALID = np.arange(0, 120), np.arange(120, 170)
ROWS = make_probe_rows(TRAIN, VALID, test=np.arange(170, 240))
FITTED = np.arange(170)
FEW, UNLABELLED = np.arange(40), np.arange(0, 170)  # of 170 training inputs, 40 have a label
FEW_ROWS = make_fold_rows(FEW, 5, ROWS.test, UNLABELLED)
DEFAULT = ProbeConfig()
COLUMN_SCALES = np.array([1.0, 1e2, 1e-2, 1e1, 1e-1], np.float32)


def blobs(distance: float, classes: int = 3, features: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(classes)
    labels = rng.permutation(N).astype(np.int32) % classes
    centres = distance * rng.normal(size=(classes, features))
    return (centres[labels] + rng.normal(size=(N, features)) + 1.0).astype(np.float32), labels


OVERLAPPING = blobs(0.7)
SEPARATED = blobs(5.0)


@functools.cache
def program(config: ProbeConfig, classes: int):
    probe = make_logistic_probe(config, classes)
    return jax.jit(lambda inputs, labels, rows: probe(Features(inputs), labels, rows))


def fitted(inputs, labels, config=DEFAULT, rows=ROWS):
    return jax.tree.map(np.asarray, program(config, int(labels.max()) + 1)(inputs, labels, rows))


def scikit_log_probs(inputs, labels, l2, train, test, standardize=FITTED):
    scaler = StandardScaler().fit(inputs[standardize].astype(np.float64))
    model = LogisticRegression(C=1 / (l2 * len(train)), tol=1e-8, max_iter=1000, solver="newton-cholesky")
    model.fit(scaler.transform(inputs[train].astype(np.float64)), labels[train])
    return model.predict_log_proba(scaler.transform(inputs[test].astype(np.float64)))


@pytest.mark.parametrize(
    ("data", "rows"),
    [(OVERLAPPING, ROWS), (blobs(0.7, classes=2), ROWS), (OVERLAPPING, FEW_ROWS)],
    ids=["three classes", "two classes", "five folds of few labels"],
)
def test_the_selected_strength_is_the_strongest_that_ties_with_the_best(data, rows):
    (inputs, labels), (fit, _, fold_train, fold_valid, test, _) = data, jax.tree.map(np.asarray, rows)
    result = fitted(inputs, labels, rows=rows)

    def loss(l2, train, valid):
        log_probs = scikit_log_probs(inputs, labels, l2, train, valid)
        return -np.mean(log_probs[np.arange(len(valid)), labels[valid]])

    folds = list(zip(fit[fold_train], fit[fold_valid], strict=True))
    reference = [np.mean([loss(l2, *fold) for fold in folds]) for l2 in L2_GRID]
    valid_nll = result.valid_nll[GRID_EXTENSION:-GRID_EXTENSION]
    tried = np.isfinite(valid_nll)
    np.testing.assert_allclose(valid_nll[tried], np.array(reference)[tried], atol=2e-4)
    chosen = int(np.argmin(np.abs(np.log(L2_GRID) - np.log(result.l2))))
    np.testing.assert_allclose(result.l2, L2_GRID[chosen], rtol=1e-6)
    assert reference[chosen] <= min(reference) + 3 * VALID_NLL_TOLERANCE
    assert all(loss > min(reference) for loss in reference[:chosen])
    assert np.all(valid_nll[:chosen] > result.valid_nll.min() + VALID_NLL_TOLERANCE)
    assert not result.grid_edge
    expected = scikit_log_probs(inputs, labels, float(result.l2), fit, test)
    np.testing.assert_allclose(result.log_probs, expected, atol=2e-3)


def test_features_are_standardised_on_all_training_inputs_however_few_are_labelled():
    inputs, labels = OVERLAPPING
    scaled = inputs * COLUMN_SCALES
    standardizer = fitted(scaled, labels, rows=FEW_ROWS).standardizer
    reference = StandardScaler().fit(scaled[UNLABELLED])
    np.testing.assert_allclose(standardizer.mean, reference.mean_, rtol=1e-4)
    np.testing.assert_allclose(standardizer.std, reference.scale_, rtol=1e-4)
    assert np.any(np.abs(StandardScaler().fit(scaled[FEW]).scale_ / standardizer.std - 1) > 0.05)


def test_the_path_ends_only_after_consecutive_rises_of_the_loss():
    rng = np.random.default_rng(0)  # many features and wrong labels: weak strengths overfit badly
    inputs, labels = rng.normal(size=(N, 60)).astype(np.float32), rng.integers(3, size=N).astype(np.int32)
    result = fitted(inputs, labels)
    tried = np.isfinite(result.valid_nll)
    last = np.flatnonzero(tried)[-1]
    assert last < GRID_EXTENSION + len(L2_GRID) - 1
    assert np.all(tried[GRID_EXTENSION : last + 1])
    assert np.all(np.diff(result.valid_nll[last - PATIENCE : last + 1]) > VALID_NLL_TOLERANCE)
    assert result.l2 >= EXTENDED_GRID[last - PATIENCE] * (1 - 1e-6)


def test_the_grid_is_extended_beyond_the_strongest_strength_while_each_is_better():
    rng = np.random.default_rng(0)  # validation labels contradict the training labels
    inputs, labels = (
        SEPARATED[0] * 100,
        np.where(np.arange(N) < 120, SEPARATED[1], (SEPARATED[1] + 1) % 3).astype(np.int32),
    )
    labels[rng.permutation(120)[:3]] = 0
    result = fitted(inputs, labels, ProbeConfig(probe_standardize=False))
    tried = np.flatnonzero(np.isfinite(result.valid_nll))
    assert result.grid_extended
    assert tried[0] < GRID_EXTENSION
    assert result.l2 > L2_GRID[0]
    steps = -np.diff(result.valid_nll[tried[0] : GRID_EXTENSION + 1][::-1])
    assert np.all(steps[:-1] > VALID_NLL_TOLERANCE)


def test_the_grid_is_extended_beyond_the_weakest_strength_and_its_end_is_flagged():
    inputs, labels = SEPARATED  # separable, in units so small that no penalty of the grid is weak
    result = fitted(inputs * np.float32(1e-5), labels, ProbeConfig(probe_standardize=False))
    assert result.grid_extended
    assert result.l2 < L2_GRID[-1]
    assert result.grid_edge == (np.argmin(result.valid_nll) == len(EXTENDED_GRID) - 1)


def test_the_classifier_is_fitted_on_training_and_validation_rows_together():
    inputs, labels = OVERLAPPING
    result = fitted(inputs, labels)
    assert max(certify_logistic_probe(result, inputs[FITTED], labels[FITTED])) <= CONVERGENCE_TOLERANCE
    assert min(certify_logistic_probe(result, inputs[TRAIN], labels[TRAIN])) > 2 * CONVERGENCE_TOLERANCE


@pytest.mark.parametrize("config", [ProbeConfig(), ProbeConfig(probe_c=1.0)], ids=["selected", "fixed"])
def test_test_rows_never_influence_the_fit(config):
    inputs, labels = OVERLAPPING
    others, other_labels = inputs.copy(), labels.copy()
    others[ROWS.test], other_labels[ROWS.test] = 1e6, 0
    here, there = fitted(inputs, labels, config), fitted(others, other_labels, config)
    assert np.any(here.log_probs != there.log_probs)
    for part in ("linear", "standardizer", "l2", "valid_nll"):
        jax.tree.map(np.testing.assert_array_equal, getattr(here, part), getattr(there, part))


def test_only_a_standardised_probe_is_invariant_to_the_units_of_features():
    inputs, labels = OVERLAPPING
    here, there = fitted(inputs, labels), fitted(inputs * COLUMN_SCALES, labels)
    assert here.l2 == there.l2
    np.testing.assert_allclose(there.log_probs, here.log_probs, atol=1e-3)
    fixed = ProbeConfig(probe_c=0.01, probe_standardize=False)
    doubled = inputs * np.float32(2.0)
    assert np.max(np.abs(fitted(inputs, labels, fixed).log_probs - fitted(doubled, labels, fixed).log_probs)) > 0.05


@pytest.mark.parametrize(
    ("load", "standardize"),
    [(load_breast_cancer, True), (load_wine, False)],
    ids=["two classes, standardised", "three classes, not standardised"],
)
def test_a_fixed_c_of_one_is_scikit_learns_default_classifier(load, standardize):
    inputs, labels = load(return_X_y=True)
    inputs = StandardScaler().fit_transform(inputs) * (1.0 if standardize else 0.3)
    order = np.random.default_rng(0).permutation(len(labels))
    train, valid, test = np.split(order, [len(order) // 2, 2 * len(order) // 3])
    config = ProbeConfig(probe_c=1.0, probe_standardize=standardize)
    rows = make_probe_rows(train, valid, test)
    result = fitted(inputs.astype(np.float32), labels.astype(np.int32), config, rows)
    both = np.concatenate([train, valid])
    fit_inputs = StandardScaler().fit(inputs[both]).transform(inputs) if standardize else inputs
    reference = LogisticRegression(C=1.0, tol=1e-8, max_iter=10_000).fit(fit_inputs[both], labels[both])
    np.testing.assert_array_equal(result.log_probs.argmax(axis=1), reference.predict(fit_inputs[test]))
    np.testing.assert_allclose(np.exp(result.log_probs), reference.predict_proba(fit_inputs[test]), atol=1e-3)
    assert result.valid_nll.shape == (0,)
    assert not result.grid_edge


def test_a_fixed_c_needs_no_validation_rows():
    inputs, labels = OVERLAPPING
    rows = make_probe_rows(FITTED, np.zeros(0, np.int64), ROWS.test)
    config = ProbeConfig(probe_c=1.0)
    here, there = fitted(inputs, labels, config, rows), fitted(inputs, labels, config)
    np.testing.assert_allclose(here.log_probs, there.log_probs, atol=1e-5)


def test_constant_features_get_no_weight_and_have_no_effect():
    varying, labels = OVERLAPPING[0][:, :2], OVERLAPPING[1]
    result = fitted(np.column_stack([varying, np.full((N, 3), [0.0, 0.1, 12_345_678.0], np.float32)]), labels)
    np.testing.assert_array_equal(result.linear.weights[-3:], 0)
    expected = scikit_log_probs(varying, labels, float(result.l2), FITTED, ROWS.test)
    np.testing.assert_allclose(result.log_probs, expected, atol=2e-3)


@pytest.mark.parametrize("part", ["weights", "bias"])
def test_the_certificate_is_small_at_the_solution_and_large_away_from_it(part):
    inputs, labels = OVERLAPPING
    result = fitted(inputs, labels)
    assert max(certify_logistic_probe(result, inputs[FITTED], labels[FITTED])) < 2e-5
    moved = result.linear._replace(**{part: getattr(result.linear, part).copy()})
    getattr(moved, part)[..., 0] += 0.05
    certificate = certify_logistic_probe(result._replace(linear=moved), inputs[FITTED], labels[FITTED])
    assert certificate.gradient_norm > 10 * CONVERGENCE_TOLERANCE
    assert certificate.gap > 2 * CONVERGENCE_TOLERANCE


def test_the_certified_gradient_norm_is_that_of_the_objective():
    inputs, labels = blobs(0.7, classes=2)
    result = fitted(inputs, labels)
    moved = result.linear._replace(weights=result.linear.weights + 0.1)

    def objective(linear):
        standard = (inputs[FITTED] - result.standardizer.mean[None]) / result.standardizer.std[None]
        log_probs = jax.nn.log_softmax(standard @ linear.weights + linear.bias[None])
        loss = -jnp.mean(log_probs[jnp.arange(170), labels[FITTED]])
        return loss + result.l2 * jnp.sum(linear.weights**2)  # two classes: twice l2 / 2

    expected = max(float(jnp.abs(leaf).max()) for leaf in jax.grad(objective)(moved))
    certificate = certify_logistic_probe(result._replace(linear=moved), inputs[FITTED], labels[FITTED])
    np.testing.assert_allclose(certificate.gradient_norm, expected, rtol=1e-4)
