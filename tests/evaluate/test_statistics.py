"""Intervals, tests and verdicts hold their nominal errors, and equal what they abbreviate."""

import itertools

import numpy as np
import pytest
from scipy import stats

from aejax.evaluate.statistics import (
    MARGIN,
    compare_all,
    crossed_interval,
    draw_resamples,
    holm,
    seeds_interval,
    sign_flip_p,
    verdict,
)

RNG = np.random.default_rng(0)


class TestHolm:
    def test_a_worked_example(self):
        # Sorted: .01 x 4, .013 x 3 = .039 but not below .04, .02 x 2 = .04, .4 x 1.
        np.testing.assert_allclose(holm([0.02, 0.01, 0.4, 0.013]), [0.04, 0.04, 0.4, 0.04])

    @pytest.mark.parametrize("seed", range(20))
    def test_adjusted_values_keep_the_order_and_lie_between_the_raw_and_bonferronis(self, seed):
        raw = np.random.default_rng(seed).uniform(size=7) ** 2
        adjusted = np.array(holm(raw.tolist()))
        assert np.all(np.diff(adjusted[np.argsort(raw)]) >= 0)
        assert np.all((raw <= adjusted) & (adjusted <= np.minimum(1, 7 * raw)))
        np.testing.assert_allclose(adjusted.min(), min(1, 7 * raw.min()))

    def test_what_it_rejects_is_what_stepping_down_rejects(self):
        for _ in range(100):
            raw = RNG.uniform(size=5) ** 3
            rejected = set()
            for rank, index in enumerate(np.argsort(raw)):
                if raw[index] > 0.05 / (5 - rank):
                    break
                rejected.add(int(index))
            assert {i for i, p in enumerate(holm(raw.tolist())) if p <= 0.05} == rejected

    @pytest.mark.parametrize(("raw", "expected"), [([], []), ([0.3], [0.3]), ([1.0, 1.0], [1.0, 1.0])])
    def test_small_families(self, raw, expected):
        assert holm(raw) == expected


class TestSignFlip:
    @pytest.mark.parametrize("seeds", [2, 5, 8, 10])
    @pytest.mark.parametrize("shift", [0.0, 0.5, -2.0])
    def test_p_is_the_share_of_all_sign_patterns_with_a_mean_as_far_from_zero(self, seeds, shift):
        differences = np.random.default_rng(seeds).normal(size=seeds) + shift
        patterns = np.array(list(itertools.product([-1, 1], repeat=seeds)))
        means = np.abs((patterns * differences).mean(axis=1))
        expected = np.mean(means >= np.abs(differences.mean()) - 1e-12)
        np.testing.assert_allclose(sign_flip_p(differences), expected)

    @pytest.mark.parametrize("seeds", [2, 5, 6, 10, 14])
    def test_the_smallest_reachable_p_is_two_of_all_patterns(self, seeds):
        for differences in (np.linspace(1, 2, seeds), -np.linspace(1, 2, seeds), np.ones(seeds)):
            np.testing.assert_allclose(sign_flip_p(differences), 2 / 2**seeds)

    def test_six_seeds_can_reach_five_percent_and_five_cannot(self):
        assert sign_flip_p(np.ones(6)) == 2 / 64 < 0.05 < sign_flip_p(np.ones(5))

    @pytest.mark.parametrize("seeds", [2, 6, 14, 20])
    def test_no_difference_at_all_gives_one(self, seeds):
        assert sign_flip_p(np.zeros(seeds)) == 1

    def test_the_sign_of_all_differences_does_not_matter(self):
        differences = RNG.normal(size=9) + 0.3
        np.testing.assert_allclose(sign_flip_p(differences), sign_flip_p(-differences))

    def test_one_seed_says_nothing(self):
        assert sign_flip_p(np.array([0.1])) is None

    def test_beyond_enumeration_drawn_patterns_give_nearly_the_same(self):
        differences = np.random.default_rng(3).normal(size=16) + 0.4
        patterns = np.array(list(itertools.product([-1, 1], repeat=16)))
        expected = np.mean(np.abs((patterns * differences).mean(axis=1)) >= np.abs(differences.mean()) - 1e-12)
        assert 0.02 < expected < 0.98
        np.testing.assert_allclose(sign_flip_p(differences), expected, atol=4 * np.sqrt(expected / 9999) + 1e-3)


