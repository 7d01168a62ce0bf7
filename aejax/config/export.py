"""How a trained encoder is published."""

import dataclasses
from typing import Literal

from aejax.errors import require

ExportFormat = Literal["orbax", "safetensors", "stablehlo"]
WeightsChoice = Literal["last", "best"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """What `export.py` publishes of a run, and in which formats."""

    seed: str = "best"
    """Whose encoder. best: of the lowest validation loss (training loss, where there are no validation rows) among the
    seeds that did not diverge; all: every seed's, stacked; or a seed's number."""
    weights: WeightsChoice = "last"  # after the last epoch, or after each seed's epoch of lowest validation loss
    formats: tuple[ExportFormat, ...] = ("orbax", "safetensors", "stablehlo")
    """orbax, safetensors: the arrays. stablehlo: the whole program, weights inside, for jax.export. The last two need
    pip install 'aejax[export]'."""

    def __post_init__(self) -> None:
        require(
            self.seed in ("best", "all") or (self.seed.isascii() and self.seed.isdigit()),
            f"--seed {self.seed}: expected best, all or a seed's number",
        )
        given = " ".join(self.formats)
        require(self.formats, "--formats: name at least one of orbax, safetensors, stablehlo")
        require(len(set(self.formats)) == len(self.formats), f"--formats {given}: each format once")
