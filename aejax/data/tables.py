"""Data in files: arrays in `.npz`, tables in `.csv`."""

import contextlib
import csv
import itertools
import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aejax.config import DataConfig
from aejax.data.dataset import Dataset, make_dataset
from aejax.data.label_encoding import MAX_LABEL_LENGTH
from aejax.data.memory import require_host_memory
from aejax.data.npz import read_arrays
from aejax.errors import InputError, require

INPUT_LABEL_NAMES = (("x", "y"), ("X", "y"), ("inputs", "labels"))  # names of an .npz file's arrays
TRAIN_TEST_NAMES = (
    "x_train",
    "y_train",
    "x_test",
    "y_test",
)  # the same where there is an official test split, as in Keras
EXPECTED_ARRAYS = (
    f"expected exactly one of {'; '.join(', '.join(names) for names in (*INPUT_LABEL_NAMES, TRAIN_TEST_NAMES))}"
)
LABEL_COLUMNS = ("label", "target", "class", "y")  # what a table's label column may be called, in this order
DELIMITERS = ",;\t"
MISSING_VALUES = ("", "na", "n/a", "nan", "null", "none", "?")  # how files write that there is no value, in lower case
ROWS_PER_BLOCK = 4096  # rows of text held at a time


def load_npz(path: Path, config: DataConfig) -> Dataset:
    """Arrays named `x, y`, `X, y`, `inputs, labels`, or `x_train, y_train, x_test, y_test`.

    uint8 examples of two or more axes are images with values from 0 to 255; `(n, height, width)` gains a channel.
    Looks at no field of `config`.

    Raises:
        InputError: the file is damaged, needs pickle, or its arrays are named otherwise or do not fit together.
    """
    arrays = read_arrays(path, lambda names: _select_names(names, path))
    if TRAIN_TEST_NAMES[0] in arrays:
        inputs, labels, test_rows = _concatenate_splits(arrays, path)
    else:
        (inputs, labels), test_rows = arrays.values(), None
    image = inputs.dtype == np.uint8 and inputs.ndim >= 3
    return make_dataset(
        path.stem,
        inputs[..., None] if image and inputs.ndim == 3 else inputs,
        labels,
        source=str(path),
        value_range=(0.0, 255.0) if image else None,
        test_rows=test_rows,
    )


def _select_names(names: list[str], path: Path) -> tuple[str, ...]:
    """The one naming scheme that the file follows."""
    schemes = [scheme for scheme in (*INPUT_LABEL_NAMES, TRAIN_TEST_NAMES) if set(scheme) <= set(names)]
    listed = ", ".join(name[:40] for name in names[:10]) + (", ..." if len(names) > 10 else "")
    require(len(schemes) == 1, f"{path}: holds arrays {listed or '(none)'}; {EXPECTED_ARRAYS}")
    return schemes[0]


