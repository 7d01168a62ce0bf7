"""Checkpoints and run folders. These settings change no result, so they are not part of a run's config."""

import dataclasses
from typing import Literal

from aejax.config.validation import require_at_least


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """Handling of an earlier run in the same folder, and how often to save."""

    overwrite: bool = False  # start again; an earlier run in the folder is moved aside until this one has finished
    save_every: float = 30.0  # minimum seconds of training between checkpoints; 0: after every training call
    keep: int = 2  # number of latest checkpoints to keep in addition to the best by validation loss
    figure_format: Literal["png", "svg", "pdf"] = "png"  # svg, pdf: every figure is in this format, too
    allow_fallback: bool = False  # if the latest checkpoint is damaged, continue from the previous one

    def __post_init__(self) -> None:
        require_at_least(0, self, "save_every")
        require_at_least(1, self, "keep")
