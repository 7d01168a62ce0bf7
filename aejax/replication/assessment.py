"""What a measurement says of a claim. Pure: a stored measurement is judged anew whenever it is read."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from aejax.evaluate.comparisons import MIN_SEEDS, decide_verdict
from aejax.evaluate.intervals import seeds_interval
from aejax.evaluate.significance import sign_flip_p
from aejax.replication.claim import Claim, Evidence, Role

Status = Literal["reproduced", "not reproduced", "not run", "failed"]
ROUNDING_TOLERANCE = 1e-9  # .095 is within .005 of .09, which binary fractions would deny


class Assessment(NamedTuple):
    """A claim's status and what it rests on."""

    status: Status
    reason: str = ""  # of not run and failed: why
    caveat: str = ""  # of a statement: what the status does not say
    mean: tuple[float, ...] = ()  # of each published number
    ci95: tuple[list[float] | None, ...] = ()
    within: tuple[bool, ...] = ()  # whether each is within its tolerance


def assess_numbers(claim: Claim, per_seed: Float[np.ndarray, "seeds entries"]) -> Assessment:
    """reproduced: the mean over seeds of every entry is within its tolerance of the published number, `<=`.

    The interval, Student's t over seeds, is shown beside it and does not decide: a wide one would reproduce anything. A
    mean that is not finite reproduces nothing. Nor does a measurement with another number of entries.
    """
    means = per_seed.mean(axis=0)
    pairs = list(zip(means, claim.published_values, claim.tolerance, strict=False))
    within = tuple(
        bool(
            math.isfinite(mean)
            and abs(mean - printed) <= tolerance * (1 + ROUNDING_TOLERANCE) + ROUNDING_TOLERANCE * abs(printed)
        )
        for mean, printed, tolerance in pairs
    )
    complete = len(means) == len(claim.published_values)
    return Assessment(
        "reproduced" if complete and all(within) else "not reproduced",
        mean=tuple(map(float, means)),
        ci95=tuple(seeds_interval(column) for column in per_seed.T),
        within=within,
    )


def assess_statement(claim: Claim, evidence: Sequence[Evidence]) -> Assessment:
    """reproduced: every comparison that the claim makes shows what it demands.

    The caveat says when that is not all: a comparison with a control that does not come out `better` could explain
    what was found; and a difference may have the sign that the claim needs and no verdict.
    """
    claimed = [own for own in evidence if own.role == "claim"]
    if any(own.verdict == "too few seeds" for own in claimed):
        return Assessment("not run", f"needs at least {MIN_SEEDS} seeds for a verdict: leave --seeds out")
    short = [own for own in claimed if not _meets_criterion(own, claim)]
    if claimed and not short:
        explained = [own for own in evidence if own.role == "control" and own.verdict != "better"]
        caveat = "a control may explain it: " + "; ".join(map(format_evidence, explained)) if explained else ""
        return Assessment("reproduced", caveat=caveat)
    agrees = all(own.mean > 0 for own in short)
    return Assessment("not reproduced", caveat="the point estimate agrees, the interval does not" if agrees else "")


def _meets_criterion(evidence: Evidence, claim: Claim) -> bool:
    if claim.criterion == "better":
        return evidence.verdict == "better"
    return evidence.ci95 is not None and evidence.ci95[0] > -evidence.margin


def format_evidence(evidence: Evidence) -> str:
    """`code less raw +2.94 [+0.85, +5.21] points, better`."""
    interval = "" if evidence.ci95 is None else f" [{evidence.ci95[0]:+.3g}, {evidence.ci95[1]:+.3g}]"
    return f"{evidence.what} {evidence.mean:+.3g}{interval} {evidence.unit}, {evidence.verdict}"


def paired_evidence(
    description: str,
    role: Role,
    differences: Float[np.ndarray, " seeds"],
    *,
    unit: str,
    margin: float,
) -> Evidence:
    """Evidence from one difference for each seed, above 0 where the claim has it.

    The verdict is the one that accuracies get, with `margin`, in the differences' unit, in place of theirs: interval by
    Student's t over seeds, p by sign flips.
    """
    interval, p = seeds_interval(differences), sign_flip_p(differences)
    mean = float(differences.mean())
    p_values = [1.0 if p is None else p]  # a single seed has none, and no verdict
    found = decide_verdict(mean, interval or (-math.inf, math.inf), p_values, len(differences), margin)
    return Evidence(description, role, mean, interval, unit, margin, found)
