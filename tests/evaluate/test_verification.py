"""Simulated experiments have their nominal truth, and the checks detect statistics that err too often."""

import numpy as np
import pytest

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


def test_simulated_methods_have_their_nominal_accuracies():
    experiments = [
        simulate_experiment(RANDOM_WEIGHTS, np.random.default_rng(seed), (0.95, 0.8), 4, 400) for seed in range(150)
    ]
    for name, accuracy in (("m0", 0.95), ("m1", 0.8)):
        means = [experiment.correct[name].mean() for experiment in experiments]
        assert abs(np.mean(means) - accuracy) < 4 * np.std(means) / np.sqrt(150)
        on_test_set = [experiment.test_set_accuracies[name] for experiment in experiments]
        assert np.std(np.subtract(means, on_test_set)) < np.std(means)  # the test set explains a part of the variance


def test_methods_share_the_difficulty_of_each_example():
    experiment = simulate_experiment(TWO_CODES, np.random.default_rng(0), (0.8, 0.8), 1, 4000)
    assert np.corrcoef(experiment.correct["m0"][0], experiment.correct["m1"][0])[0, 1] > 0.5


def test_false_verdicts_are_at_most_five_percent_of_comparisons_and_of_families():
    for scenario in SCENARIOS:
        result = measure_false_verdicts(scenario, np.random.default_rng(3), 120, 10, 360)
        assert result["one"]["ci95"][0] <= 0.05
        assert result["family"]["ci95"][0] <= 0.05


def test_adjusting_only_the_test_over_seeds_exceeds_five_percent_of_families():
    result = measure_false_verdicts(TWO_CODES, np.random.default_rng(4), 200, 10, 360)
    assert result["family_by_seeds_alone"]["ci95"][0] > 0.05


def test_power_grows_with_the_gap_and_with_the_number_of_examples():
    curves = [measure_power(TWO_CODES, np.random.default_rng(5), 40, 10, examples) for examples in (200, 2000)]
    few, many = ([point["better"]["share"] for point in curve] for curve in curves)
    assert all(shares[-1] > 0.5 > 0.2 >= shares[0] for shares in (few, many))
    assert sum(many) > sum(few)


@pytest.mark.parametrize(("scenario", "seeds"), [(ONE_METHOD, 10), (TWO_CODES, 6), (RANDOM_WEIGHTS, 6)])
def test_intervals_cover_the_truth_in_95_percent_of_experiments(scenario, seeds):
    result = measure_coverage(scenario, np.random.default_rng(6), 300, seeds, 360, n_resamples=20)
    for name in ("difference", "accuracy", "seeds_alone"):
        assert result[name]["ci95"][0] <= 0.97, name
        assert result[name]["ci95"][1] >= 0.93, name


def test_uncorrected_percentiles_cover_too_rarely_or_too_often():
    narrow = measure_coverage(RANDOM_WEIGHTS, np.random.default_rng(7), 120, 6, 1000, n_resamples=100)["percentile"]
    wide = measure_coverage(ONE_METHOD, np.random.default_rng(8), 120, 10, 200, n_resamples=100)["percentile"]
    assert narrow["ci95"][1] < 0.95 < wide["ci95"][0]


def test_the_percentile_interval_is_that_of_resampled_tables():
    rng = np.random.default_rng(9)
    values = rng.normal(size=(6, 1)) + rng.normal(size=(6, 50))
    means = [values[rng.integers(6, size=6)][:, rng.integers(50, size=50)].mean() for _ in range(10_000)]
    expected = np.quantile(means, [0.025, 0.975])
    result = percentile_bootstrap_interval(
        values, bootstrap_weights(rng, 6, 10_000), bootstrap_weights(rng, 50, 10_000)
    )
    np.testing.assert_allclose(result, expected, atol=0.05 * (expected[1] - expected[0]))


def test_a_check_fails_where_the_interval_of_a_share_lies_beyond_its_bound():
    good, bad = proportion_with_ci([True] * 190 + [False] * 10), proportion_with_ci([True] * 150 + [False] * 50)
    few, many = proportion_with_ci([True] * 8 + [False] * 192), proportion_with_ci([True] * 40 + [False] * 160)

    def failures(family, coverage):
        checks = check_claims(
            {
                "false_verdicts": [{"one": few, "family": family}],
                "coverage": [{"difference": coverage, "accuracy": good, "seeds_alone": good}],
            }
        )
        return [row["holds"] for row in checks].count(False)

    assert [failures(few, good), failures(many, good), failures(few, bad)] == [0, 1, 1]
