"""p-values are those of their tests, as `test_scipy_agreement` has them, and their adjustment is Holm's."""

import itertools

import numpy as np
import pytest

from aejax.evaluate.estimates import estimate_mean, holdout_design
from aejax.evaluate.intervals import mean_interval
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


def estimate(values):
    return estimate_mean(values, holdout_design(np.zeros(values.shape[1], int), len(values), 100))


class TestHolmAdjust:
    def test_worked_example(self):
        # Sorted: .01 x 4, .013 x 3 = .039 but not below .04, .02 x 2 = .04, .4 x 1.
        np.testing.assert_allclose(holm_adjust([0.02, 0.01, 0.4, 0.013]), [0.04, 0.04, 0.4, 0.04])

    def test_rejects_the_same_hypotheses_as_the_step_down_procedure_at_every_level(self):
        for level in RNG.uniform(size=100):
            raw = RNG.uniform(size=5) ** 3
            rejected = set()
            for rank, index in enumerate(np.argsort(raw)):
                if raw[index] > level / (5 - rank):
                    break
                rejected.add(int(index))
            assert {i for i, p in enumerate(holm_adjust(raw.tolist())) if p <= level} == rejected

    @pytest.mark.parametrize(("raw", "expected"), [([], []), ([0.3], [0.3]), ([1.0, 1.0], [1.0, 1.0])])
    def test_small_families(self, raw, expected):
        assert holm_adjust(raw) == expected


class TestSignFlip:
    @pytest.mark.parametrize("seeds", [2, 14])
    def test_the_smallest_possible_p_is_two_of_all_patterns_and_the_largest_is_one(self, seeds):
        for differences in (np.linspace(1, 2, seeds), -np.linspace(1, 2, seeds), np.ones(seeds)):
            np.testing.assert_allclose(sign_flip_p(differences), 2 / 2**seeds)
        assert sign_flip_p(np.zeros(seeds)) == 1

    def test_random_patterns_approximate_the_exact_p(self):
        differences = np.random.default_rng(3).normal(size=16) + 0.4
        patterns = np.array(list(itertools.product([-1, 1], repeat=16)))
        expected = np.mean(np.abs((patterns * differences).mean(axis=1)) >= np.abs(differences.mean()) - 1e-12)
        assert 0.02 < expected < 0.98
        np.testing.assert_allclose(sign_flip_p(differences), expected, atol=4 * np.sqrt(expected / 9999) + 1e-3)
        assert sign_flip_p(np.zeros(20)) == 1


class TestMcNemar:
    def test_is_used_for_a_single_seed_and_named(self):
        differences = RNG.choice([-1.0, 0.0, 1.0], size=(3, 60))
        design = holdout_design(np.zeros(60, int), 3, 100)
        one = paired_test(differences[:1], design, estimate(differences[:1]))
        assert one == (mcnemar_p(differences[0]), MCNEMAR_TEST)
        several = paired_test(differences, design, estimate(differences))
        assert several == (sign_flip_p(differences.mean(axis=1)), SIGN_FLIP_TEST)
        assert "not the method" in MCNEMAR_TEST


class TestCrossedP:
    def test_is_below_five_percent_exactly_where_the_crossed_interval_excludes_zero(self):
        sides = set()
        for seed in range(200):
            rng = np.random.default_rng(seed)
            values = rng.choice([-1.0, 0.0, 1.0], p=[0.05, 0.85, 0.1], size=(6, 40))
            low, high = mean_interval(estimate(values))
            sides.add(bool(low > 0 or high < 0))
            assert (crossed_p(estimate(values)) < 0.05) == (low > 0 or high < 0)
        assert sides == {True, False}

    def test_is_one_without_any_difference(self):
        assert crossed_p(estimate(np.zeros((5, 20)))) == 1