def _concatenate_splits(arrays: dict[str, np.ndarray], path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs and labels with the training rows first, and the test rows' numbers."""
    train, train_labels, test, test_labels = (arrays[name] for name in TRAIN_TEST_NAMES)
    for part, inputs, labels in (("train", train, train_labels), ("test", test, test_labels)):
        require(
            inputs.ndim >= 1 and labels.ndim >= 1 and len(inputs) == len(labels),
            f"{path}: x_{part} has shape {inputs.shape} and y_{part} {labels.shape}; expected as many rows in both",
        )
    for name, first, second in (("x", train, test), ("y", train_labels, test_labels)):
        # Labels need only be both text or both numbers; uint8 images would lose their scale among float ones.
        kinds = first.dtype.kind + second.dtype.kind
        alike = name == "y" and (kinds in ("UU", "SS") or set(kinds) <= set("biuf"))
        same = alike or first.dtype == second.dtype
        require(
            first.shape[1:] == second.shape[1:] and same,
            f"{path}: {name}_train is {first.dtype} of shape {first.shape}, {name}_test {second.dtype} of "
            f"{second.shape}; expected one dtype and one shape of example",
        )
    test_rows = np.arange(len(train), len(train) + len(test))
    return np.concatenate([train, test]), np.concatenate([train_labels, test_labels]), test_rows


class _CsvLayout(NamedTuple):
    """Where things stand in a .csv file."""

    delimiter: str
    header: list[str] | None
    n_columns: int  # columns
    label_index: int  # which of them holds the label

    def feature_name(self, index: int) -> str:
        """What to call feature `index` in a message."""
        column = index + (index >= self.label_index)
        return f"column {column + 1}" if self.header is None else f"column {self.header[column]!r}"


def load_csv(path: Path, config: DataConfig) -> Dataset:
    """A UTF-8 table: one example a line, separated by commas, semicolons or tabs, all numbers but the label.

    The first line is a header if it is all text, or has text above a number. The label is in `config.label_column`,
    else in the first of `LABEL_COLUMNS` that the header has (in any case), else in the last column.

    Raises:
        InputError: a line is ragged, a feature is missing or no number, or the header makes no sense; the message
            names the line, counted from 1 as editors do.
    """
    require_host_memory(path.stat().st_size, f"{path}: its text")  # a file may be one line
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            layout = _detect_layout(list(itertools.islice(file, 20)), path, config.label_column)
            file.seek(0)
            features, labels = _read_rows(file, layout, path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.object[error.start]:#04x}); save it as UTF-8") from error
    except csv.Error as error:
        raise InputError(f"{path}: not readable as comma-separated text ({error}); save it as plain CSV") from error
    names = (
        None if layout.header is None else layout.header[: layout.label_index] + layout.header[layout.label_index + 1 :]
    )
    return make_dataset(path.stem, features, _parse_labels(labels), source=str(path), feature_names=names)


def _detect_layout(sample: list[str], path: Path, label_column: str | None) -> _CsvLayout:
    """What the first lines tell."""
    sample = [line for line in sample if line.strip()]
    require(sample, f"{path}: empty; expected a header and one line for each example")
    tables = {mark: list(csv.reader(sample, delimiter=mark, skipinitialspace=True)) for mark in DELIMITERS}
    # The separator that cuts every line into as many cells; where none does, the one that cuts the first line most.
    steady = {mark: len(rows[0]) > 1 and len({len(row) for row in rows}) == 1 for mark, rows in tables.items()}
    delimiter = max(DELIMITERS, key=lambda mark: (steady[mark], len(tables[mark][0])))
    first, *below = tables[delimiter]
    width = len(first)
    require(width > 1, f"{path}: one column; expected features and a label, separated by commas, semicolons or tabs")
    text = [not _is_number(cell) for cell in first]
    named = [is_text and cell.strip().lower() not in MISSING_VALUES for is_text, cell in zip(text, first, strict=True)]
    over_number = any(name and _is_number(cell) for name, cell in zip(named, below[0] if below else [], strict=False))
    if not (all(text) or over_number):
        require(label_column is None, f"{path}: no header line to find --label-column {label_column} in; add one")
        return _CsvLayout(delimiter, None, width, width - 1)
    header = [name.strip() for name in first]
    require(
        "" not in header, f"{path}: column {[*header, ''].index('') + 1} has no name; name it, or drop an index column"
    )
    require_unique_names(header, path)
    return _CsvLayout(delimiter, header, width, find_label_column(header, path, label_column))


def require_unique_names(header: list[str], path: Path) -> None:
    """Refuse two columns of one name."""
    (name, count), *_ = Counter(header).most_common(1)
    require(count == 1, f"{path}: {count} columns are named [{name[:60]!r}]; expected different names")


def find_label_column(header: list[str], path: Path, label_column: str | None) -> int:
    """The column that holds the label: the one asked for, else the first of `LABEL_COLUMNS` there is, else the last."""
    if label_column is not None:
        shown = ", ".join(name[:40] for name in header[:10]) + (", ..." if len(header) > 10 else "")
        require(
            label_column in header, f"{path}: no column named --label-column {label_column}; expected one of {shown}"
        )
        return header.index(label_column)
    lowered = [name.lower() for name in header]
    return next((lowered.index(name) for name in LABEL_COLUMNS if name in lowered), len(header) - 1)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # 1_000 is a number in Python's source, and in a table rather a name


def _read_rows(file: Iterable[str], layout: _CsvLayout, path: Path) -> tuple[np.ndarray, list[str]]:
    """Features `(n, width - 1)` in float64 and the label cells `(n,)`."""
    reader = csv.reader(file, delimiter=layout.delimiter, skipinitialspace=True)
    rows = (row for row in reader if len(row) > 1 or "".join(row).strip())
    if layout.header is not None:
        next(rows)
    blocks, labels = [], []
    while True:
        block, lines = [], []
        for row in itertools.islice(rows, ROWS_PER_BLOCK):
            line = reader.line_num
            require(
                len(row) == layout.n_columns,
                f"{path}: line {line} has {len(row)} cells; expected {layout.n_columns} as in the first",
            )
            label = row.pop(layout.label_index).strip()
            require(label, f"{path}: line {line} has no label; expected one for each row; fill it in or drop the line")
            require(
                len(label) <= MAX_LABEL_LENGTH,
                f"{path}: line {line} has a label of {len(label)} characters; expected the name of a class, at most "
                f"{MAX_LABEL_LENGTH}; is it another column, --label-column?",
            )
            labels.append(label)
            block.append(row)
            lines.append(line)
        if not block:
            break
        blocks.append(_parse_numbers(block, lines, layout, path))
        require_host_memory(len(blocks) * blocks[0].nbytes, f"{path}: the numbers of {len(labels)} rows")
    require(blocks, f"{path}: a header and no rows; expected one line for each example")
    return np.concatenate(blocks), labels


def _parse_numbers(block: list[list[str]], lines: list[int], layout: _CsvLayout, path: Path) -> np.ndarray:
    """The block's cells as finite float64; the slow search for the culprit starts only when there is one."""
    try:
        cells = map(float, itertools.chain.from_iterable(block))
        values = np.fromiter(cells, np.float64, count=len(block) * (layout.n_columns - 1))
        if np.isfinite(values).all() and not any("_" in "".join(row) for row in block):
            return values.reshape(len(block), -1)
    except ValueError:
        pass
    for line, row in zip(lines, block, strict=True):
        for index, cell in enumerate(row):
            if not (_is_number(cell) and math.isfinite(float(cell))):
                kind = "missing" if cell.strip().lower() in MISSING_VALUES else "not a finite number"
                raise InputError(
                    f"{path}: line {line}, {layout.feature_name(index)} is {cell[:60]!r}, {kind}; expected a number; "
                    "encode, fill in or drop it"
                )
    raise AssertionError("unreachable: every cell is a finite number")


def _parse_labels(labels: list[str]) -> np.ndarray:
    """Whole numbers where all are, else numbers where all are, else text."""
    for kind in () if any("_" in label for label in labels) else (np.int64, np.float64):
        with contextlib.suppress(ValueError, OverflowError):
            return np.array(labels).astype(kind)
    return np.array(labels)
