"""What a page consists of: runs, their sections, and text, tables, charts, pictures and matrices in these."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from aejax.report.page.charts import Chart
from aejax.report.tables import Table

PAGE_FILE = "report.html"


class PageTable(NamedTuple):
    """A table with a caption."""

    name: str
    table: Table
    note: str = ""
    is_folded: bool = False  # whether it is shown on demand only


class Charts(NamedTuple):
    """Small charts next to each other."""

    charts: list[Chart]
    caption: str
    legend: Sequence[tuple[str, str]] = ()  # class of the style sheet, and text


class Picture(NamedTuple):
    """A picture as a data address, with the text for those who cannot see it."""

    caption: str
    source: str


class Matrix(NamedTuple):
    """A confusion matrix: rows are true classes; each cell has a count and its share of the row."""

    title: str
    classes: list[str]
    counts: list[list[int]]
    shares: list[list[float]]


class Matrices(NamedTuple):
    """Confusion matrices next to each other."""

    matrices: list[Matrix]


class Tile(NamedTuple):
    """An example: its position in the sprite sheet, or None, and text."""

    position: int | None
    text: str


class Tiles(NamedTuple):
    """Examples next to each other."""

    title: str
    tiles: list[Tile]


Block = str | PageTable | Charts | Picture | Matrices | Tiles  # text is a paragraph; the template has a macro for each


class Section(NamedTuple):
    """A heading and what is below it; a section without blocks is not shown."""

    title: str
    blocks: Sequence[Block]


class RunPage(NamedTuple):
    """A run of a page."""

    title: str
    findings: list[str]
    sections: list[Section]
    caption: str
    data_line: str = ""
    warnings: Sequence[str] = ()
    command: str = ""
    settings: str = ""
    environment: Sequence[tuple[str, str]] = ()
    sprites: str = ""  # every example's image, one below the other, as a data address
    examples: Sequence[str] = ()  # what each is, for hovering


def png_address(content: bytes) -> str:
    """Returns a PNG as a data address."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def read_pictures(folder: Path | None, captions: Mapping[str, str]) -> list[Picture]:
    """Returns those pictures of a run folder that it has, by file name."""
    paths = [(folder / name, caption) for name, caption in captions.items()] if folder else []
    return [Picture(caption, png_address(path.read_bytes())) for path, caption in paths if path.is_file()]
