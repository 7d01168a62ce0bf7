"""When a claim counts as reproduced, at the edge of its tolerance."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from aejax.replication.claim import ComparativeClaim, Evidence, NumericClaim, Source, paired_evidence

COMMON: dict[str, Any] = {
    "name": "half",
    "statement": "it is a half",
    "source": Source("a book", "page 1", ""),
    "protocol": "none",
    "command": "none",
    "unit": "halves",
    "tolerance_reason": "because",
    "seeds": 3,
    "cost": "seconds",
}
NUMBER = NumericClaim(**COMMON, printed_values=("0.09",), tolerance=(0.005,), measure=lambda _: np.zeros((3, 1)))
STATEMENT = ComparativeClaim(**COMMON, criterion="better", gather_evidence=lambda _: [])


def assess_numbers(claim, per_seed):
    return claim.assess({"per_seed": per_seed.tolist()})


def assess_statement(claim, evidence):
    return claim.assess({"evidence": [one._asdict() for one in evidence]})


def evidence(verdict="better", *, role="claim", mean=2.0, low=1.0):
    return Evidence("this minus that", role, mean, [low, 3.0], "points", 0.5, verdict)


def test_a_mean_may_differ_by_the_tolerance_and_not_more():
    for mean, status in (
        (0.09, "reproduced"),
        (0.095, "reproduced"),  # .095 - .09 is above .005 in binary
        (0.085, "reproduced"),
        (0.09501, "not reproduced"),
        (0.08499, "not reproduced"),
    ):
        assert assess_numbers(NUMBER, np.full((3, 1), mean)).status == status, mean


def test_the_mean_decides_not_the_interval_or_the_best_seed():
    wide = np.array([[0.0], [0.09], [0.3]])
    assessment = assess_numbers(NUMBER, wide)
    low, high = assessment.ci95[0]
    assert low < 0.09 < high
    assert 0.09 in wide
    assert assessment.status == "not reproduced"


def test_every_entry_of_a_vector_has_to_be_within_its_own_tolerance():
    claim = dataclasses.replace(NUMBER, printed_values=("1", "2"), tolerance=(0.1, 0.01))
    assert assess_numbers(claim, np.array([[1.05, 2.005]])).status == "reproduced"
    assessment = assess_numbers(claim, np.array([[1.05, 2.05]]))
    assert assessment.status == "not reproduced"
    assert assessment.within == (True, False)
    assert assess_numbers(claim, np.array([[1.0]])).status == "not reproduced"  # a training that ended early


def test_a_mean_that_is_not_finite_is_not_reproduced():
    assert assess_numbers(NUMBER, np.array([[0.09], [np.nan], [0.09]])).status == "not reproduced"


def test_one_seed_has_no_interval():
    assert assess_numbers(NUMBER, np.array([[0.09]])).ci95 == (None,)


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


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        (0.6 + 0.01 * np.arange(8), "better"),
        (-0.6 - 0.01 * np.arange(8), "worse"),
        (0.4 + 0.01 * np.arange(8), "equivalent"),  # certainly above 0, but smaller than the margin
        (np.array([-3.0, 4.0, -2.0, 3.0, -1.0, 2.0, 1.0, -0.5]), "inconclusive"),
    ],
)
def test_the_verdict_of_a_paired_difference_uses_its_own_margin(differences, verdict):
    assessment = paired_evidence("a minus b", "claim", differences, unit="dB", margin=0.5)
    assert assessment.verdict == verdict
    assert assessment.mean == pytest.approx(differences.mean())