def crossed(seeds: int, examples: int, seed: int = 0) -> np.ndarray:
    """Values with a part of the seed, a part of the example, and a part of both."""
    rng = np.random.default_rng(seed)
    of_seed, of_example = rng.normal(size=(seeds, 1)), rng.normal(size=(1, examples))
    return 0.8 + 0.02 * of_seed + 0.2 * of_example + 0.1 * rng.normal(size=(seeds, examples))


class TestIntervals:
    def test_the_crossed_interval_covers_the_mean_it_is_of(self):
        for seed in range(20):
            values = crossed(6, 80, seed)
            low, high = crossed_interval(values, draw_resamples(6, 80, 400))
            assert low < values.mean() < high

    def test_it_equals_a_brute_force_bootstrap_of_seeds_and_of_examples(self):
        values, rng = crossed(7, 60), np.random.default_rng(5)
        means = []
        for _ in range(20_000):
            rows, columns = rng.integers(7, size=7), rng.integers(60, size=60)
            means.append(values[rows][:, columns].mean())
        expected = np.quantile(means, [0.025, 0.975])
        found = crossed_interval(values, draw_resamples(7, 60, 20_000))
        np.testing.assert_allclose(found, expected, atol=0.03 * (expected[1] - expected[0]))

    def test_more_examples_and_more_seeds_shrink_it_each_down_to_what_the_other_leaves(self):
        def width(values):
            low, high = crossed_interval(values, draw_resamples(*values.shape, 1000))
            return high - low

        assert width(crossed(6, 1000)) < 0.6 * width(crossed(6, 50))
        of_examples = np.tile(crossed(1, 200), (6, 1))  # all seeds alike: only examples vary
        spread = 2 * 1.96 * of_examples[0].std() / np.sqrt(200)
        np.testing.assert_allclose(width(of_examples), spread, rtol=0.1)
        of_seeds = np.tile(np.random.default_rng(0).normal(size=(40, 1)), (1, 50))  # all examples alike
        np.testing.assert_allclose(width(of_seeds), 2 * 1.96 * of_seeds[:, 0].std() / np.sqrt(40), rtol=0.1)

    def test_a_method_that_never_errs_has_an_interval_of_one_point(self):
        assert crossed_interval(np.ones((6, 333)), draw_resamples(6, 333, 200)) == [1.0, 1.0]

    def test_resamples_of_equal_sizes_are_equal_and_hold_as_many_as_there_are(self):
        here, there = draw_resamples(5, 30, 50), draw_resamples(5, 30, 50)
        np.testing.assert_array_equal(here.seeds, there.seeds)
        np.testing.assert_array_equal(here.examples, there.examples)
        for counts in here:
            assert np.all(counts.sum(axis=1) / counts.sum(axis=1)[0] == 1)
            assert len(np.unique(counts, axis=0)) > 30

    def test_the_seeds_interval_is_students(self):
        values = RNG.normal(size=8)
        expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        np.testing.assert_allclose(seeds_interval(values), expected)
        assert seeds_interval([0.3]) is None


@pytest.mark.parametrize(
    ("mean", "interval", "p", "seeds", "expected"),
    [
        pytest.param(0.02, (0.01, 0.03), 0.03, 10, "better", id="all three hold"),
        pytest.param(-0.02, (-0.03, -0.01), 0.03, 10, "worse", id="all three hold, below"),
        pytest.param(0.02, (0.01, 0.03), 0.05, 10, "inconclusive", id="p is not below .05"),
        pytest.param(0.02, (-0.001, 0.04), 0.01, 10, "inconclusive", id="the interval holds zero"),
        pytest.param(0.02, (0.0, 0.04), 0.01, 10, "inconclusive", id="the interval touches zero"),
        pytest.param(0.004, (0.003, 0.0045), 0.01, 10, "equivalent", id="real and of no consequence"),
        pytest.param(0.004, (0.001, 0.007), 0.01, 10, "inconclusive", id="within the margin, its interval is not"),
        pytest.param(0.0, (-0.004, 0.004), 0.9, 10, "equivalent", id="inside the margin"),
        pytest.param(0.0, (-MARGIN, 0.004), 0.9, 10, "inconclusive", id="touches the margin"),
        pytest.param(0.0, (-0.02, 0.02), 0.9, 10, "inconclusive", id="wide"),
        pytest.param(0.2, (0.1, 0.3), 0.03, 5, "too few seeds", id="five seeds"),
        pytest.param(0.2, (0.1, 0.3), 0.03, 6, "better", id="six seeds"),
        pytest.param(0.2, (0.1, 0.3), None, 10, "too few seeds", id="no p"),
    ],
)
def test_verdicts(mean, interval, p, seeds, expected):
    assert verdict(mean, interval, p, seeds) == expected


