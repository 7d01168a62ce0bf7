"""Theorems about reading features block by block: nothing is lost, nothing is counted twice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.data.scalers import Scaler
from aejax.probe.features import (
    CPU_ROWS_PER_BLOCK,
    Features,
    fit_standardizer,
    make_row_blocks,
    map_row_blocks,
    standardize,
)
from aejax.probe.logistic import make_blocked_problem, make_problem

RNG = np.random.default_rng(0)
SIZES = [1, 7, CPU_ROWS_PER_BLOCK, CPU_ROWS_PER_BLOCK + 1, 3 * CPU_ROWS_PER_BLOCK - 1]
STORED = RNG.integers(0, 256, (2 * CPU_ROWS_PER_BLOCK, 6), dtype=np.uint8)
SCALER = Scaler(np.full(6, 3.0, np.float32), np.linspace(0.1, 2.0, 6, dtype=np.float32))
every_size = pytest.mark.parametrize("n", SIZES)


@every_size
def test_the_blocks_hold_every_place_once_and_then_only_the_last_one_again(n):
    blocks = make_row_blocks(n)
    assert blocks.indices[blocks.is_valid].tolist() == list(range(n))
    assert set(np.asarray(blocks.indices[~blocks.is_valid]).tolist()) <= {n - 1}
    assert blocks.indices.shape == blocks.is_valid.shape


@every_size
def test_what_is_made_in_blocks_is_what_is_made_at_once_and_zero_beyond(n):
    after = jnp.arange(n)
    twice, ones = map_row_blocks(lambda at: (2.0 * at[:, None], jnp.ones((len(at), 3))), n, after)
    np.testing.assert_array_equal(twice.reshape(-1)[:n], 2.0 * np.arange(n))
    assert not np.any(twice.reshape(-1)[n:])
    assert float(ones.sum()) == 3 * n


@every_size
def test_mean_and_deviation_of_blocks_are_those_of_all_rows(n):
    values = (RNG.normal(size=(n + 5, 4)) * [1.0, 100.0, 0.01, 1.0] + [0.0, 1e3, -5.0, 7.0]).astype(np.float32)
    rows = RNG.permutation(n + 5)[:n]
    found = fit_standardizer(Features(jnp.asarray(values)), jnp.asarray(rows), enabled=True)
    own = values[rows].astype(np.float64)
    np.testing.assert_allclose(found.mean, own.mean(axis=0), rtol=1e-5, atol=1e-6)
    if n > 1:
        np.testing.assert_allclose(found.std, own.std(axis=0), rtol=2e-4)
    else:
        assert np.all(np.isinf(found.std))


@pytest.mark.parametrize("value", [0.0, 1e-6, 0.1, 12345.678])
def test_a_constant_column_becomes_zeros(value):
    features = Features(jnp.full((5 * CPU_ROWS_PER_BLOCK + 3, 2), value))
    rows = jnp.arange(5 * CPU_ROWS_PER_BLOCK + 3)
    assert not np.any(standardize(fit_standardizer(features, rows, enabled=True), features.gather(rows)))


def test_stored_inputs_are_read_as_their_scaler_leaves_them():
    rows = RNG.permutation(len(STORED))[:100]
    found = jax.jit(Features.gather)(Features(jnp.asarray(STORED), SCALER), rows)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, (STORED[rows] - SCALER.shift) * SCALER.scale, rtol=1e-6)


@pytest.mark.parametrize("n", [4, 700], ids=["fewer rows than features", "more"])
def test_a_regression_that_is_read_is_the_one_that_is_given(n):
    features, labels = Features(jnp.asarray(STORED), SCALER), jnp.asarray(RNG.integers(0, 3, n))
    rows = jnp.asarray(RNG.permutation(len(STORED))[:n])
    given = make_problem(features.gather(rows), labels, 3)
    read = make_blocked_problem(lambda places: features.gather(rows[places]), labels, 3)
    jax.tree.map(np.testing.assert_array_equal, read, given)
    assert float(read.row_weights.sum()) == pytest.approx(1.0, rel=1e-5)
