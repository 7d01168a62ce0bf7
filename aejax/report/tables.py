"""Tables that are described once, as columns and records, and rendered as Markdown or for a terminal."""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions
from rich.table import Table as RichTable
from rich.text import Text

HEADING_WIDTH = 9  # letters in a line of a terminal table's heading


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
    optional: bool = False  # whether a terminal that is too narrow for all columns may go without


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


class TerminalTable(NamedTuple):
    """A table for a terminal; where it is too wide, without its last optional columns, then in more lines."""

    table: Table
    begins_section: Callable[[Any, Any], bool] = lambda previous, record: False  # with a line above it

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RichTable]:
        unlimited = options.update(max_width=10_000)
        columns, optional = list(self.table.columns), [column for column in self.table.columns if column.optional]
        while True:
            if console.measure(made := self._made(columns), options=unlimited).maximum <= options.max_width:
                yield made
                return
            if not optional:
                break
            columns.remove(optional.pop())
        required = columns
        names = self._made(required[:1])
        keep_names = console.measure(names, options=unlimited).maximum <= options.max_width // 3
        yield self._made(required, unbroken=int(keep_names))

    def _made(self, columns: Sequence[Column], unbroken: int | None = None) -> RichTable:
        """Returns the table, in which texts of columns from number `unbroken` on may take several lines."""
        made = RichTable(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
        for column in columns:
            made.add_column(
                textwrap.fill(column.heading, HEADING_WIDTH, break_long_words=False),
                justify=column.align,
                no_wrap=unbroken is None or len(made.columns) < unbroken,
                overflow="fold",
            )
        records = self.table.records
        for index, row in enumerate(Table(columns, records).rows()):
            last = index + 1 == len(records)
            ends_section = not last and self.begins_section(records[index], records[index + 1])
            made.add_row(*(Text(*cell) for cell in row), end_section=ends_section)
        return made
