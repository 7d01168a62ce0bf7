"""Reads tables in `.csv` files, and finds the label column of any table."""

import contextlib
import csv
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aejax.config import DataConfig
from aejax.data.dataset import Dataset, make_dataset
from aejax.data.label_encoding import MAX_LABEL_LENGTH
from aejax.data.memory import require_host_memory
from aejax.errors import InputError, list_names, require

LABEL_COLUMNS = ("label", "target", "class", "y")  # default names of a label column, in order of preference
DELIMITERS = ",;\t"
MISSING_VALUES = ("", "na", "n/a", "nan", "null", "none", "?")  # spellings of a missing value, in lower case
SAMPLE_LINES = 20  # lines that the delimiter and the header are detected from
ROWS_PER_BLOCK = 4096  # rows of text in memory at a time


class _CsvLayout(NamedTuple):
    """Delimiter and columns of a .csv file."""

    delimiter: str
    header: list[str] | None
    n_columns: int
    label_index: int  # column of the label

    @property
    def feature_names(self) -> list[str] | None:
        """Names of all columns except the label's, if the file has a header."""
        return None if self.header is None else self.header[: self.label_index] + self.header[self.label_index + 1 :]

    def describe_feature(self, index: int) -> str:
        """Returns what error messages call feature `index`."""
        column = index + (index >= self.label_index)
        return f"column {column + 1}" if self.header is None else f"column {self.header[column]!r}"


