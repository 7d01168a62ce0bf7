"""The console that a command prints to."""

import os

from rich.console import Console


def make_console() -> Console:
    """Returns the console of a script: as wide as `COLUMNS` or the terminal, or plain and 100 wide without either.

    Only the primary process prints.
    """
    from aejax.experiments.multihost import is_primary

    if not is_primary():
        return Console(quiet=True)
    console = Console()
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=100)
