import numpy as np
from scipy.stats import kstest, norm

from aejax.analysis.sampling import decode_prior_grid, make_prior_grid, nearest_examples, sample_prior


def test_draws_from_the_prior_are_standard_normal_and_the_same_for_the_same_seed():
    codes = sample_prior(5000, 4, seed=3)
    assert kstest(codes.ravel(), "norm").pvalue > 0.01
    np.testing.assert_allclose(np.corrcoef(codes.T), np.eye(4), atol=0.06)
    np.testing.assert_array_equal(codes[:7], sample_prior(7, 4, seed=3))
    assert not np.array_equal(codes[:7], sample_prior(7, 4, seed=4))


def test_the_grid_grows_to_the_right_and_upwards_by_equal_shares_of_the_prior():
    codes = make_prior_grid(5, (3, 1), 9)
    shares = norm.cdf(codes)
    np.testing.assert_allclose(np.diff(shares[:, :, 3], axis=1), 0.96 / 8, atol=1e-6)
    np.testing.assert_allclose(np.diff(shares[:, :, 1], axis=0), -0.96 / 8, atol=1e-6)
    np.testing.assert_array_equal(codes[:, :, [0, 2, 4]], 0)
    np.testing.assert_allclose(codes[4, 4], 0, atol=1e-7)


def test_decoding_the_grid_keeps_its_places(identity):
    np.testing.assert_array_equal(decode_prior_grid(identity, (0, 2), 3, 5), make_prior_grid(3, (0, 2), 5))


def test_the_nearest_example_is_nearest_and_a_copy_is_at_no_distance(rng):
    others = rng.random((40, 6)).astype(np.float32)
    inputs = np.concatenate([others[[8]], rng.random((3, 6))]).astype(np.float32)
    distance, nearest = nearest_examples(inputs, others)
    every = np.mean((inputs[:, None] - others[None]) ** 2, axis=2)
    np.testing.assert_allclose(distance, every.min(axis=1), atol=1e-6)
    np.testing.assert_array_equal(nearest, others[every.argmin(axis=1)])
    assert distance[0] == 0
