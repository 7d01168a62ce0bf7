"""Reading features in blocks uses every row exactly once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.data.scalers import Scaler
from aejax.probes.features import (
    CPU_ROWS_PER_BLOCK,
    Features,
    fit_standardizer,
    make_row_blocks,
    map_row_blocks,
    standardize,
)
from aejax.probes.logistic import make_blocked_problem, make_problem

RNG = np.random.default_rng(0)
SIZES = [1, 7, CPU_ROWS_PER_BLOCK, CPU_ROWS_PER_BLOCK + 1, 3 * CPU_ROWS_PER_BLOCK - 1]
STORED = RNG.integers(0, 256, (2 * CPU_ROWS_PER_BLOCK, 6), dtype=np.uint8)
SCALER = Scaler(np.full(6, 3.0, np.float32), np.linspace(0.1, 2.0, 6, dtype=np.float32))
every_size = pytest.mark.parametrize("n", SIZES)


@every_size
def test_blocks_contain_every_position_once_and_are_padded_with_the_last(n):
    blocks = make_row_blocks(n)
    assert blocks.indices[blocks.is_valid].tolist() == list(range(n))
    assert set(np.asarray(blocks.indices[~blocks.is_valid]).tolist()) <= {n - 1}
    assert blocks.indices.shape == blocks.is_valid.shape


@every_size
def test_mapping_over_blocks_equals_mapping_at_once_and_padding_is_zero(n):
    twice, ones = map_row_blocks(lambda at: (2.0 * at[:, None], jnp.ones((len(at), 3))), n, jnp.arange(n))
    np.testing.assert_array_equal(twice.reshape(-1)[:n], 2.0 * np.arange(n))
    assert not np.any(twice.reshape(-1)[n:])
    assert float(ones.sum()) == 3 * n


@every_size
def test_mean_and_standard_deviation_are_those_of_all_rows(n):
    values = (RNG.normal(size=(n + 5, 4)) * [1.0, 100.0, 0.01, 1.0] + [0.0, 1e3, -5.0, 7.0]).astype(np.float32)
    rows = RNG.permutation(n + 5)[:n]
    standardizer = fit_standardizer(Features(jnp.asarray(values)), jnp.asarray(rows), enabled=True)
    reference = values[rows].astype(np.float64)
    np.testing.assert_allclose(standardizer.mean, reference.mean(axis=0), rtol=1e-5, atol=1e-6)
    if n > 1:
        np.testing.assert_allclose(standardizer.std, reference.std(axis=0), rtol=2e-4)
    else:
        assert np.all(np.isinf(standardizer.std))


def test_constant_columns_become_zero():
    features = Features(jnp.full((5 * CPU_ROWS_PER_BLOCK + 3, 4), jnp.array([[0.0, 1e-6, 0.1, 12345.678]])))
    rows = jnp.arange(5 * CPU_ROWS_PER_BLOCK + 3)
    assert not np.any(standardize(fit_standardizer(features, rows, enabled=True), features.gather(rows)))


def test_codes_that_vary_by_rounding_error_are_dropped_and_inputs_of_any_scale_are_kept():
    signal, noise = RNG.normal(size=(2, 200, 3)).astype(np.float32)
    values = jnp.asarray(np.hstack([signal, 1e-7 * noise, 1e-5 * noise, 1e3 + 1e-4 * noise]))
    rows, identity = jnp.arange(200), Scaler(np.zeros(1, np.float32), np.ones(1, np.float32))
    codes = fit_standardizer(Features(values), rows, enabled=True)
    inputs = fit_standardizer(Features(values, identity), rows, enabled=True)
    assert np.isinf(codes.std).tolist() == [False] * 3 + [True] * 3 + [False] * 3 + [True] * 3
    assert np.all(np.isfinite(inputs.std))
    np.testing.assert_array_equal(codes.std[:3], inputs.std[:3])


def test_inputs_with_missing_values_are_filled_in_when_read():
    scaler = Scaler(np.full(2, 1.0, np.float32), np.full(2, 2.0, np.float32), np.array([5.0, 7.0], np.float32))
    features = Features(jnp.asarray([[np.nan, 1.0], [3.0, np.nan]], jnp.float32), scaler)
    np.testing.assert_array_equal(features.gather(jnp.arange(2)), [[8.0, 0.0], [4.0, 12.0]])


def test_stored_inputs_are_scaled_when_read():
    rows = RNG.permutation(len(STORED))[:100]
    result = jax.jit(Features.gather)(Features(jnp.asarray(STORED), SCALER), rows)
    assert result.dtype == jnp.float32
    np.testing.assert_allclose(result, (STORED[rows] - SCALER.shift) * SCALER.scale, rtol=1e-6)


@pytest.mark.parametrize("n", [4, 700], ids=["fewer rows than features", "more"])
def test_a_problem_read_in_blocks_equals_the_one_in_memory(n):
    features, labels = Features(jnp.asarray(STORED), SCALER), jnp.asarray(RNG.integers(0, 3, n))
    rows = jnp.asarray(RNG.permutation(len(STORED))[:n])
    in_memory = make_problem(features.gather(rows), labels, 3)
    read = make_blocked_problem(lambda positions: features.gather(rows[positions]), labels, 3)
    jax.tree.map(np.testing.assert_array_equal, read, in_memory)
    assert float(read.row_weights.sum()) == pytest.approx(1.0, rel=1e-5)
