"""The crossed interval is unbiased, and Student's where only one factor varies (`test_scipy_agreement`)."""

import numpy as np
import pytest

from aejax.evaluate.intervals import crossed_interval, crossed_mean, seeds_interval


def crossed(seeds: int, examples: int, seed: int = 0) -> np.ndarray:
    """Values with an effect of the seed, an effect of the example, and an interaction."""
    rng = np.random.default_rng(seed)
    of_seed, of_example = rng.normal(size=(seeds, 1)), rng.normal(size=(1, examples))
    return 0.8 + 0.02 * of_seed + 0.2 * of_example + 0.1 * rng.normal(size=(seeds, examples))


def mean_squares(values: np.ndarray) -> tuple[float, float, float]:
    """Mean squares of seeds, of examples and of the residual, by loops over the table."""
    (seeds, examples), mean = values.shape, values.mean()
    of_seeds = sum(examples * (row.mean() - mean) ** 2 for row in values)
    of_examples = sum(seeds * (column.mean() - mean) ** 2 for column in values.T)
    rest = np.sum((values - mean) ** 2) - of_seeds - of_examples
    return of_seeds / (seeds - 1), of_examples / (examples - 1), rest / ((seeds - 1) * (examples - 1))


class TestIntervals:
    def test_the_crossed_interval_contains_the_sample_mean(self):
        for seed in range(20):
            values = crossed(6, 80, seed)
            low, high = crossed_interval(values)
            assert low < values.mean() < high

    def test_the_closed_form_of_the_docstring_is_the_variance_of_the_resampled_bootstrap(self):
        values, rng = crossed(7, 60), np.random.default_rng(5)
        a, b, e = mean_squares(values)
        means = []
        for _ in range(20_000):
            rows, columns = rng.integers(7, size=7), rng.integers(60, size=60)
            means.append(values[rows][:, columns].mean())
        np.testing.assert_allclose((6 / 7 * a + 59 / 60 * b + 6 * 59 / 420 * e) / 420, np.var(means), rtol=0.05)

    def test_the_corrected_variance_is_unbiased_and_the_bootstraps_is_not(self):
        draws = [crossed(5, 40, seed) for seed in range(3000)]
        true = 0.02**2 / 5 + 0.2**2 / 40 + 0.1**2 / 200
        np.testing.assert_allclose(np.mean([crossed_mean(values).variance for values in draws]), true, rtol=0.03)
        noise = [0.1 * np.random.default_rng(seed).normal(size=(5, 40)) for seed in range(300)]
        drawn = [(4 / 5 * a + 39 / 40 * b + 4 * 39 / 200 * e) / 200 for a, b, e in map(mean_squares, noise)]
        assert 2.3 < np.mean(drawn) / (0.1**2 / 200) < 2.8  # (I - 1)/I + (J - 1)/J + their product: near 3, not 1

    def test_more_examples_or_more_seeds_shrink_it(self):
        def width(values):
            low, high = crossed_interval(values)
            return high - low

        assert width(crossed(6, 1000)) < 0.6 * width(crossed(6, 50))
        of_examples = np.tile(crossed(1, 200), (6, 1))  # seeds have no effect
        spread = 2 * 1.96 * of_examples[0].std() / np.sqrt(200)
        np.testing.assert_allclose(width(of_examples), spread, rtol=0.1)
        of_seeds = np.tile(np.random.default_rng(0).normal(size=(40, 1)), (1, 50))  # examples have no effect
        np.testing.assert_allclose(width(of_seeds), 2 * 1.96 * of_seeds[:, 0].std() / np.sqrt(40), rtol=0.1)

    @pytest.mark.parametrize("scale", ["linear", "logit"])
    def test_constant_values_have_an_interval_of_width_zero(self, scale):
        assert crossed_interval(np.ones((6, 333)), scale) == [1.0, 1.0]

    def test_seeds_with_equal_means_have_an_interval_of_positive_width(self):
        values = np.eye(6, 40)  # each seed errs on other examples, and all means are equal
        low, high = crossed_interval(values)
        assert low < values.mean() < high

    def test_logit_and_log_scales_keep_a_share_below_one_and_a_loss_above_zero(self):
        values = np.ones((6, 100))
        values[:, 0] = 0
        low, high = crossed_interval(values, "logit")
        assert crossed_interval(values)[1] > 1 > high > 0.99 > low
        losses = np.zeros((6, 50))
        losses[:, 0] = 5.0
        low, high = crossed_interval(losses, "log")
        assert crossed_interval(losses)[0] < 0 < low < 0.1 < high

    def test_scales_agree_far_from_the_bounds(self):
        values = (crossed(10, 5000) > 0.8).astype(float)
        for scale in ("log", "logit"):
            np.testing.assert_allclose(crossed_interval(values, scale), crossed_interval(values), atol=1e-3)

    def test_one_seed_has_no_interval_over_seeds(self):
        assert seeds_interval([0.3]) is None
