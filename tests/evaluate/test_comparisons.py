"""Verdicts require every stated condition; comparisons are paired and adjusted within one method's family."""

import numpy as np
import pytest
from scipy import stats

from aejax.evaluate.comparisons import compare_pairs
from aejax.evaluate.estimates import holdout_design
from aejax.evaluate.intervals import seeds_interval
from aejax.evaluate.significance import MCNEMAR_TEST, SIGN_FLIP_TEST, holm_adjust, mcnemar_p
from aejax.evaluate.verdicts import EQUIVALENCE_MARGIN, adjusted_level, decide_verdict, minimum_trainings

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        pytest.param((0.001, 0.03), "better", id="above zero"),
        pytest.param((-0.03, -0.001), "worse", id="below zero"),
        pytest.param((0.0, 0.04), "not worse", id="touches zero"),
        pytest.param((-0.004, 0.04), "not worse", id="no loss beyond the margin"),
        pytest.param((-EQUIVALENCE_MARGIN, 0.04), "inconclusive", id="touches the loss of the margin"),
        pytest.param((-0.04, 0.004), "inconclusive", id="no gain beyond the margin"),
        pytest.param((0.001, 0.0045), "equivalent", id="above zero and negligible"),
        pytest.param((-0.004, 0.004), "equivalent", id="inside the margin"),
        pytest.param((-0.004, EQUIVALENCE_MARGIN), "not worse", id="touches the gain of the margin"),
        pytest.param((-0.02, 0.02), "inconclusive", id="wide"),
    ],
)
def test_verdicts_at_their_boundaries(interval, expected):
    assert decide_verdict(interval) == expected


def test_the_margin_decides_which_differences_matter():
    assert [decide_verdict((0.01, 0.03), margin) for margin in (0.0, 0.02, 0.04)] == ["better", "better", "equivalent"]


def test_a_larger_family_needs_more_trainings():
    required = [minimum_trainings(size) for size in (1, 4, 12, 40)]
    assert required == sorted(required)
    assert required[0] > 2
    assert adjusted_level(1) == 0.95


def compare(outcomes, pairs, **kwargs):
    seeds, examples = next(iter(outcomes.values())).shape
    return compare_pairs(outcomes, pairs, holdout_design(np.arange(examples) % 3, seeds, 1000), **kwargs)


