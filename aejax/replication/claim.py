"""What somebody published, where, under which protocol, and the function that runs it again."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from aejax.config import ExperimentConfig, to_dict
from aejax.replication.context import ClaimContext

Requirement = Literal["MNIST", "an accelerator"]
Role = Literal["claim", "control", "beside"]
"""claim: what the source says; control: what could explain it; beside: shown and not judged."""
Criterion = Literal["better", "as well"]
"""better: the verdict is `better`; as well: the interval lies above minus the margin, so not worse by as much."""
Cost = Literal["seconds", "a minute", "minutes", "hours"]  # on two CPU cores: below 20 s, 90 s, 20 min, and above


class Source(NamedTuple):
    """Where a claim was published."""

    title: str
    place: str  # the section, figure or line of output
    url: str  # empty: not known any more


class Evidence(NamedTuple):
    """One paired comparison that bears on a claim in words."""

    what: str  # what is taken from what
    role: Role
    mean: float
    ci95: list[float] | None
    unit: str
    margin: float  # differences inside it make no practical difference
    verdict: str  # of `aejax.evaluate.comparisons.verdict`, for the difference


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """A published number, or a statement in words that comparisons can bear out."""

    name: str
    statement: str  # what the source says, in a sentence
    source: Source
    protocol: str  # what is done, in words, with every known difference from the source
    command: str  # what does it: a script's command line, or library calls
    unit: str  # of the numbers
    printed_values: tuple[str, ...] = ()  # the published numbers as the source prints them; none: a statement in words
    tolerance: tuple[float, ...] = ()  # how far the mean may be from each and still reproduce it
    criterion: Criterion | None = None  # of a statement: what its comparisons have to show
    tolerance_reason: str  # why that tolerance, or that demand
    seeds: int  # independent repetitions; 1: nothing is drawn, and --seeds changes nothing
    requirements: tuple[Requirement, ...] = ()
    cost: Cost
    configs: tuple[ExperimentConfig, ...] = ()  # what the library is asked for; none: scikit-learn or NumPy alone
    measure: Callable[[ClaimContext], Float[np.ndarray, "seeds entries"]] | None = None  # of a number
    gather_evidence: Callable[[ClaimContext], list[Evidence]] | None = None  # of a statement

    @property
    def published_values(self) -> tuple[float, ...]:
        """The printed numbers."""
        return tuple(map(float, self.printed_values))

    def resolve_seeds(self, requested: int | None) -> int:
        """How many seeds are run if `asked` for, or by default."""
        return self.seeds if requested is None or self.seeds == 1 else requested

    def protocol_digest(self, seeds: int) -> str:
        """SHA-256 of the protocol: an earlier measurement with another one does not count.

        Published value and tolerance are left out: a result is judged anew each time.
        """
        settings = [to_dict(config) for config in self.configs]
        protocol = json.dumps([self.name, self.protocol, self.command, seeds, settings], sort_keys=True)
        return hashlib.sha256(protocol.encode()).hexdigest()
