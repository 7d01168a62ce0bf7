"""A console for tests: what it prints can be read from `console.file`."""

import io

from rich.console import Console


def quiet() -> Console:
    """Returns a console that prints into memory, 200 columns wide."""
    return Console(file=io.StringIO(), width=200)
