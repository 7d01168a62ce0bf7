"""Simulated experiments have their nominal truth, and the checks detect statistics that err too often."""

import numpy as np
import pytest

from aejax.evaluate import verification
from aejax.evaluate.comparisons import compare_pairs
from aejax.evaluate.simulation import SCENARIOS, Scenario, share_with_ci, simulate_latents, simulated_design
from aejax.evaluate.verification import DESIGNS, check_claims, judge_differences, measure_coverage, measure_verdicts

ONE_METHOD, TWO_CODES, RANDOM_WEIGHTS, TWINS, HEAVY, FAILING, ROWS = SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("name", DESIGNS)
def test_simulated_methods_have_their_true_accuracies(scenario, name):
    rng = np.random.default_rng(0)
    latents = simulate_latents(scenario, rng, simulated_design(name, rng, 5, 60), 800)
    for method, accuracy in enumerate((0.95, 0.8)):
        correct, truth = latents.outcomes(method, accuracy)
        means = correct.mean(axis=(1, 2))
        assert abs(means.mean() - truth) < 4 * means.std() / np.sqrt(len(means))
        assert truth == pytest.approx(accuracy - 0.02 * (scenario is FAILING), abs=0.005)


def test_methods_share_the_difficulty_of_each_example():
    rng = np.random.default_rng(0)
    latents = simulate_latents(TWO_CODES, rng, simulated_design("holdout", rng, 1, 4000), 1)
    first, second = (latents.outcomes(method, 0.8)[0].ravel() for method in (0, 1))
    assert np.corrcoef(first, second)[0, 1] > 0.5


def test_trainings_are_correlated_as_the_share_of_their_training_rows():
    design = simulated_design("cross-validation", np.random.default_rng(0), 6, 8)
    scenario = Scenario("rows alone", 0, 0, row_std=400.0)
    latents = simulate_latents(scenario, np.random.default_rng(1), design, 4000, methods=1)
    correlations = np.corrcoef(latents.methods[0].mean(axis=2).T)
    assert correlations[0, 1] == pytest.approx(24 / 32, abs=0.03)  # folds of one repetition share 24 of 32 rows
    in_both_tests = len(np.intersect1d(design.test_index[0], design.test_index[5]))
    assert correlations[0, 5] == pytest.approx((24 + in_both_tests) / 32, abs=0.03)


@pytest.mark.parametrize("name", DESIGNS)
def test_simulated_verdicts_are_those_of_comparisons(name):
    rng, accuracies, pairs = np.random.default_rng(2), (0.9, 0.9, 0.75), [("0", "1"), ("0", "2")]
    design = simulated_design(name, rng, 10, 114)
    latents = simulate_latents(TWO_CODES, rng, design, 10, methods=3)
    judged, _ = judge_differences(latents, design, accuracies)
    outcomes = [latents.outcomes(method, accuracy)[0] for method, accuracy in enumerate(accuracies)]
    for values, verdicts in zip(zip(*outcomes, strict=True), judged, strict=True):
        rows = compare_pairs(dict(zip("012", values, strict=True)), pairs, design)
        assert [row.verdict for row in rows] == verdicts
    assert {verdict for verdicts in judged for verdict in verdicts} >= {"better", "inconclusive"}


@pytest.mark.parametrize("name", DESIGNS)
def test_false_verdicts_are_at_most_five_percent_of_families(name):
    rng = np.random.default_rng(3)
    design = simulated_design(name, rng, 10, 114)
    for scenario in SCENARIOS:
        shares = measure_verdicts(scenario, rng, design, 150, (0.95,) * 7)
        assert shares["decisive"]["ci95"][0] <= 0.05, scenario.name


def test_without_adjustment_more_than_five_percent_of_families_have_a_false_verdict(monkeypatch):
    monkeypatch.setattr(verification, "adjusted_level", lambda size: 0.95)
    rng = np.random.default_rng(4)
    shares = measure_verdicts(RANDOM_WEIGHTS, rng, simulated_design("holdout", rng, 10, 360), 200, (0.8,) * 9)
    assert shares["decisive"]["ci95"][0] > 0.05


def test_a_gap_of_a_point_is_never_equivalent_on_36_examples():
    for scenario in SCENARIOS:
        rng = np.random.default_rng(5)
        shares = measure_verdicts(scenario, rng, simulated_design("holdout", rng, 10, 36), 300, (0.985, 0.975))
        assert shares["equivalent"]["count"] == 0


def test_power_grows_with_the_examples_and_is_eighty_percent_at_the_detectable_difference():
    power, rng = [], np.random.default_rng(6)
    for examples in (360, 2000):
        design = simulated_design("holdout", rng, 10, examples)
        power.append(measure_verdicts(TWO_CODES, rng, design, 200, (0.95, 0.935)))
    few, many = (shares["better"]["share"] for shares in power)
    assert few < 0.7 < many
    assert power[1]["detectable"] < power[0]["detectable"]
    gap = power[1]["detectable"]
    found = measure_verdicts(TWO_CODES, rng, design, 200, (0.95, 0.95 - gap))["better"]["share"]
    assert 0.7 < found < 0.92


@pytest.mark.parametrize("name", DESIGNS)
def test_intervals_cover_at_least_92_percent_in_every_scenario(name):
    for scenario in SCENARIOS:
        rng = np.random.default_rng(7)
        for entry in measure_coverage(scenario, rng, simulated_design(name, rng, 10, 114), 200, (6, 10), (0.7, 0.985)):
            for field in ("accuracy", "difference"):
                assert entry[field]["ci95"][1] >= 0.92, (scenario.name, entry)
                if field not in entry["unavoidable"]:
                    assert entry[field]["ci95"][0] <= 0.98, (scenario.name, entry)


def test_a_check_fails_where_the_interval_of_a_share_lies_beyond_its_bound():
    good, bad = share_with_ci([True] * 190 + [False] * 10), share_with_ci([True] * 150 + [False] * 50)
    always, few = share_with_ci([True] * 200), share_with_ci([True] * 8 + [False] * 192)
    many = share_with_ci([True] * 40 + [False] * 160)

    def failures(coverage, decisive=few, equivalent=few, unavoidable=()):
        cell = {"design": "holdout", "difference": coverage, "accuracy": good, "unavoidable": unavoidable}
        results = {
            "coverage": [cell],
            "false_verdicts": [{"family": 4, "decisive": decisive}],
            "false_equivalence": [{"equivalent": equivalent}],
            "power": [],
            "label_curves": [],
        }
        return [row["holds"] for row in check_claims(results)].count(False)

    assert failures(good) == 0
    assert failures(bad) == failures(good, many) == failures(good, few, many) == 1
    assert (failures(always), failures(always, unavoidable=("difference",))) == (1, 0)
