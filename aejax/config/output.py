"""What a command prints. No file depends on it, so it is not part of a run's config."""

import dataclasses

from aejax.errors import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutputConfig:
    """How much is printed."""

    details: bool = False  # after the run, every table: NLL, calibration, codes, diagnostics, seconds, p-values
    verbose: bool = False  # before the run, the layers, shapes, parameters and FLOPs of every model
    quiet: bool = False  # neither the plan nor the progress, only the results and warnings
    json: bool = False  # the results as JSON on standard output; everything else goes to standard error

    def __post_init__(self) -> None:
        require(not (self.quiet and (self.details or self.verbose)), "--quiet: leave out --details and --verbose")
