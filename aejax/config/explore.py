"""Exploration of a trained autoencoder."""

import dataclasses
from pathlib import Path

from aejax.config.validation import require_at_least


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExploreConfig:
    """Settings of `explore.py`."""

    seed: int = 0  # seed whose autoencoder is drawn; errors, PSNR and compression cover every seed
    anomaly_class: str | None = None
    """Class left out when seed 0 is trained again for anomaly detection: a name, `all` (each class once) or `none`.
    Default: the first class."""
    anomaly_epochs: int | None = None  # epochs of the anomaly training; default: those of the run
    data_dir: Path | None = None  # folder of the run's dataset, if it has moved

    def __post_init__(self) -> None:
        require_at_least(0, self, "seed")
        require_at_least(1, self, "anomaly_epochs")
