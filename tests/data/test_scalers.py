"""Scalers equal those of scikit-learn and depend on training rows only."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from expected_errors import error_message
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from aejax.data.dataset import make_dataset
from aejax.data.scalers import apply_scaler, fit_scalers

RNG = np.random.default_rng(0)
TRAIN = np.stack([RNG.permutation(60)[:40] for _ in range(3)])
COLUMNS = {
    "ordinary": RNG.normal(size=60),
    "in millions": 1e6 * RNG.normal(size=60) + 3e6,
    "in millionths": 1e-6 * RNG.normal(size=60),
    "far from zero": 1e3 + RNG.normal(size=60),
    "zero": np.zeros(60),
    "constant": np.full(60, 0.1),
    "constant and large": np.full(60, 12_345_678.0),
    "all but constant": (np.arange(60) == min(set.intersection(*map(set, TRAIN)))).astype(float),
}
CONSTANT = {"zero", "constant", "constant and large"}
INPUTS = np.stack(list(COLUMNS.values()), axis=1).astype(np.float32)
DATASET = make_dataset("columns", INPUTS, np.arange(60) % 2, source="columns")
SCIKIT = {"minmax": MinMaxScaler, "standard": StandardScaler}


def select_seed(scaler, seed: int):
    return jax.tree.map(lambda leaf: leaf[seed], scaler)


@pytest.mark.parametrize("kind", SCIKIT)
def test_scaled_columns_equal_scikit_learn(kind):
    scaler = fit_scalers(kind, DATASET, TRAIN)
    varying = [i for i, name in enumerate(COLUMNS) if name not in CONSTANT]
    for seed, rows in enumerate(TRAIN):
        scaled = apply_scaler(select_seed(scaler, seed), INPUTS)
        expected = SCIKIT[kind]().fit(INPUTS[rows].astype(np.float64)).transform(INPUTS.astype(np.float64))
        np.testing.assert_allclose(scaled[:, varying], expected[:, varying], rtol=1e-4, atol=1e-4)
        scaled_train = np.asarray(scaled)[rows][:, varying]
        if kind == "minmax":
            np.testing.assert_allclose(scaled_train.min(axis=0), 0, atol=1e-6)
            np.testing.assert_allclose(scaled_train.max(axis=0), 1, atol=1e-6)


@pytest.mark.parametrize("kind", SCIKIT)
@pytest.mark.parametrize("value", [0.0, 0.1, -12_345.0])
def test_columns_constant_on_training_rows_are_dropped(kind, value):
    column = np.full((60, 1), value, np.float32)
    column[np.setdiff1d(np.arange(60), TRAIN[0])] += 2.5
    data = make_dataset("column", column, np.arange(60) % 2, source="column")
    np.testing.assert_array_equal(apply_scaler(select_seed(fit_scalers(kind, data, TRAIN[:1]), 0), column), 0)


@pytest.mark.parametrize("kind", SCIKIT)
def test_columns_are_constant_by_their_scale_and_not_by_their_mean(kind):
    varying = np.arange(60) % 5 - 2.0
    columns = {"tiny": 1e-30 * varying, "subnormal": 1e-40 * varying, "far": 1e6 + varying, "huge": 1e30 * varying}
    data = make_dataset("columns", np.stack(list(columns.values()), axis=1), np.arange(60) % 2, source="columns")
    scaler = select_seed(fit_scalers(kind, data, TRAIN), 0)
    expected = SCIKIT[kind]().fit(varying[TRAIN[0], None]).transform(varying[:, None])[:, 0]
    scaled = np.asarray(apply_scaler(scaler, data.inputs))
    for index, name in enumerate(columns):
        np.testing.assert_allclose(scaled[:, index], 0 if name == "subnormal" else expected, atol=0.05, err_msg=name)


@pytest.mark.parametrize("kind", SCIKIT)
@pytest.mark.parametrize(("policy", "strategy"), [("mean", "mean"), ("indicator", "mean"), ("median", "median")])
def test_missing_values_are_filled_in_as_by_scikit_learn_on_the_training_rows(kind, policy, strategy):
    inputs = np.where(RNG.uniform(size=INPUTS.shape) < 0.2, np.nan, INPUTS)[:, :4]
    inputs[TRAIN[1], 1] = np.nan  # unknown in every training row of one seed
    data = dataclasses.replace(DATASET, inputs=inputs)
    scaler = fit_scalers(kind, data, TRAIN, policy)
    for seed, rows in enumerate(TRAIN):
        imputer = SimpleImputer(strategy=strategy, keep_empty_features=True)
        reference = make_pipeline(imputer, SCIKIT[kind]()).fit(inputs[rows].astype(np.float64))
        expected = reference.transform(inputs.astype(np.float64))
        expected[:, np.isnan(inputs[rows]).all(axis=0)] = 0
        np.testing.assert_allclose(apply_scaler(select_seed(scaler, seed), inputs), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["none", "standard"])
def test_only_a_policy_that_imputes_adds_fill_to_the_scaler(kind):
    assert set(fit_scalers(kind, DATASET, TRAIN, "refuse").as_variables()) == {"shift", "scale"}
    imputing = fit_scalers(kind, DATASET, TRAIN, "mean")
    assert set(imputing.as_variables()) == {"shift", "scale", "fill"}
    assert imputing.fill.shape == (3, INPUTS.shape[1])


@pytest.mark.parametrize("kind", ["range", "minmax", "standard", "none"])
def test_only_training_rows_affect_the_scaler(kind):
    inputs = INPUTS / np.abs(INPUTS).max(axis=0).clip(1.0)
    others, scalers = np.setdiff1d(np.arange(60), TRAIN[0]), []
    for filler in (0.0, 1.0):
        inputs[others] = filler
        data = make_dataset("columns", inputs, np.arange(60) % 2, source="columns", value_range=(-1.0, 1.0))
        scalers.append(fit_scalers(kind, data, TRAIN[:1]))
    jax.tree.map(np.testing.assert_array_equal, *scalers)


@pytest.mark.parametrize(
    ("dtype", "value_range"), [(np.uint8, (0.0, 255.0)), (np.float32, (-2.0, 6.0))], ids=["bytes", "declared floats"]
)
def test_range_maps_the_declared_limits_to_zero_and_one(dtype, value_range):
    low, high = value_range
    inputs = np.linspace(low, high, 12).astype(dtype).reshape(6, 2)
    data = make_dataset("ranged", inputs, np.arange(6) % 2, source="ranged", value_range=value_range)
    scaler = select_seed(fit_scalers("range", data, np.array([[2, 3]])), 0)
    scaled = apply_scaler(scaler, jnp.asarray(inputs))
    assert scaled.dtype == jnp.float32
    np.testing.assert_allclose(scaled, (inputs.astype(np.float64) - low) / (high - low), rtol=1e-6)
    assert (scaled.min(), scaled.max()) == (0.0, 1.0)


def test_none_is_the_identity():
    scaler = select_seed(fit_scalers("none", DATASET, TRAIN), 0)
    np.testing.assert_array_equal(apply_scaler(scaler, INPUTS), INPUTS)


def test_minmax_of_uint8_does_not_overflow():
    inputs = np.array([[250, 3], [10, 3], [255, 5], [0, 4], [0, 0], [0, 0]], np.uint8)
    data = make_dataset("bytes", inputs, np.arange(6) % 2, source="bytes")
    scaled = apply_scaler(select_seed(fit_scalers("minmax", data, np.array([[0, 1, 2]])), 0), inputs[:4])
    np.testing.assert_allclose(scaled, [[240 / 245, 0], [0, 0], [1, 1], [-10 / 245, 0.5]], atol=1e-6)


def test_range_without_a_declared_range_is_rejected():
    message = error_message(fit_scalers, "range", DATASET, TRAIN)
    assert "columns declares no value range; use minmax, standard or none" in message
