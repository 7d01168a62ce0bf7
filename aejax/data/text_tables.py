"""Reads tables of text with pandas: `.csv`, `.tsv`, `.data`, `.txt`, and the same with `.gz`."""

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pandas as pd

from aejax.config import DataConfig
from aejax.config.data import SEPARATOR_NAMES, WHITESPACE
from aejax.data.memory import require_host_memory
from aejax.data.table_columns import DECIMAL_COMMA, Problem, raise_problems
from aejax.data.table_files import table_suffix
from aejax.data.table_schema import MISSING_VALUES
from aejax.data.text_files import is_row, open_text, scan_text, split_lines
from aejax.errors import InputError, require, summarize_error

SEPARATORS = {
    ",": "comma-separated",
    ";": "semicolon-separated",
    "\t": "tab-separated",
    "|": "separated by |",
    WHITESPACE: "whitespace-separated",
}
KINDS = {".csv": "CSV", ".tsv": "TSV"}
LABEL_NAMES = ("label", "target", "class")  # in line 1, they make it a header
DECLARED_SEPARATOR = re.compile(r'"?sep=([\x00-\x7f])"?\s*$', re.IGNORECASE)
SAMPLE_LINES = 20  # lines that the separator and the header are detected from
MIN_REGULAR = 0.5  # share of the lines that have the same number of cells
SAMPLE_CELLS = 1000  # cells of a line that the separator is chosen by
SPELLINGS = sorted({spell(value) for value in MISSING_VALUES for spell in (str.lower, str.upper, str.title)} | {"NaN"})
# pandas rounds decimal numbers correctly since 3.1, and on request before.
EXACT: dict[str, Any] = {} if pd.__version__.split(".")[:2] >= ["3", "1"] else {"float_precision": "round_trip"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextTable:
    """A table of text, of which only the first lines have been interpreted."""

    path: Path
    names: tuple[str, ...]  # of all columns; their indices if there is no header
    has_header: bool
    layout: str
    encoding: str
    separator: str
    decimal: str
    first_row: int  # lines of cells above the first row, not counting blank ones
    n_lines: int
    index_columns: tuple[str, ...] = ()

    def read(self, exact: Collection[str]) -> pd.DataFrame:
        """Returns the rows, whose index counts the file's rows from 0.

        Args:
            exact: columns whose text is kept, even if it is a number or the spelling of a missing value. Others are
                numbers, truth values or text.

        Raises:
            InputError: the file is damaged, has no rows, or has lines of another length; one message names up to ten.
        """
        width, no_rows = len(self.names), f"{self.path}: a header and no rows; expected one line for each example"
        require_host_memory(24 * self.n_lines * width, f"{self.path}: the numbers of {self.n_lines} lines")
        _, first = next(self._iterate_rows(), (0, []))
        require(first, no_rows)
        if len(first) > width + 1:  # pandas would take its cells for columns
            self._reject_ragged_lines()
        frame = self._parse(exact)
        if frame.pop("").notna().any() or frame.iloc[:, -1].isna().any():
            self._reject_ragged_lines()
        empty = frame.isna().all(axis=1)
        require(not empty.all(), no_rows)
        return frame[~empty] if empty.any() else frame

    def _parse(self, exact: Collection[str]) -> pd.DataFrame:
        """Returns all rows, with a last column `""` that holds the cells beyond the others."""
        try:
            with self._open_rows() as file:
                return pd.read_csv(
                    file,
                    sep=self.separator,
                    decimal=self.decimal,
                    header=None,
                    names=[*self.names, ""],
                    index_col=False,
                    dtype=dict.fromkeys(exact, str),
                    skipinitialspace=True,
                    keep_default_na=False,
                    na_values={name: [""] if name in exact else SPELLINGS for name in self.names},
                    low_memory=False,  # else a column would get its type, and its text, in blocks of rows
                    **EXACT,
                )
        except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
            if "out of memory" in str(error):
                raise MemoryError from error
            self._reject_ragged_lines()
            reason = summarize_error(error, 120)
            raise InputError(f"{self.path}: not a table of text ({reason}); check its quotes and line ends") from error

    @contextmanager
    def _open_rows(self) -> Iterator[IO[str]]:
        """Opens the file behind its header."""
        with open_text(self.path, self.encoding) as file:
            cells = (row for row in split_lines(iter(file.readline, ""), self.separator) if is_row(row))
            for _ in range(self.first_row):
                next(cells)
            yield file

    def _iterate_rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yields the number of its last line, from 1, and the cells of every row."""
        with open_text(self.path, self.encoding) as file:
            reader = split_lines(file, self.separator)
            rows = ((reader.line_num, row) for row in reader if is_row(row))
            yield from itertools.islice(rows, self.first_row, None)

    def _reject_ragged_lines(self) -> None:
        """Raises InputError for lines with text that have not one cell for each column, and an empty one at most."""
        width = len(self.names)
        fix = "quote cells that hold the separator, complete or delete the line, or give another --separator"
        problems = [
            Problem(f"line {line} has {len(row)} cells, expected {width}", fix)
            for line, row in self._iterate_rows()
            if len(row) != width and "".join(row).strip() and (len(row) != width + 1 or row[-1].strip())
        ]
        raise_problems(self.path, problems, self.place_row)

    def place_row(self, row: int) -> str:
        """Returns what messages call a row: `line 5`."""
        line, _ = next(itertools.islice(self._iterate_rows(), row, None), (None, []))
        return f"row {row}" if line is None else f"line {line}"


def open_text_table(path: Path, config: DataConfig, names: Sequence[str] = ()) -> TextTable:
    """Detects encoding, separator, header and columns of a table of text.

    Line 1, or the first below comments, is a header if all its cells are different text, one is text above a number,
    one is `config.label_column` or a common name of a label, or the cells are 0, 1, 2, ...; `config.header` decides
    otherwise. Without such a line, a comment above the rows that has as many cells is one.

    Args:
        path: the file.
        config: how it is read.
        names: of the columns of another file of the same table: line 1 is a header if it has them, else a comment.

    Raises:
        InputError: the file is damaged, no text, or has no table.
    """
    encoding, n_lines = scan_text(path)
    with open_text(path, encoding) as file:
        lines = [line for line in itertools.islice(file, SAMPLE_LINES) if line.strip()]
    given = config.separator and SEPARATOR_NAMES.get(config.separator, config.separator)
    comments = list(itertools.takewhile(lambda line: line.startswith("#"), lines))
    if lines and (match := DECLARED_SEPARATOR.match(lines[0])):  # as Excel writes it
        given, comments = match[1], lines[:1]
    lines = lines[len(comments) :]
    require(lines, f"{path}: empty; expected a header and one line for each example")
    separator, (first, *rest) = _split_sample(lines, [given] if given else list(SEPARATORS))
    width = Counter(map(len, rest or [first])).most_common(1)[0][0]
    hint = "separated by commas, semicolons, tabs, | or spaces; --separator names another character"
    require(width > 1, f"{path}: one column; expected features and a label, {hint}")
    place = f"{path}: line {len(comments) + 1} has one cell and the lines below it have {width}"
    require(len(first) > 1, f"{place}; delete what is above the column names")
    is_first = _has_header(first, rest, config)
    commented: list[str] = []
    if config.header != "no" and comments and comments[-1].startswith("#"):
        commented = next(split_lines([comments[-1].lstrip("# ")], separator))  # as NumPy and bioinformatics write names
    is_commented = len(commented) == width
    if names and is_commented:
        is_first = sorted(_name_columns(first, rest, width)) == sorted(names)
    has_header, header = is_first or is_commented, first if is_first else commented
    decimals = ", decimal commas" if config.decimal == "," else ""
    return TextTable(
        path=path,
        names=_name_columns(header, rest, width) if has_header else tuple(map(str, range(len(first)))),
        has_header=has_header,
        layout=f"{KINDS.get(table_suffix(path).removesuffix('.gz'), 'text')} {'with' if has_header else 'without'} "
        f"header, {SEPARATORS.get(separator, f'separated by {separator}')}{decimals}"
        + ("" if encoding.startswith("utf-8") else f", {encoding}"),
        encoding=encoding,
        separator=separator,
        decimal=config.decimal,
        first_row=len(comments) + is_first,
        n_lines=n_lines,
    )


def _name_columns(first: list[str], rest: list[list[str]], width: int) -> tuple[str, ...]:
    """Returns the names in a header; columns without one are named as by pandas."""
    names = [name.strip() for name in first]
    if width == len(names) + 1 and rest[0][-1].strip():  # R writes no name above the names of rows
        names.insert(0, "")
    if width == len(names) - 1 and not names[-1]:
        names.pop()
    unnamed = [f"Unnamed: {index}" for index in range(len(names))]
    return tuple(name or other + ".1" * (other in names) for name, other in zip(names, unnamed, strict=True))


def _split_sample(lines: list[str], separators: list[str]) -> tuple[str, list[list[str]]]:
    """Returns the separator and the cells of some lines.

    Prefers a separator that gives most lines below the first the same number of cells, then the one that makes most
    cells numbers or empty, then any but whitespace, then the one with fewest exceptions, then the one that gives most
    cells.
    """
    candidates = []
    for separator in separators:
        rows = [row for row in split_lines(lines, separator) if is_row(row)] or [[""]]
        first, *rest = map(len, rows)
        cells = [cell for row in rows for cell in row[:SAMPLE_CELLS]]
        numbers = sum(not cell.strip() or _is_numeric(cell) for cell in cells) / len(cells)
        width, count = Counter(rest or [first]).most_common(1)[0]
        regular = count / max(len(rest), 1)
        is_table = width > 1 and regular >= MIN_REGULAR
        score = (is_table, numbers, separator != WHITESPACE, regular, width)
        candidates.append((score, separator, rows))
    _, best, rows = max(candidates, key=lambda candidate: candidate[0])
    return best, rows


def _has_header(first: list[str], rest: list[list[str]], config: DataConfig) -> bool:
    if config.header != "auto":
        return config.header == "yes"
    cells = [cell.strip() for cell in first]
    below = [row for row in rest if len(row) == len(cells)]
    numeric = [_is_numeric(cell) for cell in cells]
    # A table of text categories has the words of line 1 again in other lines or columns.
    repeated = len(set(cells)) < len(cells) or any(name in column for name, *column in zip(cells, *below, strict=True))
    over_number = any(
        not number and cell.lower() not in MISSING_VALUES and _is_numeric(under)
        for number, cell, under in zip(numeric, cells, rest[0] if rest else [], strict=False)
    )
    start = not cells[0]  # above an index
    numbered = len(cells) > 3 and cells[start:] == [str(index) for index in range(len(cells) - start)]
    is_label = config.label_column in cells and not _is_numeric(config.label_column or "")
    is_label |= any(cell.lower() in LABEL_NAMES for cell in cells)
    return not (any(numeric) or repeated) or over_number or numbered or is_label


def _is_numeric(cell: str) -> bool:
    """Returns whether a cell is a number, with a decimal point or comma."""
    try:
        float(cell)
    except ValueError:
        return bool(DECIMAL_COMMA.fullmatch(cell.strip()))
    return "_" not in cell  # Python reads 1_000 as a number; in a table it is text
