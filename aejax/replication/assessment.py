"""Whether a measurement reproduces a claim. Pure: a stored measurement is assessed again whenever it is read."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from aejax.evaluate.comparisons import MIN_SEEDS, decide_verdict
from aejax.evaluate.intervals import seeds_interval
from aejax.evaluate.significance import sign_flip_p
from aejax.replication.claim import ComparativeClaim, Evidence, NumericClaim, Role

Status = Literal["reproduced", "not reproduced", "not run", "failed"]
ROUNDING_TOLERANCE = 1e-9  # .095 is within .005 of .09, despite binary fractions


class Assessment(NamedTuple):
    """A claim's status with its reasons."""

    status: Status
    reason: str = ""  # of `not run` and `failed`
    caveat: str = ""  # of a comparative claim: what the status does not show
    mean: tuple[float, ...] = ()  # of each published number
    ci95: tuple[list[float] | None, ...] = ()
    within: tuple[bool, ...] = ()  # whether each mean is within its tolerance


def _is_within(mean: float, published: float, tolerance: float) -> bool:
    slack = ROUNDING_TOLERANCE * (tolerance + abs(published))
    return bool(math.isfinite(mean) and abs(mean - published) <= tolerance + slack)


def assess_numbers(claim: NumericClaim, per_seed: Float[np.ndarray, "seeds entries"]) -> Assessment:
    """Compares the mean over seeds of every entry with the published number; `reproduced` if all are within tolerance.

    Student's t interval over seeds is reported but does not decide: a wide one would reproduce anything. A mean that is
    not finite, or another number of entries, is not reproduced.
    """
    means = per_seed.mean(axis=0)
    within = tuple(map(_is_within, means, claim.published_values, claim.tolerance))
    complete = len(means) == len(claim.published_values)
    return Assessment(
        "reproduced" if complete and all(within) else "not reproduced",
        mean=tuple(map(float, means)),
        ci95=tuple(seeds_interval(column) for column in per_seed.T),
        within=within,
    )


def assess_statement(claim: ComparativeClaim, evidence: Sequence[Evidence]) -> Assessment:
    """Applies the claim's criterion to its comparisons; `reproduced` if all of them meet it.

    The caveat names controls that are not `better` and could thus explain the result, or reports that only the point
    estimates agree with the claim.
    """
    claimed = [one for one in evidence if one.role == "claim"]
    if any(one.verdict == "too few seeds" for one in claimed):
        return Assessment("not run", f"needs at least {MIN_SEEDS} seeds for a verdict: leave --seeds out")
    unmet = [one for one in claimed if not _meets_criterion(one, claim)]
    if claimed and not unmet:
        explanations = [one for one in evidence if one.role == "control" and one.verdict != "better"]
        caveat = "a control may explain it: " + "; ".join(map(format_evidence, explanations)) if explanations else ""
        return Assessment("reproduced", caveat=caveat)
    agrees = all(one.mean > 0 for one in unmet)
    return Assessment("not reproduced", caveat="the point estimate agrees, the interval does not" if agrees else "")


def _meets_criterion(evidence: Evidence, claim: ComparativeClaim) -> bool:
    if claim.criterion == "better":
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
    interval over seeds, p value by sign flips.
    """
    interval, p = seeds_interval(differences), sign_flip_p(differences)
    mean = float(differences.mean())
    p_values = [1.0 if p is None else p]  # a single seed has none, and no verdict
    verdict = decide_verdict(mean, interval or (-math.inf, math.inf), p_values, len(differences), margin)
    return Evidence(description, role, mean, interval, unit, margin, verdict)
