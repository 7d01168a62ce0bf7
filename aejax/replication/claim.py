"""A published claim: what a source says, under which protocol, and the function that tests it."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from aejax.config import ExperimentConfig, to_dict
from aejax.replication.context import ClaimContext

Requirement = Literal["MNIST", "an accelerator"]
Role = Literal["claim", "control", "context"]
"""claim: what the source says; control: what could explain it; context: shown, but not part of the assessment."""
Criterion = Literal["better", "not worse"]
"""better: the verdict is `better`; not worse: the interval lies above minus the margin."""
Cost = Literal["seconds", "a minute", "minutes", "hours"]  # on two CPU cores: below 20 s, 90 s, 20 min, and above
EXACT_REASON = "nothing is drawn at random, so every printed digit must come out"
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
    verdict: str  # of `aejax.evaluate.comparisons.decide_verdict`, for the difference


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
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

    def criterion_to_dict(self) -> dict[str, Any]:
        """Returns the fields of the ledger that define when the claim is reproduced."""
        raise NotImplementedError

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
class NumericClaim(Claim):
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparativeClaim(Claim):
    """A statement in words, reproduced if every comparison that it makes meets the criterion."""

    criterion: Criterion
    gather_evidence: Callable[[ClaimContext], list[Evidence]]

    def criterion_to_dict(self) -> dict[str, Any]:
        """Returns the fields of the ledger that define when the claim is reproduced."""
        return {"printed": [], "tolerance": [], "demands": self.criterion}
