import numpy as np
import pytest
from scipy.stats import chi2, kstest
from sklearn.metrics import roc_auc_score

from aejax.analysis.anomaly import AUTOENCODER_SCORES, auroc, compute_anomaly_scores, squared_mahalanobis
from aejax.analysis.codec import fit_pca


def test_scores_that_separate_are_perfect_and_equal_scores_are_at_chance():
    anomalous = np.arange(10) < 4
    scores = np.stack([anomalous * 1.0, -1.0 * anomalous, np.zeros(10)])
    estimates = auroc(scores, anomalous)
    np.testing.assert_allclose(estimates.values, [1, 0, 0.5])
    assert estimates.confidence_interval(0) == [1, 1]


def test_the_area_is_scikit_learns_with_ties(rng):
    anomalous = rng.random(300) < 0.3
    scores = np.round(rng.standard_normal((4, 300)) + anomalous, 1)
    expected = [roc_auc_score(anomalous, score) for score in scores]
    np.testing.assert_allclose(auroc(scores, anomalous).values, expected, atol=1e-12)


def test_delongs_covariance_is_that_of_another_draw_of_examples(rng):
    """Against the spread over 1000 fresh draws of both groups."""

    def draw():
        shared = rng.standard_normal(160)
        anomalous = np.arange(160) < 60
        return np.stack([shared, shared + rng.standard_normal(160)]) + anomalous, anomalous

    areas = np.stack([auroc(*draw()).values for _ in range(1000)])
    claimed = np.mean([auroc(*draw()).covariance for _ in range(100)], axis=0)
    np.testing.assert_allclose(claimed, np.cov(areas.T), rtol=0.1)


def test_a_difference_of_a_score_from_itself_is_none_and_sure(rng):
    anomalous = np.arange(50) < 20
    scores = rng.standard_normal((1, 50)) + anomalous
    difference, interval = auroc(np.concatenate([scores, 3 * scores + 1]), anomalous).difference(0, 1)
    assert difference == 0
    assert interval == pytest.approx([0, 0], abs=1e-9)


def test_the_interval_of_paired_scores_is_narrower_than_that_of_two_apart_and_has_a_width(rng):
    anomalous = np.arange(400) < 200
    shared = rng.standard_normal(400) + anomalous
    estimates = auroc(np.stack([shared, shared + 0.3 * rng.standard_normal(400)]), anomalous)
    low, high = estimates.difference(0, 1)[1]
    apart = 2 * 1.96 * np.sqrt(np.trace(estimates.covariance))
    assert 0.1 * apart < high - low < 0.6 * apart


def test_one_example_of_a_group_gives_an_area():
    estimates = auroc(np.array([[0.1, 0.2, 0.9]]), np.array([False, False, True]))
    assert estimates.values.tolist() == [1]
    assert np.isfinite(estimates.covariance).all()


def test_mahalanobis_distances_do_not_change_with_a_features_unit_and_are_chi_squared(rng):
    train, inputs = rng.standard_normal((5000, 3)), rng.standard_normal((4000, 3))
    scale = np.array([[1.0, 1e4, 1e-4]])
    plain = squared_mahalanobis(train, inputs)
    np.testing.assert_allclose(squared_mahalanobis(train * scale + 5, inputs * scale + 5), plain, rtol=1e-6)
    assert kstest(plain, chi2(3).cdf).pvalue > 0.01


def test_of_two_points_equally_far_the_one_against_the_correlation_has_the_higher_score(rng):
    shared = rng.standard_normal((1000, 1))
    train = np.concatenate([shared, shared + 0.1 * rng.standard_normal((1000, 1))], axis=1)
    along, against = squared_mahalanobis(train, np.array([[1.0, 1.0], [1.0, -1.0]]))
    assert against > 20 * along


@pytest.mark.parametrize("train", [np.ones((9, 3)), np.random.default_rng(0).random((3, 20))], ids=["same", "few"])
def test_a_covariance_without_an_inverse_is_no_obstacle(train):
    distances = squared_mahalanobis(train, np.concatenate([train[:1], train[:1] + 5]))
    assert np.isfinite(distances).all()
    assert distances[1] > distances[0]


def test_examples_off_the_plane_of_the_training_examples_are_found_by_their_error(rng):
    axes = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    train = (rng.standard_normal((500, 4)) @ axes[:4]).astype(np.float32)
    usual = (rng.standard_normal((100, 4)) @ axes[:4]).astype(np.float32)
    strange = (rng.standard_normal((50, 4)) @ axes[4:8]).astype(np.float32)
    scores = compute_anomaly_scores(fit_pca(train, 4).to_codec(4), train, np.concatenate([usual, strange]))
    estimates = dict(zip(scores, auroc(np.stack(list(scores.values())), np.arange(150) >= 100).values, strict=True))
    assert estimates["reconstruction error"] == 1
    assert estimates["PCA error"] == 1
    assert estimates["input Mahalanobis"] == 1
    assert estimates["latent Mahalanobis"] < 0.2  # all their codes are at the centre
    assert set(AUTOENCODER_SCORES) < set(estimates)


def test_as_many_components_as_inputs_would_find_nothing_so_one_is_left_out(identity, rng):
    train, inputs = rng.random((60, 5)).astype(np.float32), rng.random((10, 5)).astype(np.float32)
    assert compute_anomaly_scores(identity, train, inputs)["PCA error"].min() > 1e-8
