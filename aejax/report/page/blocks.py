"""What a page consists of: runs, their sections, and tables, charts, pictures and matrices in these."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from aejax.report.page.charts import Chart
from aejax.report.tables import Table

PAGE_FILE = "report.html"
BlockKind = Literal["table", "charts", "picture", "matrices", "tiles", "text"]


class PageCell(NamedTuple):
    """A cell: text, the number to sort by, a chart that is drawn instead of the text, and where the text leads."""

    text: str
    number: float | None = None
    chart: Chart | None = None
    link: str = ""


class PageTable(NamedTuple):
    """A table with a caption."""

    name: str
    headings: list[tuple[str, str, Chart | None]]  # heading, alignment, and the axis of a column of charts
    rows: list[list[PageCell]]
    note: str = ""
    is_folded: bool = False  # whether it is shown on demand only


class Charts(NamedTuple):
    """Small charts next to each other."""

    charts: list[Chart]
    caption: str
    keys: Sequence[tuple[str, str]] = ()  # of a legend: class of the style sheet, and text


class Picture(NamedTuple):
    """A picture as a data address, with the text for those who cannot see it."""

    caption: str
    source: str


class Matrix(NamedTuple):
    """A confusion matrix: rows are true classes; each cell is a count and its share of the row."""

    title: str
    classes: list[str]
    rows: list[list[tuple[str, float]]]


class Tile(NamedTuple):
    """An example: its position in the sprite sheet, or None, and text."""

    position: int | None
    text: str


class Tiles(NamedTuple):
    """Examples next to each other."""

    title: str
    tiles: list[Tile]


class Block(NamedTuple):
    """Part of a section; `kind` names the macro of the template that draws it."""

    kind: BlockKind
    content: Any


class Section(NamedTuple):
    """A heading and what is below it."""

    title: str
    blocks: list[Block]


class RunPage(NamedTuple):
    """A run of a page."""

    title: str
    findings: list[str]
    data_line: str
    warnings: list[str]
    sections: list[Section]
    caption: str
    command: str
    settings: str
    environment: list[tuple[str, str]]
    sprites: str = ""  # every example's image, one below the other, as a data address
    examples: Sequence[str] = ()  # what each is, for hovering


def png_address(content: bytes) -> str:
    """Returns a PNG as a data address."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def picture_blocks(folder: Path | None, captions: Mapping[str, str]) -> list[Block]:
    """Returns those pictures of a run folder that it has, by file name."""
    paths = [(folder / name, caption) for name, caption in captions.items()] if folder else []
    return [
        Block("picture", Picture(caption, png_address(path.read_bytes()))) for path, caption in paths if path.is_file()
    ]


def table_block(name: str, table: Table, note: str = "") -> Block:
    """Returns a table whose columns sort by the number that a cell begins with, or by text."""
    return Block("table", as_page_table(name, table, note))


def as_page_table(name: str, table: Table, note: str = "") -> PageTable:
    """Returns the same without the block."""
    headings: list[tuple[str, str, Chart | None]] = [(column.heading, column.align, None) for column in table.columns]
    rows = [[PageCell(cell.text, leading_number(cell.text)) for cell in row] for row in table.rows()]
    return PageTable(name, headings, rows, note.replace("`", ""))


def leading_number(text: str) -> float | None:
    """Returns the number that a cell begins with, to sort by.

    >>> leading_number("96.50 [94.19, 97.91]"), leading_number("<0.1"), leading_number("raw")
    (96.5, 0.1, None)
    """
    try:
        return float(text.removeprefix("<").split(" ")[0].replace(",", ""))
    except (ValueError, IndexError):
        return None
