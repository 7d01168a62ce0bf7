"""Checkpoints, run folders and trackers. These settings change no result, so they are not part of a run's config."""

import dataclasses
from typing import Literal

from aejax.config.validation import require_at_least


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """Handling of an earlier run in the same folder, how often to save, and where else to log."""

    overwrite: bool = False  # start again; an earlier run in the folder is moved aside until this one has finished
    save_every: float = 30.0  # minimum seconds of training between checkpoints; 0: after every training call
    keep: int = 2  # number of latest checkpoints to keep in addition to the best by validation loss
    figure_format: Literal["png", "svg", "pdf"] = "png"  # svg, pdf: every figure is in this format, too
    allow_fallback: bool = False  # if the latest checkpoint is damaged, continue from the previous one

    track: tuple[Literal["tensorboard", "wandb", "trackio", "mlflow"], ...] = ()
    """Send losses of every epoch and seed, figures and verdicts to these tools, too, as each method ends."""

    def __post_init__(self) -> None:
        require_at_least(0, self, "save_every")
        require_at_least(1, self, "keep")
