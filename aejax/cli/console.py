"""The console that a command prints to."""

from typing import TYPE_CHECKING

from aejax.config import OutputConfig

if TYPE_CHECKING:
    from aejax.report.terminal import RunConsole


def make_console(output: OutputConfig = OutputConfig()) -> "RunConsole":
    """Returns the console of a command; only the primary process prints."""
    from aejax.experiments.multihost import is_primary
    from aejax.report.terminal import RunConsole

    return RunConsole(output) if is_primary() else RunConsole(quiet=True)
