"""Tables that are described once, as columns and records, and rendered as Markdown or for a terminal."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Table as RichTable
from rich.text import Text


class Cell(NamedTuple):
    """A text with a style for the terminal."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Column:
    """A heading and a function from a record to the text below it."""

    heading: str
    cell: Callable[[Any], str | Cell]
    align: Literal["left", "right"] = "right"
    wrap: bool = True  # whether a terminal may break a cell into lines instead of widening the column
    terminal_heading: str | None = None  # None: the heading without commas, one word a line


class Table(NamedTuple):
    """Columns and the records that are their rows."""

    columns: Sequence[Column]
    records: Sequence[Any]

    def rows(self) -> list[list[Cell]]:
        """Returns the cells of each record."""
        made = [[column.cell(record) for column in self.columns] for record in self.records]
        return [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in made]


def to_markdown(table: Table) -> str:
    """Returns the table in Markdown."""
    rows = [[cell.text for cell in row] for row in table.rows()]
    alignment = "".join(column.align[0] for column in table.columns)
    return format_markdown_table([column.heading for column in table.columns], alignment, rows)


def format_markdown_table(headings: Sequence[str], alignment: str, rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table; `alignment` has an `l` or an `r` for each column."""
    rules = ["---:" if side == "r" else ":---" for side in alignment]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in (headings, *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (escaped[0], rules, *escaped[1:]))


def to_rich(table: Table, ends_section: Callable[[Any, Any], bool] = lambda record, following: False) -> RichTable:
    """Returns the table for a terminal.

    Args:
        table: what to show.
        ends_section: whether to draw a line between a record and the one that follows it.
    """
    made = RichTable(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for column in table.columns:
        heading = column.terminal_heading
        if heading is None:
            heading = column.heading.replace(",", "").replace(" ", "\n")
        made.add_column(heading, justify=column.align, no_wrap=not column.wrap)
    for index, row in enumerate(table.rows()):
        pair = table.records[index : index + 2]
        made.add_row(*(Text(*cell) for cell in row), end_section=len(pair) == 2 and ends_section(*pair))
    return made
