"""A published claim: what a source says, under which protocol, how it is measured, and whether that reproduces it.

Assessments are pure: a stored measurement is assessed again whenever it is read.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from aejax.config import ExperimentConfig, to_dict
from aejax.evaluate.intervals import seeds_interval
from aejax.evaluate.verdicts import decide_verdict, minimum_trainings
from aejax.replication.context import ClaimContext
from aejax.storage.atomic_io import to_jsonable

Status = Literal["reproduced", "not reproduced", "not run", "failed"]
Requirement = Literal["MNIST", "an accelerator"]
Role = Literal["claim", "control", "context"]
"""claim: what the source says; control: what could explain it; context: shown, but not part of the assessment."""
Criterion = Literal["better", "not worse"]
"""better: the verdict is `better`; not worse: the interval lies above minus the margin."""
Measurement = dict[str, Any]  # `per_seed` of a numeric claim, `evidence` of a comparative one, as JSON values
Cost = Literal["seconds", "a minute", "minutes", "hours"]  # on two CPU cores: below 20 s, 90 s, 20 min, and above
EXACT_REASON = "nothing is drawn at random, so every printed digit must come out"
ROUNDING_TOLERANCE = 1e-9  # .095 is within .005 of .09, despite binary fractions
ROUNDING_REASON = "half of the last printed digit: the source rounds, and says `about`"


class Source(NamedTuple):
    """Where a claim was published."""

    title: str
    place: str  # the section, figure or line of output
    url: str  # empty: not known any more


class Evidence(NamedTuple):
    """A paired comparison that supports or contradicts a claim in words."""

    what: str  # the two things that are compared
    role: Role
    mean: float
    ci95: list[float] | None
    unit: str
    margin: float  # smaller differences do not matter in practice
    verdict: str  # of `aejax.evaluate.verdicts.decide_verdict`, for the difference


class Assessment(NamedTuple):
    """A claim's status with its reasons."""

    status: Status
    reason: str = ""  # of `not run` and `failed`
    caveat: str = ""  # of a comparative claim: what the status does not show
    mean: tuple[float, ...] = ()  # of each published number
    ci95: tuple[list[float] | None, ...] = ()
    within: tuple[bool, ...] = ()  # whether each mean is within its tolerance


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaseClaim:
    """What all claims have in common."""

    name: str
    statement: str  # what the source says, in a sentence
    source: Source
    protocol: str  # what is done, in words, with every known difference from the source
    command: str  # the same as a script's command line or as library calls
    unit: str  # of the numbers
    tolerance_reason: str  # why this tolerance or criterion
    seeds: int  # independent repetitions; 1: nothing is random, and --seeds has no effect
    requirements: tuple[Requirement, ...] = ()
    cost: Cost
    configs: tuple[ExperimentConfig, ...] = ()  # of the experiments; none: scikit-learn or NumPy alone

    def resolve_seeds(self, requested: int | None) -> int:
        """Returns the number of seeds to run; None requests the default."""
        return self.seeds if requested is None or self.seeds == 1 else requested

    def protocol_digest(self, seeds: int) -> str:
        """Returns the SHA-256 of the protocol: a measurement under another protocol is not reused.

        Published values and tolerances are not included: a measurement is assessed again whenever it is read.
        """
        settings = [to_dict(config) for config in self.configs]
        protocol = json.dumps([self.name, self.protocol, self.command, seeds, settings], sort_keys=True)
        return hashlib.sha256(protocol.encode()).hexdigest()


@dataclasses.dataclass(frozen=True, kw_only=True)
class NumericClaim(BaseClaim):
    """Published numbers, reproduced if the mean over seeds is within the tolerance of each."""

    printed_values: tuple[str, ...]  # as the source prints them
    tolerance: tuple[float, ...]  # of each number
    measure: Callable[[ClaimContext], Float[np.ndarray, "seeds entries"]]

    @property
    def published_values(self) -> tuple[float, ...]:
        """The printed numbers."""
        return tuple(map(float, self.printed_values))

    def criterion_to_dict(self) -> dict[str, Any]:
        """Returns the fields of the ledger that define when the claim is reproduced."""
        return {"printed": list(self.printed_values), "tolerance": list(self.tolerance), "demands": None}

    def run(self, context: ClaimContext) -> Measurement:
        """Returns the numbers of every seed."""
        return to_jsonable({"per_seed": np.asarray(self.measure(context), np.float64)})

    def assess(self, measurement: Measurement) -> Assessment:
        """Compares the mean over seeds of every entry with the published number.

        The claim is reproduced if all are within their tolerance. Student's t interval over seeds is reported but does
        not decide: a wide one would reproduce anything. A mean that is not finite, or another number of entries, is not
        reproduced.
        """
        per_seed = np.array(measurement["per_seed"], np.float64)
        means = per_seed.mean(axis=0)
        within = tuple(map(_is_within, means, self.published_values, self.tolerance))
        complete = len(means) == len(self.published_values)
        return Assessment(
            "reproduced" if complete and all(within) else "not reproduced",
            mean=tuple(map(float, means)),
            ci95=tuple(seeds_interval(column) for column in per_seed.T),
            within=within,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparativeClaim(BaseClaim):
    """A statement in words, reproduced if every comparison that it makes meets the criterion."""

    criterion: Criterion
    gather_evidence: Callable[[ClaimContext], list[Evidence]]

    def criterion_to_dict(self) -> dict[str, Any]:
        """Returns the fields of the ledger that define when the claim is reproduced."""
        return {"printed": [], "tolerance": [], "demands": self.criterion}

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
        if claimed and not unmet:
            explanations = [one for one in evidence if one.role == "control" and one.verdict != "better"]
            caveat = (
                "a control may explain it: " + "; ".join(map(format_evidence, explanations)) if explanations else ""
            )
            return Assessment("reproduced", caveat=caveat)
        agrees = all(one.mean > 0 for one in unmet)
        return Assessment("not reproduced", caveat="the point estimate agrees, the interval does not" if agrees else "")

    def _is_met_by(self, evidence: Evidence) -> bool:
        if self.criterion == "better":
            return evidence.verdict == "better"
        return evidence.ci95 is not None and evidence.ci95[0] > -evidence.margin


Claim = NumericClaim | ComparativeClaim


def _is_within(mean: float, published: float, tolerance: float) -> bool:
    slack = ROUNDING_TOLERANCE * (tolerance + abs(published))
    return bool(math.isfinite(mean) and abs(mean - published) <= tolerance + slack)


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
