"""Variances and intervals of means equal published formulas, and cover where those of earlier versions did not."""

import numpy as np
import pytest
from scipy import special, stats

from aejax.evaluate.estimates import EvaluationDesign, estimate_mean, holdout_design
from aejax.evaluate.intervals import mean_bounds, mean_interval, seeds_interval
from aejax.evaluate.simulation import SCENARIOS, simulate_latents, simulated_design
from aejax.evaluate.verdict_metrics import VERDICT_METRICS, estimate_metric

ACCURACY = VERDICT_METRICS["accuracy"]


def holdout(values: np.ndarray) -> EvaluationDesign:
    return holdout_design(np.zeros(values.shape[-1], int), values.shape[-2], 100)


def crossed(seeds: int, examples: int, seed: int = 0) -> np.ndarray:
    """Values with an effect of the seed, an effect of the example, and an interaction."""
    rng = np.random.default_rng(seed)
    of_seed, of_example = rng.normal(size=(seeds, 1)), rng.normal(size=(1, examples))
    return 0.8 + 0.02 * of_seed + 0.2 * of_example + 0.1 * rng.normal(size=(seeds, examples))


def test_the_holdout_variance_is_unbiased():
    draws = np.stack([crossed(5, 40, seed) for seed in range(3000)])
    estimate = estimate_mean(draws, holdout(draws))
    np.testing.assert_allclose(estimate.variance.mean(), 0.02**2 / 5 + 0.2**2 / 40 + 0.1**2 / 200, rtol=0.03)
    np.testing.assert_allclose(estimate.variance[7], estimate_mean(draws[7], holdout(draws)).variance)


def test_seeds_with_equal_means_have_an_interval_of_positive_width():
    values = np.eye(6, 40)  # each seed errs on other examples, and all means are equal
    low, high = mean_interval(estimate_mean(values, holdout(values)))
    assert low < values.mean() < high


def test_a_perfect_test_set_has_the_bounds_of_clopper_and_pearson():
    for count, lower in ((36, 0.9026), (178, 0.9795)):  # 90.26 % is Clopper and Pearson's
        correct = np.ones((10, count))
        interval = mean_interval(estimate_metric(correct, holdout(correct), ACCURACY), "proportion")
        expected = stats.binomtest(count, count).proportion_ci(0.95, "exact")
        np.testing.assert_allclose(interval, [expected.low, 1], atol=1e-3)
        assert interval[0] == pytest.approx(lower, abs=2e-4)


def test_equal_outcomes_have_about_the_interval_of_bonett_and_price():
    none = np.zeros((5, 360))
    low, high = mean_interval(estimate_metric(none, holdout(none), ACCURACY, of_difference=True))
    assert -low == high == pytest.approx(1.96 * np.sqrt(2) / 362, rel=0.01)


def test_one_training_of_correctness_has_nearly_the_interval_of_clopper_and_pearson():
    correct = (np.arange(400) < 360)[None]
    interval = mean_interval(estimate_metric(correct, holdout(correct), ACCURACY), "proportion")
    expected = stats.binomtest(360, 400).proportion_ci(0.95, "exact")
    np.testing.assert_allclose(interval, [expected.low, expected.high], atol=0.002)


def test_the_log_scale_keeps_a_loss_above_zero():
    losses = np.zeros((6, 50))
    losses[:, 0] = 5.0
    estimate = estimate_mean(losses, holdout(losses))
    low, high = mean_interval(estimate, "log")
    assert mean_interval(estimate)[0] < 0 < low < 0.1 < high


def test_scales_agree_far_from_the_bounds():
    values = (crossed(10, 5000) > 0.8).astype(float)
    estimate = estimate_metric(values, holdout(values), ACCURACY)
    for scale in ("log", "proportion"):
        np.testing.assert_allclose(mean_interval(estimate, scale), mean_interval(estimate), atol=1e-3)


def test_one_seed_has_no_interval_over_seeds():
    assert seeds_interval([0.3]) is None


class TestCrossValidation:
    @staticmethod
    def values_by_fold(means, n_test):
        """Correctness of trainings whose means differ, one for each fold of two repetitions."""
        return np.array([np.arange(n_test) < round(mean * n_test) for mean in means], float)

    def test_the_interval_is_that_of_the_corrected_resampled_t(self):
        # Nadeau and Bengio (2003): t = mean / sqrt((1/J + n_test/n_train) S^2) with J - 1 degrees of freedom.
        design = simulated_design("cross-validation", np.random.default_rng(0), 10, 50)
        means = np.array([0.7, 0.9, 0.6, 0.8, 0.98, 0.66, 0.9, 0.72, 0.94, 0.8])
        values = self.values_by_fold(means, 50)
        half = stats.t.ppf(0.975, 9) * np.sqrt((1 / 10 + 50 / 200) * means.var(ddof=1))
        np.testing.assert_allclose(
            mean_interval(estimate_mean(values, design)), [means.mean() - half, means.mean() + half]
        )

    def test_tied_folds_have_at_least_the_variance_over_distinct_examples(self):
        design = simulated_design("cross-validation", np.random.default_rng(0), 10, 20)
        wrong = design.test_index < 10  # the same ten rows of a hundred in both repetitions
        values = (~wrong).astype(float)
        values[:5], values[5:] = values[:5], values[5:]
        estimate = estimate_mean(values, design)
        assert estimate.examples == 100
        assert estimate.variance >= 0.1 * 0.9 / 99 * 0.999

    def test_a_perfect_cross_validation_has_the_bound_of_all_its_examples(self):
        design = simulated_design("cross-validation", np.random.default_rng(0), 10, 36)
        estimate = estimate_metric(np.ones((10, 36)), design, ACCURACY)
        assert mean_interval(estimate, "proportion")[0] == pytest.approx(0.025 ** (1 / 180), abs=2e-4)

    @pytest.mark.parametrize("trainings", [1, 7])
    def test_incomplete_repetitions_have_an_interval_of_positive_width(self, trainings):
        design = simulated_design("cross-validation", np.random.default_rng(0), trainings, 30)
        values = np.random.default_rng(1).random((trainings, 30)) < 0.8
        low, high = mean_interval(estimate_metric(values, design, ACCURACY), "proportion")
        assert 0 < low < values.mean() < high < 1


def logit_interval_of_version_0_1(correct):
    """The crossed interval without pseudo-examples: Student's on the logit scale, of width zero at 100 %."""
    mean, variance, degrees, _ = estimate_mean(correct, holdout(correct))
    half = stats.t.ppf(0.975, degrees) * np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = [special.expit(special.logit(mean) + sign * half / (mean * (1 - mean))) for sign in (-1, 1)]
    return [np.where((mean <= 0) | (mean >= 1), mean, bound) for bound in bounds]


def test_accuracy_intervals_cover_small_and_near_perfect_test_sets_as_those_of_version_0_1_did_not():
    rng = np.random.default_rng(0)
    design = simulated_design("holdout", rng, 10, 36)
    correct, truth = simulate_latents(SCENARIOS[1], rng, design, 1500).outcomes(0, 0.985)
    low, high = mean_bounds(estimate_metric(correct, design, ACCURACY), "proportion")
    assert np.mean((low <= truth) & (truth <= high)) > 0.92
    low, high = logit_interval_of_version_0_1(correct)
    assert np.mean((low <= truth) & (truth <= high)) < 0.75
