"""How a trained autoencoder is explored."""

import dataclasses
from pathlib import Path

from aejax.errors import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExploreConfig:
    """What `explore.py` shows of a run, and what it trains again."""

    seed: int = 0  # whose autoencoder is drawn; errors, PSNR and compression are given for every seed
    anomaly_class: str | None = None
    """Class that seed 0 is trained again without, to be found by its strangeness: its name, `all` for each in turn, or
    `none`. Default: the first class."""
    anomaly_epochs: int | None = None  # epochs of that training; default: as many as the run had
    data_dir: Path | None = None  # where the run's dataset is looked for, if it has moved

    def __post_init__(self) -> None:
        require(self.seed >= 0, f"--seed {self.seed}: expected at least 0")
        require(
            self.anomaly_epochs is None or self.anomaly_epochs >= 1,
            f"--anomaly-epochs {self.anomaly_epochs}: expected at least 1",
        )
