"""Metrics of one representation on data whose answer is known; debiased CKA, its definition and its invariances."""

import jax.numpy as jnp
import numpy as np
import pytest

from aejax.evaluate.representation import (
    PURITY_NEIGHBORS,
    REPRESENTATION_METRICS,
    alignment,
    cka,
    compute_code_metrics,
    effective_rank,
    intrinsic_dimension,
    knn_purity,
    mean_pairwise_cka,
    measure_representation,
    normalized_gram,
    rankme,
    reduce_width,
    uniformity,
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def orthogonal_map(d, width=None):
    """Returns an isometry from d into `width` dimensions: orthonormal rows."""
    return np.linalg.qr(draw(width or d, width or d, seed=1))[0][:d]


def whitened(m, d):
    """Returns rows whose covariance is a multiple of the identity."""
    rows = draw(m, d)
    return np.linalg.qr(rows - rows.mean(axis=0))[0]


@pytest.mark.parametrize(("m", "d"), [(50, 7), (7, 50)], ids=["tall", "wide"])
def test_ranks_are_the_entropy_of_the_singular_values_by_svd(m, d):
    features = draw(m, d) * np.linspace(0.1, 3, d) + 5
    for rank, rows in ((effective_rank, features - features.mean(axis=0)), (rankme, features)):
        singular = np.linalg.svd(rows, compute_uv=False)
        share = singular[singular > 1e-9] / singular.sum()
        assert rank(features) == pytest.approx(np.exp(-np.sum(share * np.log(share))))


def test_effective_rank_of_equal_singular_values_is_the_rank_in_any_number_of_dimensions():
    assert effective_rank(whitened(60, 4) @ orthogonal_map(4, 30) + 5) == pytest.approx(4)


@pytest.mark.parametrize("value", [0.0, 0.1])
def test_constant_features_have_effective_rank_zero(value):
    assert effective_rank(np.full((50, 3), value)) == 0
    assert rankme(np.full((50, 3), value)) == pytest.approx(1 if value else 0)


def test_twonn_finds_the_dimension_of_a_cube():
    # Five deviations of the maximum-likelihood rate of 0.9 * 1000 ratios; higher dimensions are biased by the border.
    cube = np.random.default_rng(2).uniform(size=(1000, 2))
    assert intrinsic_dimension(cube) == pytest.approx(2, rel=5 / np.sqrt(0.9 * 1000))


def test_twonn_is_invariant_to_isometric_embedding_and_scale():
    cube = np.random.default_rng(0).uniform(size=(500, 3))
    embedded = 1e-3 * cube @ orthogonal_map(3, 40) + 2
    assert intrinsic_dimension(embedded) == pytest.approx(intrinsic_dimension(cube), rel=1e-5)


def test_twonn_is_the_rate_of_the_ratios_with_the_largest_tenth_censored():
    features = draw(50, 4)
    distances = np.sort(np.linalg.norm(features[:, None] - features[None], axis=2), axis=1)
    logs = np.sort(np.log(distances[:, 2] / distances[:, 1]))
    assert intrinsic_dimension(features) == pytest.approx(45 / (logs[:45].sum() + 5 * logs[44]))


def test_twonn_counts_repeated_rows_once_and_is_nan_without_information():
    features = draw(100, 4)
    assert intrinsic_dimension(np.tile(features, (3, 1))) == pytest.approx(intrinsic_dimension(features))
    assert np.isnan(intrinsic_dimension(np.repeat(features[:2], 9, axis=0)))
    assert np.isnan(intrinsic_dimension(np.eye(6)))  # all distances are equal, so all ratios are 1


LABELS = np.repeat([0, 1, 2], 20)
CLUSTERS = 10 * np.eye(3)[LABELS] + 0.1 * draw(60, 3)


def test_alignment_and_uniformity_are_means_over_pairs():
    features = draw(12, 4)
    labels = np.array([0] * 5 + [1] * 7)
    sphere = features / np.linalg.norm(features, axis=1, keepdims=True)
    squares = np.square(sphere[:, None] - sphere).sum(axis=2)
    i, j = np.triu_indices(12, 1)
    assert alignment(features, labels) == pytest.approx(squares[i, j][labels[i] == labels[j]].mean())
    assert uniformity(features) == pytest.approx(np.log(np.exp(-2 * squares[i, j]).mean()))


def test_alignment_is_zero_when_classes_collapse_and_four_between_opposites():
    lengths = np.linspace(1, 9, 60)[:, None]  # no effect on the sphere
    assert alignment(np.eye(3)[LABELS] * lengths, LABELS) == pytest.approx(0, abs=1e-12)
    assert alignment(np.array([[2.0, 0.0], [-1.0, 0.0]]), np.array([5, 5])) == pytest.approx(4)
    assert np.isnan(alignment(draw(3, 2), np.arange(3)))


def test_rows_of_zeros_stay_zero():
    features = np.array([[0.0, 0.0], [3.0, 0.0]])
    assert uniformity(features) == pytest.approx(-2)
    assert alignment(features, np.zeros(2, int)) == pytest.approx(1)


def test_purity_is_one_for_clusters_and_chance_for_permuted_labels():
    assert knn_purity(CLUSTERS, LABELS) == 1
    chances = [knn_purity(CLUSTERS, np.random.default_rng(seed).permutation(LABELS)) for seed in range(20)]
    assert np.mean(chances) == pytest.approx(19 / 59, abs=0.02)  # of the 59 others, 19 have the same label


def test_purity_is_that_of_standardised_features():
    noise = 1e6 * draw(60, 1, seed=3)
    assert knn_purity(np.hstack([CLUSTERS, noise]), LABELS) > 0.9
    assert knn_purity(np.hstack([CLUSTERS, noise]), LABELS) == knn_purity(np.hstack([CLUSTERS, noise / 1e9]), LABELS)


def test_purity_of_few_rows_uses_all_other_rows():
    features, labels = draw(PURITY_NEIGHBORS, 2), np.arange(PURITY_NEIGHBORS) % 2
    assert knn_purity(features, labels) == pytest.approx(4 / 9)


def test_unit_counts_equal_those_of_code_metrics():
    codes = np.maximum(draw(40, 9), 0) * [0, 0, 0.01, 0.1, 0.15, 0.2, 1, 1, 3]
    expected = compute_code_metrics(jnp.asarray(codes), jnp.asarray(codes))
    metrics = measure_representation(codes, np.zeros(40, int))
    assert metrics["dead_units"] == expected["dead_units"] == 2
    assert metrics["active_units"] == expected["active_units"]


def test_all_metrics_are_finite_or_all_are_nan_for_features_that_are_not_finite():
    metrics = measure_representation(CLUSTERS.astype(np.float32), LABELS)
    assert metrics.keys() == REPRESENTATION_METRICS.keys()
    assert all(np.isfinite(value) for value in metrics.values())
    broken = CLUSTERS.copy()
    broken[3, 1] = np.inf
    assert all(np.isnan(value) for value in measure_representation(broken, LABELS).values())


@pytest.mark.parametrize("shape", [(1, 3), (2, 3), (3, 1)])
def test_metrics_accept_very_few_rows_and_columns(shape):
    assert measure_representation(draw(*shape), np.zeros(shape[0], int)).keys() == REPRESENTATION_METRICS.keys()


def test_metrics_of_a_collapsed_code():
    metrics = measure_representation(np.zeros((40, 5), np.float32), np.arange(40) % 2)
    assert (metrics["effective_rank"], metrics["dead_units"], metrics["active_units"]) == (0, 5, 0)
    assert np.isnan(metrics["intrinsic_dimension"])


def similar(one, other):
    return cka(normalized_gram(one), normalized_gram(other))


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
    assert similar(features, -3e4 * features @ orthogonal_map(8) + 7) == pytest.approx(1, abs=1e-5)


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
    seeds = np.stack([features, features @ orthogonal_map(5), draw(40, 5, seed=9)])
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
