"""How a run folder is kept. Nothing here changes a number, so none of it is part of a run's config."""

import dataclasses

from aejax.errors import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """What becomes of an earlier run, and how much an interruption may cost."""

    overwrite: bool = False  # make the run anew; another one in that folder is moved aside until this one has finished
    save_every: float = 30.0  # seconds of training between two checkpoints, at least; 0: after every call of a program
    keep: int = 2  # latest checkpoints of a training that stay, beside the best by validation
    allow_fallback: bool = False  # where the latest checkpoint is damaged, go on from the one before

    def __post_init__(self) -> None:
        require(self.save_every >= 0, f"--save-every {self.save_every}: expected at least 0")
        require(self.keep >= 1, f"--keep {self.keep}: expected at least 1")
