"""Superposition data are sparse sums of known unit directions, of which one is the class."""

import numpy as np
import pytest
from expected_errors import error_message

from aejax.config import DataConfig
from aejax.data.registry import load_dataset


def generate(**settings):
    return load_dataset(DataConfig(dataset="superposition", **settings))


def test_coefficients_are_sparse_and_have_the_class_as_one_of_the_first_features():
    dataset = generate(
        superposition_samples=2000,
        superposition_features=30,
        superposition_dimensions=40,  # so many that the coefficients are unique
        superposition_active=3,
        superposition_classes=5,
    )
    np.testing.assert_allclose(np.linalg.norm(dataset.directions, axis=1), 1)
    coefficients = np.linalg.lstsq(dataset.directions.T, dataset.inputs.T)[0].T
    active = np.abs(coefficients) > 1e-4
    assert (np.abs(coefficients[active] - 1) < 0.501).all()
    np.testing.assert_array_equal(active[:, :5], np.eye(5, dtype=bool)[dataset.labels])
    np.testing.assert_allclose(active[:, 5:].mean(axis=0), 3 / 25, atol=4 * np.sqrt(0.12 * 0.88 / 2000))
    assert np.bincount(dataset.labels).tolist() == [400] * 5


def test_the_default_has_more_directions_than_dimensions_and_the_seed_changes_all():
    first, other = generate(), generate(superposition_seed=1)
    assert first.directions.shape == (128, 64)
    assert first.inputs.shape == other.inputs.shape == (10_000, 64)
    assert first.sha256 != other.sha256
    assert np.abs(first.directions - other.directions).max() > 0.1


@pytest.mark.parametrize(
    ("settings", "mentioned"),
    [
        ({"superposition_features": 10}, "--superposition-features 10"),
        ({"superposition_active": 200.0}, "--superposition-active 200.0"),
        ({"superposition_classes": 1}, "--superposition-classes 1"),
        ({"superposition_samples": 0}, "--superposition-samples 0"),
        ({"superposition_dimensions": 0}, "--superposition-dimensions 0"),
        ({"superposition_seed": -1}, "--superposition-seed -1"),
        ({"superposition_samples": 10**10}, "--superposition-samples 10000000000"),
    ],
)
def test_contradicting_settings_are_rejected_by_flag(settings, mentioned):
    assert error_message(generate, **settings).startswith(mentioned)
