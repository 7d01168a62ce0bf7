"""Measures of codes, on codes small enough to count by hand."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score

from aejax.evaluate.representation import ACTIVE_VARIANCE, compute_code_metrics, direction_recovery, explained_variance

# Units: always zero; zero in training only; constant and not zero; nearly constant; varying.
TRAIN = jnp.array([[0.0, 0.0, 2.0, 0.05, -1.0], [0.0, 0.0, 2.0, 0.0, 1.0], [0.0, 0.0, 2.0, 0.05, 0.0]])
TEST = jnp.array([[0.0, 0.0, 2.0, 0.05, -1.0], [0.0, 3.0, 2.0, 0.0, 1.0]])


def test_counts_of_used_dead_and_active_units():
    metrics = compute_code_metrics(TRAIN, TEST)
    assert metrics["l0"] == (3 + 3) / 2
    assert metrics["dead_units"] == 2  # zero for every training row, whatever the test rows
    assert metrics["active_units"] == 2


def test_an_active_unit_has_a_variance_above_the_threshold_of_burda_et_al():
    assert ACTIVE_VARIANCE == 0.01  # Burda et al. (2016), section 4.2
    deviations = np.sqrt([0.0, 0.009, 0.011])
    codes = jnp.asarray(5 + np.array([[-1.0], [1.0]]) * deviations)
    assert compute_code_metrics(codes, codes)["active_units"] == 1


def test_counts_are_floats_that_can_be_averaged():
    assert all(value.dtype == jnp.float32 for value in compute_code_metrics(TRAIN, TEST).values())


TARGET = np.random.default_rng(0).normal(size=(50, 4)) * [3.0, 1.0, 0.5, 0.1] + 7


def test_explained_variance_of_pca_is_that_of_its_components():
    pca = PCA(2).fit(TARGET)
    recon = pca.inverse_transform(pca.transform(TARGET))
    metrics = explained_variance(jnp.asarray(recon), jnp.asarray(TARGET))
    np.testing.assert_allclose(metrics, pca.explained_variance_ratio_.sum(), rtol=1e-4)
    mirrored = 2 * TARGET.mean(axis=0) - TARGET  # worse than the mean
    for rows in (recon, mirrored):
        expected = r2_score(TARGET, rows, multioutput="variance_weighted")
        np.testing.assert_allclose(explained_variance(jnp.asarray(rows), jnp.asarray(TARGET)), expected, rtol=1e-4)


def test_explained_variance_of_a_constant_target_is_finite():
    constant = jnp.ones((5, 3))
    assert explained_variance(constant, constant) == 1
    assert np.isfinite(explained_variance(constant + 1, constant))


def test_recovery_is_the_largest_cosine_of_each_direction_whatever_order_scale_and_sign():
    directions = jnp.asarray(np.random.default_rng(0).normal(size=(7, 4)))
    scales = jnp.array([[-3.0], [0.1], [1.0], [-1.0], [2.0], [5.0], [9.0]])
    assert direction_recovery(scales * directions[::-1], directions) == pytest.approx(1, abs=1e-6)
    atoms = jnp.array([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    assert direction_recovery(atoms, jnp.eye(3)) == pytest.approx(2 * np.sqrt(0.5) / 3)
