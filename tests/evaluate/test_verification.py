"""The verifier on a small scale: simulated truth is the truth, and a statistic that errs is found out."""

import numpy as np
import pytest

from aejax.evaluate.agreement import AGREEMENT_TOLERANCE, max_differences_from_peers
from aejax.evaluate.simulation import (
    SCENARIOS,
    bootstrap_weights,
    measure_coverage,
    percentile_bootstrap_interval,
    proportion_with_ci,
    simulate_experiment,
)
from aejax.evaluate.verification import check_claims, measure_false_verdicts, measure_power

ONE_METHOD, TWO_CODES, RANDOM_WEIGHTS = SCENARIOS


@pytest.mark.parametrize("process", SCENARIOS, ids=lambda process: process.name)
def test_simulated_methods_have_the_accuracies_they_were_given(process):
    worlds = [simulate_experiment(process, np.random.default_rng(seed), (0.95, 0.8), 4, 400) for seed in range(150)]
    for name, accuracy in (("m0", 0.95), ("m1", 0.8)):
        means = [world.correct[name].mean() for world in worlds]
        assert abs(np.mean(means) - accuracy) < 4 * np.std(means) / np.sqrt(150)
        on_these = [world.test_set_accuracies[name] for world in worlds]
        assert np.std(np.subtract(means, on_these)) < np.std(means)  # what these examples explain


def test_methods_share_their_examples_difficulties():
    world = simulate_experiment(TWO_CODES, np.random.default_rng(0), (0.8, 0.8), 1, 4000)
    assert np.corrcoef(world.correct["m0"][0], world.correct["m1"][0])[0, 1] > 0.5


def test_false_verdicts_are_at_most_five_percent_of_comparisons_and_of_families():
    for process in SCENARIOS:
        found = measure_false_verdicts(process, np.random.default_rng(3), 120, 10, 360)
        assert found["one"]["ci95"][0] <= 0.05
        assert found["family"]["ci95"][0] <= 0.05


def test_adjusting_the_test_over_seeds_alone_would_not_hold_a_family_to_five_percent():
    found = measure_false_verdicts(TWO_CODES, np.random.default_rng(4), 200, 10, 360)
    assert found["family_by_seeds_alone"]["ci95"][0] > 0.05


def test_power_grows_with_the_gap_and_with_the_examples():
    few, many = (
        measure_power(TWO_CODES, np.random.default_rng(5), 40, 10, examples)["curve"] for examples in (200, 2000)
    )
    shares = [[point["better"]["share"] for point in curve] for curve in (few, many)]
    assert all(curve[-1] > 0.5 > 0.2 >= curve[0] for curve in shares)
    assert sum(shares[1]) > sum(shares[0])


@pytest.mark.parametrize(("process", "seeds"), [(ONE_METHOD, 10), (TWO_CODES, 6), (RANDOM_WEIGHTS, 6)])
def test_intervals_cover_their_truth_nineteen_times_of_twenty(process, seeds):
    found = measure_coverage(process, np.random.default_rng(6), 300, seeds, 360, n_resamples=20)
    for name in ("difference", "accuracy", "seeds_alone"):
        assert found[name]["ci95"][0] <= 0.97, name
        assert found[name]["ci95"][1] >= 0.93, name


def test_uncorrected_percentiles_are_found_out_in_both_directions():
    narrow = measure_coverage(RANDOM_WEIGHTS, np.random.default_rng(7), 200, 6, 2000, n_resamples=200)["percentile"]
    wide = measure_coverage(ONE_METHOD, np.random.default_rng(8), 200, 10, 360, n_resamples=200)["percentile"]
    assert narrow["ci95"][1] < 0.95 < wide["ci95"][0]


def test_percentiles_are_those_of_resampled_tables():
    rng = np.random.default_rng(9)
    values = rng.normal(size=(6, 1)) + rng.normal(size=(6, 50))
    means = [values[rng.integers(6, size=6)][:, rng.integers(50, size=50)].mean() for _ in range(10_000)]
    expected = np.quantile(means, [0.025, 0.975])
    found = percentile_bootstrap_interval(values, bootstrap_weights(rng, 6, 10_000), bootstrap_weights(rng, 50, 10_000))
    np.testing.assert_allclose(found, expected, atol=0.05 * (expected[1] - expected[0]))


def test_statistics_agree_with_scipys_and_scikit_learns():
    assert max(max_differences_from_peers(np.random.default_rng(10), n_cases=5).values()) <= AGREEMENT_TOLERANCE


def test_a_check_fails_where_a_share_lies_beyond_its_bound():
    good, bad = proportion_with_ci([True] * 190 + [False] * 10), proportion_with_ci([True] * 150 + [False] * 50)
    few, many = proportion_with_ci([True] * 8 + [False] * 192), proportion_with_ci([True] * 40 + [False] * 160)

    def found(alarm, cover, difference):
        return {
            "false_verdicts": [{"one": few, "family": alarm}],
            "coverage": [{"difference": cover, "accuracy": good, "seeds_alone": good}],
            "agreement": {"p": difference},
        }

    assert all(row["holds"] for row in check_claims(found(few, good, 0.0)))
    for args in ((many, good, 0.0), (few, bad, 0.0), (few, good, 1e-9)):
        assert [row["holds"] for row in check_claims(found(*args))].count(False) == 1
