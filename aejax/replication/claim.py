"""A published claim: what a source says, under which protocol, how it is measured, and whether that reproduces it.

Assessments are pure: a stored measurement is assessed again whenever it is read.

A source that prints one run printed one draw. It agrees with ours if it lies where another draw of ours would lie, in
the prediction interval mean of n runs -+ t(n - 1) s sqrt(1/m + 1/n), for the mean of the source's m runs (Hahn and
Meeker 1991, Statistical Intervals, section 4.8), and half a unit of the last printed digit for rounding.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from aejax.config import ExperimentConfig
from aejax.evaluate.intervals import seeds_interval
from aejax.evaluate.verdicts import decide_verdict, minimum_trainings
from aejax.replication.context import PROTOCOL_VERSION, ClaimContext, changed_settings
from aejax.storage.atomic_io import to_jsonable

Status = Literal["reproduced", "not reproduced", "uninformative", "measured", "not run", "failed"]
"""uninformative: our runs differ so much that the interval would contain almost any number; measured: the row has no
published number."""
Requirement = Literal["MNIST", "mnist1d", "an accelerator"]
Rule = Literal["prediction interval", "exact", "tolerance"]
"""exact: nothing is random, and every printed digit must come out; tolerance: the source says `about`."""
PerSeed = Float[np.ndarray, "seeds *entries"]  # one number of each seed, or as many as the source prints
Role = Literal["claim", "control", "context"]
"""claim: what the source says; control: what could explain it; context: shown, but not part of the assessment."""
Criterion = Literal["better", "not worse"]
"""better: the verdict is `better`; not worse: the interval lies above minus the margin."""
Measurement = dict[str, Any]  # `per_seed` of numbers, `evidence` of a comparative claim, as JSON values
Cost = Literal["seconds", "a minute", "minutes", "hours"]  # on two CPU cores: below 20 s, 90 s, 20 min, and above
EXACT_REASON = "nothing is drawn at random, so every printed digit must come out"
LEVEL = 0.95  # of the prediction intervals of a claim together: each of k has 1 - .05 / k (Bonferroni)
ROUNDING_TOLERANCE = 1e-9  # .095 is within .005 of .09, despite binary fractions
ROUNDING_REASON = "half of the last printed digit: the source rounds, and says `about`"


class Source(NamedTuple):
    """Where a claim was published."""

    title: str
    place: str  # the section, figure or line of output
    url: str  # empty: not known any more, so that the claim does not count as published


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
    reason: str = ""  # of `not run`, `failed` and `uninformative`
    caveat: str = ""  # what the status does not show
    mean: tuple[float, ...] = ()  # of each published number
    ci95: tuple[list[float] | None, ...] = ()  # of the means
    accepted: tuple[list[float], ...] = ()  # range in which each published number agrees with ours
    within: tuple[bool, ...] = ()  # whether it lies there


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaseClaim:
    """What all claims have in common."""

    name: str
    statement: str  # what the source says, in a sentence
    source: Source
    protocol: str  # what is done, in words, with every known difference from the source
    command: str  # the same as a script's command line or as library calls
    unit: str  # of the numbers
    criterion_reason: str  # why this criterion, tolerance or greatest width
    seeds: int  # independent repetitions; 1: nothing is random, and --seeds has no effect
    requirements: tuple[Requirement, ...] = ()
    cost: Cost
    configs: tuple[ExperimentConfig, ...] = ()  # of the experiments; none: independent of this package's defaults
    caveat: str = ""  # shown with the status
    missing: str = ""  # why it cannot be run here
    measure: Callable[[ClaimContext], PerSeed | list[Evidence]]  # a claim in words has comparisons, others numbers

    def resolve_seeds(self, requested: int | None) -> int:
        """Returns the number of seeds to run; None requests the default."""
        return self.seeds if requested is None or self.seeds == 1 else requested

    def run(self, context: ClaimContext) -> Measurement:
        """Returns the numbers of every seed, or the comparisons."""
        measured = self.measure(context)
        if isinstance(measured, list):
            return to_jsonable({"evidence": [one._asdict() for one in measured]})
        return to_jsonable({"per_seed": np.asarray(measured, np.float64).reshape(len(measured), -1)})

    def protocol_digest(self, seeds: int) -> str:
        """Returns the SHA-256 of the protocol: a measurement under another protocol is not reused.

        Of a config only what differs from the defaults is included, so that new settings with a default keep the
        digest; where a default changes, PROTOCOL_VERSION is raised. Published values and criteria are not included: a
        measurement is assessed again whenever it is read.
        """
        settings = [[type(config).__name__, changed_settings(config)] for config in self.configs]
        versioned = [PROTOCOL_VERSION, *settings] if settings else []
        protocol = json.dumps([self.name, self.protocol, self.command, seeds, versioned], sort_keys=True)
        return hashlib.sha256(protocol.encode()).hexdigest()


@dataclasses.dataclass(frozen=True, kw_only=True)
class NumericClaim(BaseClaim):
    """Published numbers, reproduced if each lies in the range that our runs allow for it. By default exact ones."""

    criterion_reason: str = EXACT_REASON
    seeds: int = 1
    printed_values: tuple[str, ...]  # as the source prints them
    source_runs: int = 1  # whose mean the source prints
    tolerance: tuple[float, ...] = ()  # of each number, only where the source says `about`
    max_half_width: tuple[float, ...] = ()
    """Of each number's prediction interval; a wider one is uninformative, as it would contain almost any number."""

    @property
    def rule(self) -> Rule:
        """How published and measured numbers are compared."""
        return "tolerance" if self.tolerance else "exact" if self.seeds == 1 else "prediction interval"

    def criterion_to_dict(self) -> dict[str, Any]:
        """Returns the fields of the ledger that define when the claim is reproduced."""
        return {
            "role": "claim",
            "printed": list(self.printed_values),
            "rule": self.rule,
            "source_runs": self.source_runs,
            "tolerance": list(self.tolerance),
            "max_half_width": list(self.max_half_width),
            "demands": None,
        }

    def assess(self, measurement: Measurement) -> Assessment:
        """Compares every published number with the range around our mean; all have to lie in theirs.

        A mean that is not finite, or another number of entries, is not reproduced. A number in a range that is wider
        than `max_half_width` on either side is neither reproduced nor refuted.
        """
        per_seed = np.array(measurement["per_seed"], np.float64)
        if self.rule == "prediction interval" and len(per_seed) < 2:
            return Assessment("not run", "a prediction interval needs at least 2 seeds: leave --seeds out")
        means, half_widths = per_seed.mean(axis=0), self._half_widths(per_seed)
        within = tuple(map(_is_within, means, map(float, self.printed_values), half_widths))
        complete = len(means) == len(self.printed_values)
        reproduced = complete and all(within)
        wide = reproduced and any(half > limit for half, limit in zip(half_widths, self.max_half_width, strict=False))
        return Assessment(
            "uninformative" if wide else "reproduced" if reproduced else "not reproduced",
            reason="the interval is too wide to tell" if wide else "",
            caveat=self.caveat,
            mean=tuple(map(float, means)),
            ci95=tuple(seeds_interval(column) for column in per_seed.T),
            accepted=tuple(
                [float(mean - half), float(mean + half)] for mean, half in zip(means, half_widths, strict=False)
            ),
            within=within,
        )

    def _half_widths(self, per_seed: Float[np.ndarray, "seeds entries"]) -> Float[np.ndarray, " numbers"]:
        rounding = np.array([half_last_digit(text) for text in self.printed_values])
        if self.rule != "prediction interval":
            return np.array(self.tolerance) if self.tolerance else rounding
        seeds, entries = per_seed.shape
        quantile = stats.t.ppf(1 - (1 - LEVEL) / (2 * entries), seeds - 1)
        random = quantile * per_seed.std(axis=0, ddof=1) * np.sqrt(1 / self.source_runs + 1 / seeds)
        return random + rounding[:entries]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProtocolEffect(BaseClaim):
    """What a fault of protocol buys: a paired difference, faulty minus correct, that no source has published."""

    def criterion_to_dict(self) -> dict[str, Any]:
        """Returns the fields of the ledger that define what kind of row this is."""
        return {"role": "protocol", "printed": [], "demands": None}

    def assess(self, measurement: Measurement) -> Assessment:
        """Returns the mean difference with Student's t interval over seeds; there is nothing to reproduce."""
        per_seed = np.array(measurement["per_seed"], np.float64)[:, 0]
        return Assessment("measured", "", self.caveat, (float(per_seed.mean()),), (seeds_interval(per_seed),))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparativeClaim(BaseClaim):
    """A statement in words, reproduced if every comparison that it makes meets the criterion."""

    criterion: Criterion

    def criterion_to_dict(self) -> dict[str, Any]:
        """Returns the fields of the ledger that define when the claim is reproduced."""
        return {"role": "claim", "printed": [], "demands": self.criterion}

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


def half_last_digit(printed: str) -> float:
    """Returns half a unit of a printed number's last digit.

    >>> half_last_digit("0.9394"), half_last_digit("8.8e-4"), half_last_digit("32")
    (5e-05, 5e-06, 0.5)
    """
    exponent = Decimal(printed).as_tuple().exponent
    assert isinstance(exponent, int)  # not of infinity or NaN
    return float(Decimal("0.5").scaleb(exponent))


def _is_within(mean: float, published: float, half_width: float) -> bool:
    slack = ROUNDING_TOLERANCE * (half_width + abs(published))
    return bool(math.isfinite(mean) and abs(mean - published) <= half_width + slack)
