"""The flags that commands which fill a run folder have in common."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from aejax.config import CheckpointConfig, DistributedConfig, OutputConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunFlags:
    """How a run is saved, divided over processes, and printed, and where kinds come from."""

    checkpoint: CheckpointConfig = CheckpointConfig()
    processes: DistributedConfig = DistributedConfig()
    output: OutputConfig = OutputConfig()
    plugin: tuple[Path, ...] = ()  # Python files that register kinds of your own by aejax.register; they are run


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingFlags(RunFlags):
    """The same, and where settings come from."""

    start_from: Annotated[Path | None, tyro.conf.arg(name="config")] = None
    """The config.json of an earlier run, or its folder: its settings are the defaults of the other flags, also those
    that were chosen there by its data and flags: with other --epochs or --scaler, give what follows from them, too."""