def load_csv(path: Path, config: DataConfig) -> Dataset:
    """Loads a UTF-8 table with one example per row; separators are commas, semicolons or tabs; features are numbers.

    The first line is a header if all its cells are text, or one is text above a number. The label column is
    `config.label_column`, or else the first of `LABEL_COLUMNS` in the header (ignoring case), or else the last column.

    Raises:
        InputError: a row is ragged, a feature is missing or not a number, or the header is unusable; the message
            gives the line, counted from 1.
    """
    require_host_memory(path.stat().st_size, f"{path}: its text")  # the file may be a single line
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            layout = _detect_layout(list(itertools.islice(file, SAMPLE_LINES)), path, config.label_column)
            file.seek(0)
            features, labels = _read_table(file, layout, path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.object[error.start]:#04x}); save it as UTF-8") from error
    except csv.Error as error:
        raise InputError(f"{path}: not readable as comma-separated text ({error}); save it as plain CSV") from error
    return make_dataset(
        path.stem, features, _parse_labels(labels), source=str(path), feature_names=layout.feature_names
    )


def _detect_layout(lines: list[str], path: Path, label_column: str | None) -> _CsvLayout:
    """Detects delimiter, header and label column from the first lines."""
    lines = [line for line in lines if line.strip()]
    require(lines, f"{path}: empty; expected a header and one line for each example")
    delimiter, (first, *rest) = _split_cells(lines)
    width = len(first)
    require(width > 1, f"{path}: one column; expected features and a label, separated by commas, semicolons or tabs")
    text = [not _is_number(cell) for cell in first]
    named = [is_text and cell.strip().lower() not in MISSING_VALUES for is_text, cell in zip(text, first, strict=True)]
    over_number = any(name and _is_number(cell) for name, cell in zip(named, rest[0] if rest else [], strict=False))
    if not (all(text) or over_number):
        require(label_column is None, f"{path}: no header line to find --label-column {label_column} in; add one")
        return _CsvLayout(delimiter, None, width, width - 1)
    header = [name.strip() for name in first]
    require(
        "" not in header, f"{path}: column {[*header, ''].index('') + 1} has no name; name it, or drop an index column"
    )
    require_unique_names(header, path)
    return _CsvLayout(delimiter, header, width, find_label_column(header, path, label_column))


def _split_cells(lines: list[str]) -> tuple[str, list[list[str]]]:
    """Returns the delimiter and the cells of some lines.

    Prefers a delimiter that gives every line the same number of cells, then the one that gives the first line most.
    """
    tables = {mark: list(csv.reader(lines, delimiter=mark, skipinitialspace=True)) for mark in DELIMITERS}
    regular = {mark: len(rows[0]) > 1 and len({len(row) for row in rows}) == 1 for mark, rows in tables.items()}
    delimiter = max(DELIMITERS, key=lambda mark: (regular[mark], len(tables[mark][0])))
    return delimiter, tables[delimiter]


def require_unique_names(header: list[str], path: Path) -> None:
    """Raises InputError if two columns have one name."""
    (name, count), *_ = Counter(header).most_common(1)
    require(count == 1, f"{path}: {count} columns are named [{name[:60]!r}]; expected different names")


def find_label_column(header: list[str], path: Path, label_column: str | None) -> int:
    """Returns the index of `label_column`, or else of the first of `LABEL_COLUMNS` in `header`, or else of the last."""
    if label_column is not None:
        require(
            label_column in header,
            f"{path}: no column named --label-column {label_column}; expected one of {list_names(header)}",
        )
        return header.index(label_column)
    lowered = [name.lower() for name in header]
    return next((lowered.index(name) for name in LABEL_COLUMNS if name in lowered), len(header) - 1)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python reads 1_000 as a number; in a table it is text


class _Row(NamedTuple):
    line: int  # number of its last line in the file, from 1
    features: list[str]
    label: str


def _read_table(file: Iterable[str], layout: _CsvLayout, path: Path) -> tuple[np.ndarray, list[str]]:
    """Returns float64 features `(n, n_columns - 1)` and the text of the labels `(n,)`."""
    rows = _iterate_rows(file, layout, path)
    blocks: list[np.ndarray] = []
    labels: list[str] = []
    while block := list(itertools.islice(rows, ROWS_PER_BLOCK)):
        blocks.append(_parse_numbers(block, layout, path))
        labels += [row.label for row in block]
        require_host_memory(len(blocks) * blocks[0].nbytes, f"{path}: the numbers of {len(labels)} rows")
    require(blocks, f"{path}: a header and no rows; expected one line for each example")
    return np.concatenate(blocks), labels


def _iterate_rows(file: Iterable[str], layout: _CsvLayout, path: Path) -> Iterator[_Row]:
    reader = csv.reader(file, delimiter=layout.delimiter, skipinitialspace=True)
    rows = (row for row in reader if len(row) > 1 or "".join(row).strip())
    if layout.header is not None:
        next(rows)
    for row in rows:
        place = f"{path}: line {reader.line_num}"
        require(
            len(row) == layout.n_columns, f"{place} has {len(row)} cells; expected {layout.n_columns} as in the first"
        )
        label = row.pop(layout.label_index).strip()
        require(label, f"{place} has no label; expected one for each row; fill it in or drop the line")
        require(
            len(label) <= MAX_LABEL_LENGTH,
            f"{place} has a label of {len(label)} characters; expected the name of a class, at most "
            f"{MAX_LABEL_LENGTH}; is it another column, --label-column?",
        )
        yield _Row(reader.line_num, row, label)


def _parse_numbers(rows: list[_Row], layout: _CsvLayout, path: Path) -> np.ndarray:
    """Returns the features as finite float64; searches cell by cell only after the fast conversion failed."""
    with contextlib.suppress(ValueError):
        cells = map(float, itertools.chain.from_iterable(row.features for row in rows))
        values = np.fromiter(cells, np.float64, count=len(rows) * (layout.n_columns - 1))
        if np.isfinite(values).all() and not any("_" in "".join(row.features) for row in rows):
            return values.reshape(len(rows), -1)
    for row in rows:
        for index, cell in enumerate(row.features):
            if not (_is_number(cell) and math.isfinite(float(cell))):
                problem = "missing" if cell.strip().lower() in MISSING_VALUES else "not a finite number"
                raise InputError(
                    f"{path}: line {row.line}, {layout.describe_feature(index)} is {cell[:60]!r}, {problem}; expected "
                    "a number; encode, fill in or drop it"
                )
    raise AssertionError("unreachable: every cell is a finite number")


def _parse_labels(labels: list[str]) -> np.ndarray:
    """Returns integers if all labels are integers, else floats if all are numbers, else text."""
    for dtype in () if any("_" in label for label in labels) else (np.int64, np.float64):
        with contextlib.suppress(ValueError, OverflowError):
            return np.array(labels).astype(dtype)
    return np.array(labels)
