"""Consoles for tests: what they print can be read."""

import io
from typing import Any

from rich.console import Console, RenderableType


def quiet() -> Console:
    """Returns a console that prints into memory, 200 columns wide."""
    return Console(file=io.StringIO(), width=200)


def render(renderable: RenderableType, width: int = 100, **options: Any) -> str:
    """Returns what a console of this width prints."""
    console = Console(file=io.StringIO(), width=width, **options)
    console.print(renderable)
    return console.file.getvalue()
