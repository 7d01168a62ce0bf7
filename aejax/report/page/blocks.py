"""What a page consists of: runs, their sections, and text, tables, charts, pictures and matrices in these."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from aejax.report.data_line import format_data_warnings
from aejax.report.page.charts import Chart
from aejax.report.results import Results
from aejax.report.tables import Table

PAGE_FILE = "report.html"


class PageCell(NamedTuple):
    """A cell: text, the number to sort by, a chart that is drawn instead of the text, and where the text leads."""

    text: str
    number: float | None = None
    chart: Chart | None = None
    link: str = ""


@dataclass(frozen=True)
class PageTable:
    """A table with a caption."""

    macro: ClassVar[str] = "table"  # of the template, which draws this kind of block; so in all kinds
    name: str
    headings: list[tuple[str, str, Chart | None]]  # heading, alignment, and the axis of a column of charts
    rows: list[list[PageCell]]
    note: str = ""
    is_folded: bool = False  # whether it is shown on demand only


@dataclass(frozen=True)
class Charts:
    """Small charts next to each other."""

    macro: ClassVar[str] = "charts"
    charts: list[Chart]
    caption: str
    keys: Sequence[tuple[str, str]] = ()  # of a legend: class of the style sheet, and text


@dataclass(frozen=True)
class Picture:
    """A picture as a data address, with the text for those who cannot see it."""

    macro: ClassVar[str] = "picture"
    caption: str
    source: str


class Matrix(NamedTuple):
    """A confusion matrix: rows are true classes; each cell has a count and its share of the row."""

    title: str
    classes: list[str]
    counts: list[list[int]]
    shares: list[list[float]]


@dataclass(frozen=True)
class Matrices:
    """Confusion matrices next to each other."""

    macro: ClassVar[str] = "matrices"
    matrices: list[Matrix]


class Tile(NamedTuple):
    """An example: its position in the sprite sheet, or None, and text."""

    position: int | None
    text: str


@dataclass(frozen=True)
class Tiles:
    """Examples next to each other."""

    macro: ClassVar[str] = "tiles"
    title: str
    tiles: list[Tile]


Block = str | PageTable | Charts | Picture | Matrices | Tiles  # text is a paragraph


class Section(NamedTuple):
    """A heading and what is below it; a section without blocks is not shown."""

    title: str
    blocks: Sequence[Block]


class RunPage(NamedTuple):
    """A run of a page."""

    title: str
    findings: list[str]
    data_line: str
    warnings: list[str]
    sections: list[Section]
    caption: str
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


def plain_warnings(results: Results, warnings: Sequence[str]) -> list[str]:
    """Returns the suspicions about a run's data, and other warnings of it, without marks of Markdown."""
    return [warning.replace("`", "") for warning in (*format_data_warnings(results["dataset"]), *warnings)]


def make_table(name: str, table: Table, note: str = "", *, is_folded: bool = False) -> PageTable:
    """Returns a table whose columns sort by the number that a cell begins with, or by text."""
    headings: list[tuple[str, str, Chart | None]] = [(column.heading, column.align, None) for column in table.columns]
    rows = [[PageCell(cell.text, leading_number(cell.text)) for cell in row] for row in table.rows()]
    return PageTable(name, headings, rows, note.replace("`", ""), is_folded)


def leading_number(text: str) -> float | None:
    """Returns the number that a cell begins with, to sort by.

    >>> leading_number("96.50 [94.19, 97.91]"), leading_number("<0.1"), leading_number("raw")
    (96.5, 0.1, None)
    """
    try:
        return float(text.removeprefix("<").split(" ")[0].replace(",", ""))
    except (ValueError, IndexError):
        return None
