"""The flags that commands which fill a run folder have in common, and the console that they print to."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from aejax.config import CheckpointConfig, DistributedConfig, OutputConfig

if TYPE_CHECKING:
    from aejax.report.terminal import RunConsole


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunFlags:
    """How a run is saved, divided over processes, and printed."""

    checkpoint: CheckpointConfig = CheckpointConfig()
    processes: DistributedConfig = DistributedConfig()
    output: OutputConfig = OutputConfig()


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingFlags(RunFlags):
    """The same, and where settings and kinds come from."""

    start_from: Annotated[Path | None, tyro.conf.arg(name="config")] = None
    """The config.json of an earlier run, or its folder: its settings are the defaults of the other flags."""
    plugin: tuple[Path, ...] = ()  # Python files that register kinds of your own by aejax.register; they are run


def make_console(output: OutputConfig = OutputConfig()) -> "RunConsole":
    """Returns the console of a command; only the primary process prints."""
    from aejax.experiments.multihost import is_primary
    from aejax.report.terminal import RunConsole

    return RunConsole(output) if is_primary() else RunConsole(quiet=True)
