"""When a claim counts as reproduced, at the edge of its tolerance."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from aejax.config import ModelConfig, PretrainConfig, TrainConfig
from aejax.replication.claim import (
    ComparativeClaim,
    Evidence,
    NumericClaim,
    ProtocolEffect,
    paired_evidence,
)
from tests.replication.test_ledger import COMMON

HALF: dict[str, Any] = {**COMMON, "name": "half", "seeds": 3}
NUMBER = NumericClaim(**HALF, printed_values=("0.09",), tolerance=(0.005,), measure=lambda _: np.zeros((3, 1)))
STATEMENT = ComparativeClaim(**HALF, criterion="better", measure=lambda _: [])


def assess_numbers(claim, per_seed):
    return claim.assess({"per_seed": per_seed.tolist()})


def assess_statement(claim, evidence):
    return claim.assess({"evidence": [one._asdict() for one in evidence]})


def evidence(verdict="better", *, role="claim", mean=2.0, low=1.0):
    return Evidence("this minus that", role, mean, [low, 3.0], "points", 0.5, verdict)


def test_where_the_source_says_about_a_mean_may_differ_by_the_tolerance_and_not_more():
    for mean, status in (
        (0.09, "reproduced"),
        (0.095, "reproduced"),  # .095 - .09 is above .005 in binary
        (0.085, "reproduced"),
        (0.09501, "not reproduced"),
        (0.08499, "not reproduced"),
    ):
        assert assess_numbers(NUMBER, np.full((3, 1), mean)).status == status, mean


def test_a_deterministic_claim_needs_every_printed_digit():
    exact = dataclasses.replace(NUMBER, tolerance=(), seeds=1, printed_values=("0.8939",))
    assert exact.rule == "exact"
    for value, status in ((0.89394, "reproduced"), (0.89396, "not reproduced"), (0.89386, "reproduced")):
        assert assess_numbers(exact, np.array([[value]])).status == status, value


ONE_RUN = dataclasses.replace(NUMBER, tolerance=(), max_half_width=(1e9,), seeds=10)


def fail_share(claim, draw_printed, n=2000, seeds=10, digits=6):
    """Returns how often a perfect replication, by draws of the same distribution as the source's, fails."""
    rng = np.random.default_rng(0)
    failed = 0
    for _ in range(n):
        printed = tuple(f"{value:.{digits}f}" for value in draw_printed(rng))
        ours = 0.92 + 0.01 * rng.normal(size=(seeds, len(printed)))
        failed += assess_numbers(dataclasses.replace(claim, printed_values=printed), ours).status == "not reproduced"
    return failed / n


@pytest.mark.parametrize("seeds", [3, 10])
def test_a_perfect_replication_of_one_run_fails_in_five_percent(seeds):
    share = fail_share(ONE_RUN, lambda rng: [0.92 + 0.01 * rng.normal()], seeds=seeds)
    assert 0.035 < share < 0.065


def test_a_mean_of_several_runs_has_the_interval_of_such_a_mean():
    of_three = dataclasses.replace(ONE_RUN, source_runs=3)
    share = fail_share(of_three, lambda rng: [(0.92 + 0.01 * rng.normal(size=3)).mean()])
    assert 0.035 < share < 0.065
    assert fail_share(of_three, lambda rng: [0.92 + 0.01 * rng.normal()], n=1000) > 0.1  # one run varies more


def test_all_numbers_of_a_claim_together_fail_in_five_percent():
    seven = dataclasses.replace(ONE_RUN, max_half_width=(1e9,) * 7)
    assert 0.025 < fail_share(seven, lambda rng: 0.92 + 0.01 * rng.normal(size=7), n=1000) < 0.065


def test_another_result_is_not_reproduced_and_a_wide_interval_is_uninformative():
    claim = dataclasses.replace(ONE_RUN, printed_values=("0.09",), max_half_width=(0.02,))
    rng = np.random.default_rng(1)
    assert assess_numbers(claim, 0.09 + 0.001 * rng.normal(size=(10, 1))).status == "reproduced"
    assert assess_numbers(claim, 0.10 + 0.001 * rng.normal(size=(10, 1))).status == "not reproduced"
    wide = assess_numbers(claim, 0.10 + 0.05 * rng.normal(size=(10, 1)))
    assert wide.status == "uninformative"
    assert wide.accepted[0][1] - wide.accepted[0][0] > 0.04
    assert assess_numbers(claim, np.array([[0.09]])).status == "not run"  # one seed has no interval


