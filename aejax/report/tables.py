"""Tables that are described once, as columns and records, and rendered as Markdown or for a terminal.

Cells are plain text that may come from data: a terminal shows its markup and its control codes as they are.
"""

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from aejax.errors import escape_unprintable
from aejax.report.data_line import escape_prose

if TYPE_CHECKING:
    from aejax.report.page.charts import Chart

LABEL_WIDTH = 9  # of `LabelledText`
HEADING_WIDTH = 9  # letters in a line of a terminal table's heading
PARENTHESES = r"\([^)]*\)"
ABBREVIATIONS = {"difference": "diff.", "accuracy": "acc."}  # in a heading that is longer than its cells


class Cell(NamedTuple):
    """A text with a style for the terminal; on a page also a chart that is drawn instead, and where the text leads."""

    text: str
    style: str = ""
    chart: "Chart | None" = None
    link: str = ""


@dataclass(frozen=True)
class Column:
    """A heading and a function from a record to the text below it."""

    heading: str
    cell: Callable[[Any], str | Cell]
    align: Literal["left", "right"] = "right"
    detail: bool = False  # whether a terminal shows it with `--details` only
    axis: "Chart | None" = None  # of a column of charts


class Table(NamedTuple):
    """Columns and the records that are their rows."""

    columns: Sequence[Column]
    records: Sequence[Any]
    keys: int = 1  # number of first columns that say what a record is

    def rows(self) -> list[list[Cell]]:
        """Returns the cells of each record."""
        cells = [[column.cell(record) for column in self.columns] for record in self.records]
        return [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in cells]


def to_markdown(table: Table) -> str:
    """Returns the table in Markdown."""
    rows = [[escape_prose(cell.text) for cell in row] for row in table.rows()]
    alignment = "".join(column.align[0] for column in table.columns)
    return format_markdown_table([column.heading for column in table.columns], alignment, rows)