class TestCompareAll:
    @staticmethod
    def outcomes(rng: np.random.Generator, accuracies: dict[str, float], seeds: int = 8, examples: int = 120):
        """Methods that share the examples' difficulties and have seeds of their own."""
        difficulty = rng.normal(size=examples)
        found = {}
        for name, accuracy in accuracies.items():
            luck = 0.2 * rng.normal(size=(seeds, 1)) + rng.normal(size=(seeds, examples))
            found[name] = difficulty + luck < np.sqrt(2.04) * stats.norm.ppf(accuracy)
        return found

    @staticmethod
    def verdicts(outcomes, draws=200):
        pairs = [(name, "a") for name in outcomes if name != "a"]
        resamples = draw_resamples(*outcomes["a"].shape, draws)
        return {row.method: row for row in compare_all(outcomes, pairs, resamples)}

    def test_identical_methods_are_never_better_or_worse(self):
        own = self.outcomes(RNG, {"a": 0.8})["a"]
        row = self.verdicts({"a": own, "b": own.copy()})["b"]
        assert (row.mean_difference, row.p, row.p_holm, row.verdict) == (0, 1, 1, "equivalent")
        assert row.ci95 == [0, 0]

    def test_methods_that_do_not_differ_are_told_apart_in_at_most_five_percent_of_families(self):
        names = dict.fromkeys("abcd", 0.8)
        alarms = sum(
            any(row.verdict in ("better", "worse") for row in self.verdicts(self.outcomes(rng, names)).values())
            for rng in map(np.random.default_rng, range(200))
        )
        assert alarms <= 200 * 0.05 + 3 * np.sqrt(200 * 0.05 * 0.95)

    def test_a_large_difference_is_found_with_its_sign(self):
        rows = self.verdicts(self.outcomes(np.random.default_rng(1), {"a": 0.7, "b": 0.95, "c": 0.4, "d": 0.7}))
        assert [rows[name].verdict for name in "bc"] == ["better", "worse"]
        assert rows["b"].mean_difference > 0.15 > -0.2 > rows["c"].mean_difference
        assert rows["b"].ci95[0] < rows["b"].mean_difference < rows["b"].ci95[1]

    def test_one_methods_comparisons_are_adjusted_as_one_family_and_others_do_not_matter(self):
        outcomes = self.outcomes(np.random.default_rng(2), {"a": 0.8, "b": 0.84, "c": 0.8, "d": 0.75})
        resamples = draw_resamples(*outcomes["a"].shape, 200)
        own = [("a", "b"), ("a", "c"), ("a", "d")]
        alone = compare_all(outcomes, own, resamples)
        assert [row.p_holm for row in alone] == holm([row.p for row in alone])
        assert max(row.p_holm / row.p for row in alone) > 1
        among_others = compare_all(outcomes, [("b", "c"), own[0], ("d", "c"), *own[1:], ("b", "d")], resamples)
        assert [row for row in among_others if row.method == "a"] == alone

    def test_differences_are_paired_on_examples_and_on_seeds(self):
        # The example's share of the variance is common to both, so the difference has a far smaller interval.
        outcomes = self.outcomes(np.random.default_rng(3), {"a": 0.8})
        outcomes["b"] = outcomes["a"].copy()
        outcomes["b"][:, 0] = ~outcomes["b"][:, 0]
        row = self.verdicts(outcomes)["b"]
        low, high = crossed_interval(outcomes["a"].astype(float), draw_resamples(8, 120, 200))
        assert row.ci95[1] - row.ci95[0] < 0.5 * (high - low)

    def test_one_seed_gets_numbers_and_no_verdict(self):
        row = self.verdicts(self.outcomes(RNG, {"a": 0.7, "b": 0.9}, seeds=1))["b"]
        assert (row.p, row.p_holm, row.verdict) == (None, None, "too few seeds")
