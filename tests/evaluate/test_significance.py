"""p-values are the shares of patterns that they claim to be, and their adjustment is the textbook's."""

import itertools

import numpy as np
import pytest
from scipy import stats

from aejax.evaluate.intervals import crossed_interval
from aejax.evaluate.significance import (
    MCNEMAR_TEST,
    SIGN_FLIP_TEST,
    crossed_p,
    holm_adjust,
    mcnemar_p,
    paired_test,
    sign_flip_p,
)

RNG = np.random.default_rng(0)


class TestHolm:
    def test_a_worked_example(self):
        # Sorted: .01 x 4, .013 x 3 = .039 but not below .04, .02 x 2 = .04, .4 x 1.
        np.testing.assert_allclose(holm_adjust([0.02, 0.01, 0.4, 0.013]), [0.04, 0.04, 0.4, 0.04])

    @pytest.mark.parametrize("seed", range(20))
    def test_adjusted_values_keep_the_order_and_lie_between_the_raw_and_bonferronis(self, seed):
        raw = np.random.default_rng(seed).uniform(size=7) ** 2
        adjusted = np.array(holm_adjust(raw.tolist()))
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
            assert {i for i, p in enumerate(holm_adjust(raw.tolist())) if p <= 0.05} == rejected

    @pytest.mark.parametrize(("raw", "expected"), [([], []), ([0.3], [0.3]), ([1.0, 1.0], [1.0, 1.0])])
    def test_small_families(self, raw, expected):
        assert holm_adjust(raw) == expected


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

    @pytest.mark.parametrize("seeds", [3, 6, 10])
    def test_where_sums_tie_it_is_the_count_in_whole_numbers_and_scipys_permutation_test(self, seeds):
        patterns = np.array(list(itertools.product([-1, 1], repeat=seeds)))
        for case in range(10):
            counts = np.random.default_rng(case).integers(-3, 6, size=seeds)
            expected = np.mean(np.abs(patterns @ counts) >= np.abs(counts.sum()))
            np.testing.assert_allclose(sign_flip_p(counts / 360), expected, atol=1e-10)
            scipys = stats.permutation_test(
                (counts.astype(float),), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
            )
            np.testing.assert_allclose(expected, scipys.pvalue, atol=1e-10)


class TestMcNemar:
    @pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (5, 5), (9, 1), (2, 14)])
    def test_p_is_twice_the_smaller_tail_of_a_fair_coin(self, wins, losses):
        differences = np.array([1] * wins + [-1] * losses + [0] * 50)
        expected = min(1, 2 * stats.binom.cdf(min(wins, losses), wins + losses, 0.5))
        np.testing.assert_allclose(mcnemar_p(differences), expected, rtol=1e-10)

    def test_examples_on_which_two_models_agree_do_not_matter(self):
        differences = RNG.choice([-1, 0, 1], size=40)
        assert mcnemar_p(differences) == mcnemar_p(np.concatenate([differences, np.zeros(1000)]))

    def test_it_stands_in_where_there_is_a_single_seed_and_says_so(self):
        differences = RNG.choice([-1.0, 0.0, 1.0], size=(3, 60))
        assert paired_test(differences[:1]) == (mcnemar_p(differences[0]), MCNEMAR_TEST)
        assert paired_test(differences) == (sign_flip_p(differences.mean(axis=1)), SIGN_FLIP_TEST)
        assert "not the method" in MCNEMAR_TEST


class TestCrossedP:
    def test_it_is_below_five_percent_exactly_where_the_crossed_interval_excludes_zero(self):
        sides = set()
        for seed in range(200):
            rng = np.random.default_rng(seed)
            values = rng.choice([-1.0, 0.0, 1.0], p=[0.05, 0.85, 0.1], size=(6, 40))
            low, high = crossed_interval(values)
            sides.add(bool(low > 0 or high < 0))
            assert (crossed_p(values) < 0.05) == (low > 0 or high < 0)
        assert sides == {True, False}

    def test_no_difference_anywhere_gives_one(self):
        assert crossed_p(np.zeros((5, 20))) == 1

    def test_it_is_uniform_where_there_is_no_difference(self):
        rng = np.random.default_rng(7)
        found = [
            crossed_p(rng.normal(size=(8, 1)) + rng.normal(size=(1, 60)) + rng.normal(size=(8, 60))) for _ in range(600)
        ]
        assert stats.kstest(found, "uniform").pvalue > 0.001