def format_markdown_table(headings: Sequence[str], alignment: str, rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table; `alignment` has an `l` or an `r` for each column."""
    rules = ["---:" if side == "r" else ":---" for side in alignment]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in (headings, *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (escaped[0], rules, *escaped[1:]))


def plain_text(text: str, style: str = "") -> Text:
    """Returns text that may come from data for a terminal: without markup, and with control codes escaped."""
    return Text("\n".join(map(escape_unprintable, text.split("\n"))), style=style)


def without_code_marks(text: str) -> str:
    """Returns Markdown for a terminal: flags and names of files without backticks, all other text as it is."""
    return re.sub(r"`(--[^`]+|[a-z]+_|[a-z]+\.[a-z]+)`", r"\1", text)


class Paragraph(NamedTuple):
    """Such text, with lines that break neither within brackets nor at hyphens."""

    text: str
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        yield Text(_wrap(escape_unprintable(self.text), options.max_width), style=self.style)


class LabelledText(NamedTuple):
    """Such text after a label; on a terminal it is wrapped in a column of its own."""

    label: str
    text: str
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        text = escape_unprintable(self.text)
        if options.is_terminal:
            text = _wrap(text, max(options.max_width - LABEL_WIDTH, 10)).replace("\n", "\n" + " " * LABEL_WIDTH)
        yield Text.assemble((f"{self.label:<{LABEL_WIDTH - 1}} ", "bold"), (text, self.style))


def _wrap(text: str, width: int, brackets: str = r"\[[^]]*\]") -> str:
    unbroken = re.sub(brackets, lambda group: group[0].replace(" ", "\u00a0"), text)  # textwrap does not break there
    return textwrap.fill(unbroken, width, break_on_hyphens=False, break_long_words=False).replace("\u00a0", " ")


class TerminalTable(NamedTuple):
    """A table for a terminal of any width: too wide, it becomes several, each with the key columns; nothing is cut."""

    table: Table
    begins_section: Callable[[Any, Any], bool] = lambda previous, record: False  # with a line above it
    details: bool = True  # whether to show columns that are details, below the others

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RichTable | Text]:
        rows, columns = self.table.rows(), self.table.columns
        fitted = [_FittedColumn.make(column, [row[index] for row in rows]) for index, column in enumerate(columns)]
        keys, others = fitted[: self.table.keys], fitted[self.table.keys :]
        groups = _pack(keys, [column for column in others if not column.detail], options.max_width) or [keys]
        if self.details:
            groups += _pack(keys, [column for column in others if column.detail], options.max_width)
        for number, group in enumerate(groups):
            yield from [Text()] if number else []
            yield self._draw(group, options.max_width)

    def _draw(self, columns: Sequence["_FittedColumn"], width: int) -> RichTable:
        gap = 2 if sum(column.width + 2 for column in columns) - 2 <= width else 1
        drawn = RichTable(
            box=SIMPLE_HEAD, header_style="bold", padding=(0, gap - 1, 0, 0), show_edge=False, pad_edge=False
        )
        widths = _shrink(columns, width - gap * (len(columns) - 1))
        for column, fitted in zip(columns, widths, strict=True):
            drawn.add_column(column.heading, justify=column.align, overflow="fold", width=fitted)
        records = self.table.records
        rows = zip(*(column.cells for column in columns), strict=True)
        for row, record, following in zip(rows, records, [*records[1:], *records[-1:]], strict=True):
            wrapped = [
                Text(_wrap(cell.plain, fitted, PARENTHESES), cell.style)
                for cell, fitted in zip(row, widths, strict=True)
            ]
            drawn.add_row(*wrapped, end_section=self.begins_section(record, following))
        return drawn


class _FittedColumn(NamedTuple):
    """The texts of a column and the widths that it can have."""

    heading: Text
    cells: list[Text]
    align: Literal["left", "right"]
    detail: bool
    width: int  # without line breaks
    least: int  # of the longest word

    @classmethod
    def make(cls, column: Column, cells: Sequence[Cell]) -> "_FittedColumn":
        texts = [plain_text(cell.text, cell.style) for cell in cells]
        longest = max((text.cell_len for text in texts), default=0)
        heading = escape_unprintable(column.heading)
        for word, short in ABBREVIATIONS.items():
            heading = heading.replace(word, short) if len(word) > longest else heading
        heading = textwrap.fill(heading, max(HEADING_WIDTH, longest), break_long_words=False)
        words = [word for text in texts for word in _wrap(text.plain, 1, PARENTHESES).splitlines()]
        of_heading = max(map(cell_len, heading.split()), default=1)
        least = max(of_heading, max(map(cell_len, words), default=1))
        width = max(longest, max(map(cell_len, heading.splitlines()), default=1))
        return cls(Text(heading), texts, column.align, column.detail, width, least)


def _pack(keys: list[_FittedColumn], columns: list[_FittedColumn], width: int) -> list[list[_FittedColumn]]:
    """Returns groups of columns, each after the keys, that fit a width without a break within a word."""
    groups: list[list[_FittedColumn]] = []
    for column in columns:
        needed = sum(one.least + 1 for one in [*(groups[-1] if groups else keys), column]) - 1
        if not groups or needed > width:
            groups.append([*keys])
        groups[-1].append(column)
    return groups


def _shrink(columns: Sequence[_FittedColumn], available: int) -> list[int]:
    """Returns widths that fit: lines break between words of the widest column first, and within words only then."""
    widths = [column.width for column in columns]
    while sum(widths) > max(available, len(widths)):
        slack = [width > column.least for width, column in zip(widths, columns, strict=True)]
        widest = max(range(len(widths)), key=lambda index: (slack[index], widths[index]))
        widths[widest] -= 1
    return widths


def stack_parts(parts: Sequence[RenderableType], caption: str, warnings: Sequence[str]) -> RenderableType:
    """Returns parts, a caption and warnings below each other for a terminal, with an empty line around each."""
    shown = [Paragraph(f"⚠ {without_code_marks(warning)}", "yellow") for warning in warnings]
    parts = [*parts, Paragraph(without_code_marks(caption), "dim"), *([Group(*shown)] if shown else [])]
    return Group(Text(), *(line for part in parts for line in (part, Text())))
