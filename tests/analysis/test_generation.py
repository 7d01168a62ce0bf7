import numpy as np
import pytest
from scipy.stats import kstest, norm

from aejax.analysis.codec import Codec, mean_squared_errors
from aejax.analysis.generation import (
    ablate_units,
    decode_prior_grid,
    interpolate_examples,
    midpoint_errors,
    nearest_examples,
    sample_prior,
    traverse_latents,
)


def test_draws_from_the_prior_are_standard_normal_and_the_same_for_the_same_seed():
    codes = sample_prior(5000, 4, seed=3)
    assert kstest(codes.ravel(), "norm").pvalue > 0.01
    np.testing.assert_allclose(np.corrcoef(codes.T), np.eye(4), atol=0.06)
    np.testing.assert_array_equal(codes[:7], sample_prior(7, 4, seed=3))
    assert not np.array_equal(codes[:7], sample_prior(7, 4, seed=4))


def test_the_grid_grows_to_the_right_and_upwards_by_equal_shares_of_the_prior(identity):
    codes = decode_prior_grid(identity, (3, 1), 5, 9)
    shares = norm.cdf(codes)
    np.testing.assert_allclose(np.diff(shares[:, :, 3], axis=1), 0.96 / 8, atol=1e-6)
    np.testing.assert_allclose(np.diff(shares[:, :, 1], axis=0), -0.96 / 8, atol=1e-6)
    np.testing.assert_array_equal(codes[:, :, [0, 2, 4]], 0)
    np.testing.assert_allclose(codes[4, 4], 0, atol=1e-7)


def test_the_nearest_example_is_nearest_and_a_copy_is_at_no_distance(rng):
    others = rng.random((40, 6)).astype(np.float32)
    inputs = np.concatenate([others[[8]], rng.random((3, 6))]).astype(np.float32)
    distance, nearest = nearest_examples(inputs, others)
    every = np.mean((inputs[:, None] - others[None]) ** 2, axis=2)
    np.testing.assert_allclose(distance, every.min(axis=1), atol=1e-6)
    np.testing.assert_array_equal(nearest, others[every.argmin(axis=1)])
    assert distance[0] == 0


def test_the_ends_by_code_are_the_reconstructions_and_by_input_the_examples(codec, inputs):
    path = interpolate_examples(codec, inputs[0], inputs[1], 5)
    np.testing.assert_allclose(path.latent_path[[0, -1]], codec.reconstruct(inputs[:2]), atol=1e-5)
    np.testing.assert_array_equal(path.input_path[[0, -1]], inputs[:2])
    steps = np.diff(path.input_path, axis=0)
    np.testing.assert_allclose(steps, np.tile((inputs[1] - inputs[0]) / 4, (4, 1)), atol=1e-6)
    np.testing.assert_allclose(path.input_error[[0, -1]], mean_squared_errors(codec, inputs[:2]), rtol=1e-5)


def test_a_linear_codec_makes_of_both_ways_the_same(codec, inputs):
    path = interpolate_examples(codec, inputs[0], inputs[1], 5)
    np.testing.assert_allclose(path.latent_path, codec.reconstruct(path.input_path), atol=1e-5)
    np.testing.assert_allclose(path.latent_error, 0, atol=1e-9)


def test_a_codec_that_knows_only_a_circle_finds_the_middle_of_a_chord_foreign():
    """Half way along a quarter of the unit circle the chord is 1 - cos(45 degrees) inside it."""
    circle = Codec(
        encode=lambda inputs: np.arctan2(inputs[:, 1:], inputs[:, :1]),
        decode=lambda angles: np.concatenate([np.cos(angles), np.sin(angles)], axis=1),
    )
    path = interpolate_examples(circle, np.array([1.0, 0.0]), np.array([0.0, 1.0]), 3)
    np.testing.assert_allclose(path.latent_error, 0, atol=1e-12)
    np.testing.assert_allclose(path.input_error, [0, (1 - np.sqrt(0.5)) ** 2 / 2, 0], atol=1e-12)
    by_code, by_input = midpoint_errors(circle, np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    assert by_code[0] == pytest.approx(path.latent_error[1])
    assert by_input[0] == pytest.approx(path.input_error[1])


def test_a_traversal_passes_through_the_reconstruction_at_no_offset(codec, inputs):
    code = codec.encode(inputs[:1])[0]
    walk = traverse_latents(codec, code, [2, 0, 3], np.ones(4, np.float32), np.array([-1.0, 0.0, 2.0]))
    np.testing.assert_allclose(walk[:, 1], np.tile(codec.reconstruct(inputs[:1]), (3, 1)), atol=1e-5)


def test_a_traversal_moves_one_unit_by_the_offset_in_deviations(identity):
    code, deviations = np.array([1.0, 2.0, 3.0]), np.array([0.5, 10.0, 1.0])
    walk = traverse_latents(identity, code, [1, 0], deviations, np.array([-3.0, 0.0, 3.0]))
    np.testing.assert_array_equal(walk[0], [[1, -28, 3], [1, 2, 3], [1, 32, 3]])
    np.testing.assert_array_equal(walk[1], [[-0.5, 2, 3], [1, 2, 3], [2.5, 2, 3]])


def test_the_effect_of_a_unit_is_its_variance_times_its_atoms_mean_square(codec, inputs):
    """For a linear decoder, and whatever the units' scales."""
    codes, dictionary = codec.encode(inputs), codec.decode(np.eye(4, dtype=np.float32))
    expected = codes.var(axis=0) * np.mean(dictionary**2, axis=1)
    np.testing.assert_allclose(ablate_units(codec, codes), expected, rtol=1e-3)


def test_a_unit_that_the_decoder_ignores_or_that_never_moves_has_no_effect(rng):
    deaf = Codec(encode=lambda inputs: inputs, decode=lambda codes: codes * np.array([1.0, 0.0, 1.0]))
    codes = rng.standard_normal((30, 3))
    codes[:, 2] = 4.0
    effects = ablate_units(deaf, codes)
    assert effects[0] > 0.1
    np.testing.assert_array_equal(effects[1:], 0)
