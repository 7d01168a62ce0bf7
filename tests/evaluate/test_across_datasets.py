"""Statistics over data sets: published examples and closed forms; `test_verify` has simulated studies."""

import numpy as np
import pytest
from scipy import stats

from aejax.evaluate.across_datasets import (
    count_replications,
    hierarchical_posterior,
    performance_profile,
    rank_correlation,
    rank_methods,
    signed_rank_posterior,
    wilcoxon_p,
)

# AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets: Demsar (2006), table 6; two that are printed alike there
# and ranked differently differ here in the fourth decimal.
DEMSAR = np.array(
    [
        (0.763, 0.768, 0.771, 0.798),
        (0.599, 0.591, 0.590, 0.569),
        (0.954, 0.971, 0.968, 0.967),
        (0.628, 0.661, 0.654, 0.657),
        (0.882, 0.888, 0.886, 0.898),
        (0.936, 0.931, 0.916, 0.931),
        (0.661, 0.668, 0.609, 0.685),
        (0.583, 0.583, 0.563, 0.625),
        (0.775, 0.838, 0.866, 0.875),
        (1.000, 1.000, 1.000, 1.000),
        (0.940, 0.962, 0.965, 0.962),
        (0.619, 0.666, 0.614, 0.669),
        (0.972, 0.981, 0.9751, 0.975),
        (0.957, 0.978, 0.946, 0.970),
    ]
)


def test_ranks_and_critical_difference_are_those_of_demsar():
    ranks = rank_methods(DEMSAR)
    np.testing.assert_allclose(ranks.mean_ranks, [3.143, 2.000, 2.893, 1.964], atol=6e-4)
    assert ranks.critical_difference == pytest.approx(1.25, abs=5e-3)
    chi_square = 12 * 14 / (4 * 5) * (np.square(ranks.mean_ranks).sum() - 4 * 5**2 / 4)
    assert chi_square == pytest.approx(9.28, abs=0.01)
    assert ranks.p < stats.f.sf(3.69, 3, 39)  # F = 3.69 is printed, without the correction for ties


def test_wilcoxon_is_that_of_demsar_and_1_without_differences():
    assert wilcoxon_p(DEMSAR[:, 1] - DEMSAR[:, 0]) == pytest.approx(0.011, abs=2e-3)  # z = -2.54 of T = 12
    assert wilcoxon_p(np.zeros(5)) == 1.0


def test_equal_methods_share_ranks():
    ranks = rank_methods(np.ones((4, 3)))
    assert ranks.p == 1.0
    np.testing.assert_array_equal(ranks.mean_ranks, 2.0)


def test_signed_ranks_agree_with_baycomp():
    """The numbers are of `probs()` of `SignedRankTest` in baycomp 1.0.3, with 20,000 samples."""
    rng = np.random.default_rng(0)
    for count, mean, spread, rope, expected in (
        (12, 0.01, 0.02, 0.01, (0.0, 0.47515, 0.52485)),
        (20, 0.004, 0.01, 0.005, (0.0034, 0.94885, 0.04775)),
        (8, 0.0, 0.01, 0.01, (0.0, 0.9979, 0.0021)),
        (15, 0.0, 0.02, 0.0, (0.02505, 0.0, 0.97495)),
    ):
        found = signed_rank_posterior(rng.normal(mean, spread, count), rope)
        np.testing.assert_allclose([found[name] for name in ("worse", "equivalent", "better")], expected, atol=0.012)


def test_signed_ranks_of_equal_methods_favour_neither():
    assert signed_rank_posterior(np.zeros(8), 0.0) == {"worse": 0.5, "equivalent": 0.0, "better": 0.5}
    assert signed_rank_posterior(np.zeros(8), 0.01) == {"worse": 0.0, "equivalent": 1.0, "better": 0.0}


def test_hierarchical_model_without_errors_is_student_t():
    """With s = 0 and uniform priors, mu is Student's t with n - 2 degrees of freedom: tau^2 is inverse chi-square."""
    differences = np.random.default_rng(1).normal(0.02, 0.03, 12)
    found = hierarchical_posterior(differences, np.zeros(12), 0.01)
    degrees = len(differences) - 2
    scale = np.sqrt(differences.var() / degrees)
    expected = differences.mean() + scale * stats.t.ppf([0.025, 0.975], degrees)
    np.testing.assert_allclose(found.ci95, expected, rtol=0.02)
    assert found.mean == pytest.approx(differences.mean())
    assert found.mean_region["better"] == pytest.approx(
        stats.t.sf((0.01 - differences.mean()) / scale, degrees), abs=0.01
    )


def test_hierarchical_model_of_one_true_difference_is_narrower_than_a_single_data_set():
    """The eight schools of Rubin (1981): in Gelman et al. (2013), the mean is about 8 with a deviation of about 5."""
    effects = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
    found = hierarchical_posterior(effects, np.array([15.0, 10, 16, 11, 9, 11, 10, 18]), 1.0)
    assert found.mean == pytest.approx(8, abs=0.3)
    assert (found.ci95[1] - found.ci95[0]) / (2 * 1.96) == pytest.approx(5, abs=0.4)
    assert found.next_ci95[0] < found.ci95[0] < found.ci95[1] < found.next_ci95[1]
    for region in (found.mean_region, found.next_region):
        assert sum(region.values()) == pytest.approx(1)


def test_replications_are_counted_by_partial_conjunctions():
    p_values = [0.9, 0.001, 0.001, 0.9, 0.001]
    assert count_replications(p_values) == count_replications(p_values, independent=True) == 3
    assert count_replications([0.02, 0.02, 0.02]) == 0  # 3 x 0.02 > 0.05
    assert count_replications([0.02, 0.02, 0.02], independent=True) == 3
    assert count_replications([]) == 0


def test_profiles_of_constant_scores_are_steps_without_width():
    profile = performance_profile([np.full(4, 0.1), np.full(6, 0.3)], np.array([0.0, 0.2, 0.4]))
    for bound in ("share", "low", "high"):
        np.testing.assert_allclose(profile[bound], [1.0, 0.5, 0.0], atol=1e-12)


def test_rank_correlation_needs_five_pairs_and_ignores_missing_ones():
    x = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert rank_correlation(x, [2.0, 3.0, 5.0, 7.0, 11.0])["rho"] == pytest.approx(1)
    assert rank_correlation([*x, 6.0], [*x, float("nan")])["of"] == 5
    assert rank_correlation(x[:4], x[:4]) is None
    assert rank_correlation(x, [1.0] * 5) is None


def test_a_correlation_of_few_pairs_is_not_known_exactly_where_the_ranks_agree():
    """The true correlation of a bivariate normal distribution is contained although few pairs often agree wholly."""
    rng, rho = np.random.default_rng(0), 0.95
    truth, contained = 6 / np.pi * np.arcsin(rho / 2), 0
    for _ in range(200):
        x, rest = rng.standard_normal((2, 5))
        low, high = rank_correlation(x.tolist(), (rho * x + np.sqrt(1 - rho**2) * rest).tolist())["ci95"]
        contained += low <= truth <= high
    assert contained >= 0.92 * 200
    found = rank_correlation([1.0, 2, 3, 4, 5], [5.0, 4, 3, 2, 1])
    assert found["ci95"][0] == found["rho"] == pytest.approx(-1)