def test_every_entry_of_a_vector_has_to_be_within_its_own_tolerance():
    claim = dataclasses.replace(NUMBER, printed_values=("1", "2"), tolerance=(0.1, 0.01))
    assert assess_numbers(claim, np.array([[1.05, 2.005]])).status == "reproduced"
    assessment = assess_numbers(claim, np.array([[1.05, 2.05]]))
    assert assessment.status == "not reproduced"
    assert assessment.within == (True, False)
    assert assess_numbers(claim, np.array([[1.0]])).status == "not reproduced"  # a training that ended early


def test_a_mean_that_is_not_finite_is_not_reproduced():
    diverged = np.array([[0.09], [np.nan], [0.09]])
    assert assess_numbers(NUMBER, diverged).status == "not reproduced"
    assert assess_numbers(ONE_RUN, diverged).status == "not reproduced"


def test_an_effect_of_protocol_is_measured_and_not_assessed():
    effect = ProtocolEffect(**HALF, measure=lambda context: np.arange(3.0))
    assessment = effect.assess({"per_seed": [[0.0], [1.0], [2.0]]})
    assert (assessment.status, assessment.mean) == ("measured", (1.0,))
    low, high = assessment.ci95[0]
    assert low < 1 < high


def test_a_setting_at_its_default_does_not_change_the_digest_and_another_value_does(monkeypatch):
    def digest(**settings):
        return dataclasses.replace(ONE_RUN, configs=(PretrainConfig(**settings),)).protocol_digest(10)

    assert digest() == digest(seeds=PretrainConfig().seeds, train=TrainConfig())
    assert len({digest(), digest(seeds=3), digest(train=TrainConfig(epochs=7)), digest(model=ModelConfig())}) == 3
    before, alone = digest(), ONE_RUN.protocol_digest(10)
    monkeypatch.setattr("aejax.replication.claim.PROTOCOL_VERSION", -1)
    assert digest() != before  # a changed default
    assert ONE_RUN.protocol_digest(10) == alone  # scikit-learn alone has no defaults of this package


def test_a_statement_needs_its_own_comparisons_and_no_others():
    assert assess_statement(STATEMENT, [evidence(), evidence("worse", role="context")]).status == "reproduced"
    assert assess_statement(STATEMENT, [evidence(), evidence("inconclusive")]).status == "not reproduced"
    assert assess_statement(STATEMENT, []).status == "not reproduced"


def test_a_caveat_names_controls_that_may_explain_a_statement():
    unexplained = assess_statement(STATEMENT, [evidence(), evidence("better", role="control")])
    assert (unexplained.status, unexplained.caveat) == ("reproduced", "")
    explained = assess_statement(STATEMENT, [evidence(), evidence("inconclusive", role="control")])
    assert explained.status == "reproduced"
    assert "a control may explain it: this minus that +2 [+1, +3] points, inconclusive" in explained.caveat


def test_a_point_estimate_alone_is_not_enough_and_is_reported():
    assessment = assess_statement(STATEMENT, [evidence("inconclusive", low=-1.0)])
    assert assessment.status == "not reproduced"
    assert "the point estimate agrees" in assessment.caveat
    assert assess_statement(STATEMENT, [evidence("inconclusive", mean=-2.0)]).caveat == ""


@pytest.mark.parametrize(("low", "status"), [(-0.49, "reproduced"), (-0.5, "not reproduced")])
def test_not_worse_excludes_a_loss_of_the_margin(low, status):
    claim = dataclasses.replace(STATEMENT, criterion="not worse")
    assert assess_statement(claim, [evidence("inconclusive", low=low)]).status == status


def test_a_statement_with_too_few_seeds_is_not_run():
    assessment = assess_statement(
        STATEMENT, [paired_evidence("a minus b", "claim", np.ones(3), unit="points", margin=0.5)]
    )
    assert assessment.status == "not run"
    assert "4 seeds" in assessment.reason


@pytest.mark.parametrize(("difference", "verdict"), [(0.6, "better"), (0.4, "equivalent")])  # both are above 0
def test_the_verdict_of_a_paired_difference_uses_its_own_margin(difference, verdict):
    differences = difference + 0.01 * np.arange(8)
    assessment = paired_evidence("a minus b", "claim", differences, unit="dB", margin=0.5)
    assert assessment.verdict == verdict
    assert assessment.mean == pytest.approx(differences.mean())
