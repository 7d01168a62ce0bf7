"""What is printed on a terminal: the console of a run, and its results when it has ended."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from aejax.config import OutputConfig
from aejax.errors import escape_unprintable
from aejax.storage.atomic_io import to_jsonable

PIPED_WIDTH = 100


class RunConsole(Console):
    """A console that shows text as it is: without markup, and with control codes escaped.

    It is as wide as `COLUMNS` or the terminal, or plain and 100 wide without either.
    """

    def __init__(self, output: OutputConfig = OutputConfig(), **options: Any) -> None:
        """Makes the console.

        Args:
            output: how much is printed.
            options: of `rich.console.Console`.
        """
        options = {"markup": False, "highlight": False, "emoji": False, "stderr": output.json, **options}
        super().__init__(**{"quiet": output.quiet, **options})
        self.output = output
        if "width" not in options and not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = PIPED_WIDTH

    def render_str(self, text: str, **options: Any) -> Text:
        """Returns text of unknown origin, as `print` shows it."""
        return super().render_str("\n".join(map(escape_unprintable, text.split("\n"))), **options)

    def print_line(self, line: str) -> None:
        """Prints a line, which is not broken if the output is piped."""
        self.print(line, soft_wrap=not self.is_terminal)


def print_results(
    console: RunConsole, results: Mapping[str, Any], shown: RenderableType, out: Path, files: str
) -> None:
    """Prints the results of a run that has ended.

    Args:
        console: of the run; with `--quiet` it shows `shown` all the same.
        results: content of `results.json`, which `--json` prints on standard output.
        shown: findings, tables and warnings, from `render_comparison_terminal` and the like.
        out: run folder.
        files: what it holds, such as `table.md, figures, results.json`.
    """
    if console.output.json:
        sys.stdout.write(json.dumps(to_jsonable(dict(results)), allow_nan=False) + "\n")
        return
    quiet, console.quiet = console.quiet, console.quiet and not console.output.quiet
    console.print(shown)
    console.quiet = quiet
    console.print_line(f"{out}: {files}")
