"""Publication of a trained encoder."""

import dataclasses
from typing import Literal

from aejax.errors import require

ExportFormat = Literal["orbax", "safetensors", "stablehlo"]
WeightsChoice = Literal["last", "best"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Settings of `export.py`."""

    seed: str = "best"
    """The seed to publish. best: lowest validation loss (training loss without validation rows) among seeds that did
    not diverge; all: every seed, stacked; or the number of a seed."""
    weights: WeightsChoice = "last"  # after the last epoch, or after each seed's epoch of lowest validation loss
    formats: tuple[ExportFormat, ...] = ("orbax", "safetensors", "stablehlo")
    """orbax, safetensors: the arrays. stablehlo: the whole program, weights inside, for jax.export. The last two need
    pip install 'aejax[export]'."""

    def __post_init__(self) -> None:
        require(
            self.seed in ("best", "all") or (self.seed.isascii() and self.seed.isdigit() and len(self.seed) < 10),
            f"--seed {self.seed[:20]}: expected best, all or a seed's number",
        )
        given = " ".join(self.formats)
        require(self.formats, "--formats: name at least one of orbax, safetensors, stablehlo")
        require(len(set(self.formats)) == len(self.formats), f"--formats {given}: each format once")
