import numpy as np
import pytest

from aejax.analysis.compression import evaluate_compression, mean_bits_per_code, quantize


@pytest.mark.parametrize("bits", [1, 4])
def test_units_are_rounded_to_the_nearest_of_evenly_spaced_levels(rng, bits):
    codes = (rng.standard_normal((500, 3)) * np.array([1.0, 50.0, 0.01])).astype(np.float32)
    rounded = quantize(codes, codes, bits)
    step = np.ptp(codes, axis=0) / (2**bits - 1)
    levels = (rounded - codes.min(axis=0)) / step
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-3)
    np.testing.assert_array_equal(np.rint(levels).max(axis=0), 2**bits - 1)
    assert np.all(np.abs(rounded - codes) <= step * (0.5 + 1e-4))
    np.testing.assert_array_equal(quantize(rounded, codes, bits), rounded)


def test_codes_beyond_the_training_range_get_its_last_level_and_a_constant_unit_its_value():
    train = np.array([[0.0, 2.5], [1.0, 2.5]], np.float32)
    beyond = np.array([[-3.0, 2.5], [9.0, 2.5]], np.float32)
    np.testing.assert_array_equal(quantize(beyond, train, 4), train)


def test_fewer_bits_are_fewer_bytes_and_worse(codec, inputs):
    codes = codec.encode(inputs)
    rates = [evaluate_compression(codec, codes, codec.reconstruct(inputs), bits, 1.0)[0] for bits in (32, 8, 4, 2)]
    assert [rate.bits_per_code for rate in rates] == [128, 32, 16, 8]
    assert rates[0].psnr > rates[1].psnr > rates[2].psnr > rates[3].psnr


def test_uniform_errors_of_quantisation_have_a_twelfth_of_a_squared_step(identity, rng):
    inputs = rng.random((4000, 5)).astype(np.float32)
    (rate,) = evaluate_compression(identity, inputs, inputs, 6, 1.0)
    assert rate.psnr == pytest.approx(10 * np.log10(12 * 63**2), abs=0.1)


def test_sparse_codes_are_stored_as_indices_and_numbers(identity):
    codes = np.zeros((50, 256), np.float32)
    codes[np.arange(50), np.arange(50)] = 1.0
    codes[np.arange(50), 100 + np.arange(50)] = -2.0
    assert mean_bits_per_code(codes, 8, "all units") == 256 * 8
    # Two numbers with 8 bits of index and 8 of value, and a count up to 256.
    assert mean_bits_per_code(codes, 8, "active units") == 2 * (8 + 8) + 9
    every, active = evaluate_compression(identity, codes, codes, 8, 1.0)
    assert (every.storage, active.storage) == ("all units", "active units")
    assert active.psnr >= every.psnr - 1e-9  # units that are not stored come back as exactly 0


def test_codes_that_are_nowhere_zero_are_not_offered_as_sparse(codec, inputs):
    assert [rate.storage for rate in evaluate_compression(codec, codec.encode(inputs), inputs, 8, 1.0)] == ["all units"]
