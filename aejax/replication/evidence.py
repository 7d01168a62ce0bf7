"""Paired comparisons that support or contradict a claim in words."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from aejax.evaluate.intervals import seeds_interval
from aejax.evaluate.verdicts import decide_verdict, minimum_trainings
from aejax.replication.claim import Assessment, BaseClaim, Measurement
from aejax.replication.context import ClaimContext
from aejax.storage.atomic_io import to_jsonable

Role = Literal["claim", "control", "context"]
"""claim: what the source says; control: what could explain it; context: shown, but not part of the assessment."""
Criterion = Literal["better", "not worse"]
"""better: the verdict is `better`; not worse: the interval lies above minus the margin."""


class Evidence(NamedTuple):
    """A paired comparison that supports or contradicts a claim in words."""

    what: str  # the two things that are compared
    role: Role
    mean: float
    ci95: list[float] | None
    unit: str
    margin: float  # smaller differences do not matter in practice
    verdict: str  # of `aejax.evaluate.verdicts.decide_verdict`, for the difference


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparativeClaim(BaseClaim):
    """A statement in words, reproduced if every comparison that it makes meets the criterion."""

    criterion: Criterion
    gather_evidence: Callable[[ClaimContext], list[Evidence]]

    def criterion_to_dict(self) -> dict[str, Any]:
        """Returns the fields of the ledger that define when the claim is reproduced."""
        return {"role": "claim", "printed": [], "demands": self.criterion}

    def run(self, context: ClaimContext) -> Measurement:
        """Returns the comparisons."""
        return to_jsonable({"evidence": [one._asdict() for one in self.gather_evidence(context)]})

    def assess(self, measurement: Measurement) -> Assessment:
        """Applies the criterion to the claim's own comparisons; `reproduced` if all of them meet it.

        The caveat names controls that are not `better` and could thus explain the result, or reports that only the
        point estimates agree with the claim.
        """
        evidence = [Evidence(**one) for one in measurement["evidence"]]
        claimed = [one for one in evidence if one.role == "claim"]
        if any(one.verdict == "too few seeds" for one in claimed):
            return Assessment(
                "not run", f"needs at least {minimum_trainings(1)} seeds for a verdict: leave --seeds out"
            )
        unmet = [one for one in claimed if not self._is_met_by(one)]
        caveats = [self.caveat] if self.caveat else []
        if claimed and not unmet:
            explanations = [one for one in evidence if one.role == "control" and one.verdict != "better"]
            if explanations:
                caveats.insert(0, "a control may explain it: " + "; ".join(map(format_evidence, explanations)))
            return Assessment("reproduced", caveat="; ".join(caveats))
        if all(one.mean > 0 for one in unmet):
            caveats.insert(0, "the point estimate agrees, the interval does not")
        return Assessment("not reproduced", caveat="; ".join(caveats))

    def _is_met_by(self, evidence: Evidence) -> bool:
        if self.criterion == "better":
            return evidence.verdict == "better"
        return evidence.ci95 is not None and evidence.ci95[0] > -evidence.margin


def format_evidence(evidence: Evidence) -> str:
    """Returns `code minus raw +2.94 [+0.85, +5.21] points, better`."""
    interval = "" if evidence.ci95 is None else f" [{evidence.ci95[0]:+.3g}, {evidence.ci95[1]:+.3g}]"
    return f"{evidence.what} {evidence.mean:+.3g}{interval} {evidence.unit}, {evidence.verdict}"


def paired_evidence(
    description: str, role: Role, differences: Float[np.ndarray, " seeds"], *, unit: str, margin: float
) -> Evidence:
    """Returns evidence from one difference for each seed, which the claim says is positive.

    The verdict follows the same rule as for accuracies, with this margin (in the unit of the differences): Student's t
    interval over seeds.
    """
    interval, mean = seeds_interval(differences), float(differences.mean())
    enough = interval is not None and len(differences) >= minimum_trainings(1)
    verdict = decide_verdict(interval, margin) if interval is not None and enough else "too few seeds"
    return Evidence(description, role, mean, interval, unit, margin, verdict)