class TestComparePairs:
    @staticmethod
    def outcomes(rng: np.random.Generator, accuracies: dict[str, float], seeds: int = 8, examples: int = 120):
        """Simulates correctness of methods that share the difficulty of examples but not the effect of seeds."""
        difficulty = rng.normal(size=examples)
        correct = {}
        for name, accuracy in accuracies.items():
            noise = 0.2 * rng.normal(size=(seeds, 1)) + rng.normal(size=(seeds, examples))
            correct[name] = difficulty + noise < np.sqrt(2.04) * stats.norm.ppf(accuracy)
        return correct

    @staticmethod
    def verdicts(outcomes):
        pairs = [(name, "a") for name in outcomes if name != "a"]
        return {row.method: row for row in compare(outcomes, pairs)}

    def test_identical_methods_are_never_better_or_worse(self):
        correct = self.outcomes(RNG, {"a": 0.8})["a"]
        row = self.verdicts({"a": correct, "b": correct.copy()})["b"]
        assert (row.mean_difference, row.p, row.p_holm, row.verdict) == (0, 1, 1, "inconclusive")
        assert row.ci95[0] < -EQUIVALENCE_MARGIN  # 120 equal examples do not show that no other example differs

    def test_identical_methods_are_equivalent_on_enough_examples(self):
        correct = self.outcomes(RNG, {"a": 0.8}, examples=700)["a"]
        assert self.verdicts({"a": correct, "b": correct.copy()})["b"].verdict == "equivalent"

    def test_a_large_difference_gets_the_verdict_of_its_sign(self):
        rows = self.verdicts(self.outcomes(np.random.default_rng(1), {"a": 0.7, "b": 0.95, "c": 0.4, "d": 0.7}))
        assert [rows[name].verdict for name in "bc"] == ["better", "worse"]
        assert rows["b"].mean_difference > 0.15 > -0.2 > rows["c"].mean_difference
        assert rows["b"].ci95[0] < rows["b"].mean_difference < rows["b"].ci95[1]

    def test_the_comparisons_of_one_method_are_one_family_whatever_else_is_compared(self):
        outcomes = self.outcomes(np.random.default_rng(2), {"a": 0.8, "b": 0.84, "c": 0.8, "d": 0.75})
        pairs = [("a", "b"), ("a", "c"), ("a", "d")]
        alone = compare(outcomes, pairs)
        assert [row.p_holm for row in alone] == holm_adjust([row.p for row in alone])
        assert [row.p_crossed_holm for row in alone] == holm_adjust([row.p_crossed for row in alone])
        assert max(row.p_holm / row.p for row in alone) > 1
        among_others = compare(outcomes, [("b", "c"), pairs[0], ("d", "c"), *pairs[1:], ("b", "d")])
        assert [row for row in among_others if row.method == "a"] == alone

    def test_differences_are_paired_on_examples_and_on_seeds(self):
        # The effect of examples is common to both, so the difference has a much smaller interval.
        outcomes = self.outcomes(np.random.default_rng(3), {"a": 0.8})
        outcomes["b"] = outcomes["a"].copy()
        outcomes["b"][:, 0] = ~outcomes["b"][:, 0]
        row = self.verdicts(outcomes)["b"]
        shuffled = {"a": outcomes["a"], "b": outcomes["b"][:, RNG.permutation(120)]}
        low, high = self.verdicts(shuffled)["b"].ci95
        assert row.ci95[1] - row.ci95[0] < 0.5 * (high - low)

    def test_one_seed_gets_the_p_of_mcnemars_test_and_no_verdict(self):
        outcomes = self.outcomes(RNG, {"a": 0.5, "b": 0.95}, seeds=1)
        row = self.verdicts(outcomes)["b"]
        p = mcnemar_p(outcomes["b"][0].astype(float) - outcomes["a"][0])
        assert (row.p, row.test, row.ci95_seeds, row.verdict) == (p, MCNEMAR_TEST, None, "too few seeds")
        assert row.p < 0.05

    def test_the_adjusted_interval_is_the_interval_in_a_family_of_one_and_wider_in_a_larger_one(self):
        outcomes = self.outcomes(np.random.default_rng(2), {"a": 0.8, "b": 0.84, "c": 0.8})
        (alone,) = compare(outcomes, [("a", "b")])
        assert alone.ci95_adjusted == alone.ci95
        first, _ = compare(outcomes, [("a", "b"), ("a", "c")])
        assert first.ci95 == alone.ci95
        assert first.ci95_adjusted[0] < alone.ci95[0] < alone.ci95[1] < first.ci95_adjusted[1]
        separate = compare(outcomes, [("a", "b"), ("a", "c")], families=["one", "other"])
        assert (separate[0].ci95_adjusted, separate[0].family) == (alone.ci95, "one")
        together = compare(outcomes, [("a", "b"), ("c", "b")], families=["versus", "versus"])
        assert together[0].ci95_adjusted == first.ci95_adjusted

    def test_few_seeds_keep_the_test_over_seeds_and_get_no_verdict(self):
        row = self.verdicts(self.outcomes(RNG, {"a": 0.5, "b": 0.95}, seeds=3))["b"]
        assert (row.p, row.test, row.verdict) == (2 / 2**3, SIGN_FLIP_TEST, "too few seeds")

    def test_the_interval_over_seeds_is_students_of_the_paired_differences(self):
        outcomes = self.outcomes(np.random.default_rng(4), {"a": 0.7, "b": 0.8})
        row = self.verdicts(outcomes)["b"]
        expected = seeds_interval(outcomes["b"].mean(axis=1) - outcomes["a"].mean(axis=1))
        np.testing.assert_allclose(row.ci95_seeds, expected, rtol=1e-10)
        assert row.ci95[1] - row.ci95[0] > row.ci95_seeds[1] - row.ci95_seeds[0]
