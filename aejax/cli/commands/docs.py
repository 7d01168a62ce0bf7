"""List the pages of the manual, or show one.

    aejax docs guide

The pages are Markdown files of the package; in a terminal they are formatted, elsewhere printed as they are.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import tyro

from aejax.cli.arguments import parse_args
from aejax.errors import require, suggest_names

FOLDER = Path(__file__).parents[2] / "docs"
FLAGS = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Words of `aejax docs`."""

    page: tyro.conf.Positional[str | None] = None  # name of a page; default: list all


def main(argv: Sequence[str]) -> None:
    """Runs `aejax docs` with the words after it on the command line."""
    from rich.console import Console
    from rich.markdown import Markdown

    page = parse_args(Args(), argv, __doc__ or "", FLAGS).page
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md"))}
    if page is None:
        width = max(map(len, texts), default=0)
        for name, text in texts.items():
            print(f"{name:{width}}  {text.splitlines()[0].lstrip('# ')}")
        return
    name = page.removesuffix(".md")
    require(name in texts, f"aejax docs {page}: no such page; {suggest_names(name, texts)}")
    console = Console()
    if console.is_terminal:
        console.print(Markdown(texts[name]))
    else:
        print(texts[name], end="")
