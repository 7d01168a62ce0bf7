"""Debiased linear CKA: its invariances, its definition by HSIC, and its lack of bias."""

import numpy as np
import pytest

from aejax.evaluate.representation import cka, mean_pairwise_cka, normalized_gram, reduce_width


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def similar(one, other):
    return cka(normalized_gram(one), normalized_gram(other))


def orthogonal(d):
    return np.linalg.qr(draw(d, d, seed=1))[0]


def unbiased_hsic(one, other):
    """Song et al. (2007), equation 5, as printed."""
    m = len(one)
    first, second = (np.where(np.eye(m, dtype=bool), 0.0, rows @ rows.T) for rows in (one, other))
    ones = np.ones(m)
    total = np.trace(first @ second)
    total += (ones @ first @ ones) * (ones @ second @ ones) / ((m - 1) * (m - 2))
    total -= 2 / (m - 2) * (ones @ first @ second @ ones)
    return total / (m * (m - 3))


def test_cka_is_the_ratio_of_unbiased_estimates_of_hsic():
    one = draw(30, 6)
    other = one[:, :2] @ draw(2, 9, seed=2) + 0.5 * draw(30, 9, seed=3)
    expected = unbiased_hsic(one, other) / np.sqrt(unbiased_hsic(one, one) * unbiased_hsic(other, other))
    assert similar(one, other) == pytest.approx(expected, abs=1e-6)


def test_cka_with_itself_is_one_under_rotation_scale_and_shift():
    features = draw(60, 8) * np.linspace(0.1, 2, 8)
    assert similar(features, features) == pytest.approx(1, abs=1e-6)
    assert similar(features, -3e4 * features @ orthogonal(8) + 7) == pytest.approx(1, abs=1e-5)


def test_cka_of_independent_wide_features_is_near_zero():
    similarities = [similar(draw(40, 200, seed=seed), draw(40, 300, seed=100 + seed)) for seed in range(10)]
    assert abs(np.mean(similarities)) < 0.05  # the biased estimator is above 0.8 here
    assert min(similarities) < 0


@pytest.mark.parametrize(
    "features",
    [draw(3, 5), np.full((20, 2), 0.1), np.full((20, 2), np.inf)],
    ids=["too few rows", "constant", "not finite"],
)
def test_undefined_similarity_is_nan(features):
    assert np.isnan(similar(features, features))


def test_the_mean_over_seeds_is_over_pairs_of_different_seeds():
    features = draw(40, 5)
    seeds = np.stack([features, features @ orthogonal(5), draw(40, 5, seed=9)])
    apart = similar(seeds[0], seeds[2])
    assert mean_pairwise_cka(seeds) == pytest.approx((1 + apart + apart) / 3, abs=1e-5)
    assert np.isnan(mean_pairwise_cka(seeds[:1]))
    assert np.isnan(mean_pairwise_cka(np.stack([*seeds, np.full((40, 5), np.inf)])))


@pytest.mark.parametrize("width", [3, 900], ids=["narrow", "wide"])
def test_reduced_features_have_at_most_m_columns_and_the_same_cka(width):
    features, other = draw(40, width) + 5, draw(40, 7, seed=3)
    narrow = reduce_width(features)
    assert narrow.shape == (40, min(width, 40))
    assert similar(narrow, features) == pytest.approx(1, abs=1e-5)
    assert similar(narrow, other) == pytest.approx(similar(features, other), abs=1e-5)


@pytest.mark.parametrize("width", [3, 20])
def test_reduced_features_that_are_not_finite_have_the_usual_width_and_no_similarity(width):
    features = draw(5, width)
    features[1, -1] = np.inf
    assert reduce_width(features).shape == reduce_width(draw(5, width)).shape
    assert np.isnan(similar(reduce_width(features), draw(5, 2)))
