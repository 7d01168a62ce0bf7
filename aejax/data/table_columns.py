"""Finds what each column of a table holds, numbers, truth values, categories or dates, and names unusable cells."""

import dataclasses
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from aejax.config import DataConfig
from aejax.data.label_encoding import short_repr
from aejax.data.table_schema import IMPUTING, MAX_FLOAT32, MISSING_VALUES, Column, parse_dates, to_booleans
from aejax.errors import InputError, list_names

TIMES = ("", " %H:%M", " %H:%M:%S")
DAY_FIRST, MONTH_FIRST = (tuple(date + time for time in TIMES) for date in ("%d/%m/%Y", "%m/%d/%Y"))
DATES = ("%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d-%b-%Y", "%d %b %Y")
DATE_FORMATS = ("ISO8601", *(date + time for date in DATES for time in TIMES), *DAY_FIRST, *MONTH_FIRST)
DECIMAL_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+")
THOUSANDS = re.compile(r"[+-]?\d{1,3}([.,' ]\d{3})+([.,]\d+)?")
NUMBER = rf"({THOUSANDS.pattern}|[+-]?\d+([.,]\d+)?)"
DECORATED = re.compile(rf"[$€£¥]\s?{NUMBER}|{NUMBER}\s?[$€£¥%]|{NUMBER}")
NUMBER_TYPES = ("integer", "floating", "mixed-integer-float", "decimal")  # nullable, beyond int64 or of Python
MIN_NUMBERS = 0.5  # share of a column's cells that are numbers, from which the others are problems
MAX_CATEGORIES = 1000
MAX_DISTINCT_SHARE, SMALL_VOCABULARY = 0.5, 10  # categories per cell; with more, and more than a few, they are names
MAX_PROBLEMS = 10  # in one message
POLICIES = "--missing mean, median or indicator fills it in, drop-rows leaves the row out"


class Problem(NamedTuple):
    """One reason why a table cannot be used."""

    text: str
    fix: str
    row: int | None = None  # of the table, from 0; None: `text` says where


def raise_problems(path: Path, problems: Sequence[Problem], place_row: Callable[[int], str]) -> None:
    """Raises InputError with the first problems, if there are any; `place_row` returns what messages call a row."""
    if not problems:
        return
    lines = [
        f"{'' if row is None else f'{place_row(row)}, '}{text}; {fix}" for text, fix, row in problems[:MAX_PROBLEMS]
    ]
    if len(problems) == 1:
        raise InputError(f"{path}: {lines[0]}")
    count = f"{len(problems)} problems" + (f", of which {len(lines)} are" if len(problems) > len(lines) else "")
    raise InputError(f"{path}: {count}: " + " ".join(f"({number}) {line}." for number, line in enumerate(lines, 1)))


class Columns(NamedTuple):
    """What the feature columns of a table hold."""

    columns: tuple[Column, ...]
    frame: pd.DataFrame  # numbers, truth values and dates that were text are parsed
    problems: list[Problem]
    notes: list[str]


class _UnusableColumnError(Exception):
    """Its arguments are the problems of a column."""


def infer_columns(frame: pd.DataFrame, config: DataConfig, describe: Callable[[str], str]) -> Columns:
    """Finds the kind of every column, and the cells that do not fit it.

    Args:
        frame: all columns are features; missing values are NaN or one of `MISSING_VALUES`, ignoring case.
        config: how categories and missing values are treated.
        describe: returns what messages call a column.
    """
    frame = frame.copy(deep=False)
    columns: dict[str, Column] = {}
    problems: list[Problem] = []
    for name, dtype in zip(frame.columns, frame.dtypes, strict=True):
        if dtype.kind in "iuf" and isinstance(dtype, np.dtype):
            columns[name] = Column(name=name, kind="number")
            continue
        try:
            columns[name], frame[name] = _infer_column(frame[name], config, describe(name))
        except _UnusableColumnError as error:
            problems += error.args
    frame = frame[list(columns)]
    problems += _find_infinite(frame, describe)
    missing = frame.isna()
    counts = missing.sum()
    empty = [name for name in columns if counts[name] == len(frame)]
    dropped = [name for name, column in columns.items() if column.encoding and config.categorical == "drop"]
    kept = [name for name in columns if name not in {*empty, *dropped}]
    incomplete = [name for name in kept if counts[name]]
    if config.missing == "refuse":
        for name in incomplete:
            problems.append(_describe_cells(missing[name], f"{describe(name)} is missing", POLICIES))
    indicators = {*incomplete} if config.missing == "indicator" else set()
    final = tuple(dataclasses.replace(columns[name], indicator=name in indicators) for name in kept)
    notes = _describe_columns(final, empty, dropped)
    if incomplete and config.missing in IMPUTING:
        filled = [f"{name} ({counts[name]})" for name in incomplete]
        notes.append(f"missing values filled in ({config.missing}): {list_names(filled)}")
    return Columns(final, frame[kept], problems, notes)


def _infer_column(values: pd.Series, config: DataConfig, place: str) -> tuple[Column, pd.Series]:
    """Returns what a column that is not of numbers holds, and its parsed values."""
    name, kind = str(values.name), pd.api.types.infer_dtype(values, skipna=True)
    if kind == "boolean":
        return Column(name=name, kind="boolean"), pd.Series(to_booleans(values), values.index)
    if kind in ("date", "datetime", "datetime64"):
        return Column(name=name, kind="date"), pd.to_datetime(values, utc=True)
    if kind in NUMBER_TYPES or values.isna().all():
        try:
            numbers = values.to_numpy(np.float64, na_value=np.nan)
        except OverflowError:  # integers beyond float64, which are infinite if they are parsed
            parsed = values.map(lambda number: float(str(number)), na_action="ignore")
            numbers = parsed.to_numpy(np.float64, na_value=np.nan)
        return Column(name=name, kind="number"), pd.Series(numbers, values.index)
    if kind == "categorical":
        words = values.astype(object).where(values.notna()).map(_strip, na_action="ignore")
        order = [*dict.fromkeys(map(_strip, values.cat.categories))] if values.cat.ordered else None
        return _make_category(name, words, config, order)
    others = [type(value).__name__ for value in values.dropna() if not isinstance(value, str | int | float)]
    if others:
        raise _UnusableColumnError(Problem(f"{place} holds values of type {others[0]}", _drop_hint(name)))
    text = values.map(_strip, na_action="ignore")
    return _infer_text(text.where(~text.str.lower().isin(MISSING_VALUES)), config, place)


def _infer_text(text: pd.Series, config: DataConfig, place: str) -> tuple[Column, pd.Series]:
    """Returns what a column of stripped text holds, where NaN is missing."""
    name, words = str(text.name), text.value_counts()  # without missing ones
    distinct, cells = pd.Series(words.index, dtype=object), words.to_numpy()
    if len(words) and {word.lower() for word in distinct} <= {"true", "false"}:
        return Column(name=name, kind="boolean"), pd.Series(to_booleans(text), text.index)
    points = distinct
    if config.decimal == ",":
        points = distinct.where(~distinct.str.contains(".", regex=False), "").str.replace(",", ".")
    numbers = pd.to_numeric(points, errors="coerce").astype(np.float64).to_numpy()
    if not np.isnan(numbers).any():
        return Column(name=name, kind="number"), text.map(dict(zip(distinct, numbers, strict=True))).astype(np.float64)
    fitting = {
        date_format
        for date_format in DATE_FORMATS
        if pd.to_datetime(distinct, format=date_format, errors="coerce", utc=True).notna().all()
    }
    if {*DAY_FIRST} & fitting and {*MONTH_FIRST} & fitting:
        what, fix = "a date with the day or the month first", f"write it as year-month-day, or {_drop_hint(name)}"
        raise _UnusableColumnError(_describe_words(text, distinct[:1], place, what, fix))
    if fitting:
        date_format = next(date_format for date_format in DATE_FORMATS if date_format in fitting)
        return Column(name=name, kind="date", date_format=date_format), parse_dates(text, date_format)
    _reject_numbers(text, distinct[np.isnan(numbers)], place)
    limit = min(max(SMALL_VOCABULARY, MAX_DISTINCT_SHARE * cells.sum()), MAX_CATEGORIES)
    if config.categorical != "drop" and len(words) > limit:
        example = short_repr(distinct.iloc[0])
        problem = f"{place} is text with {len(words)} different values in {cells.sum()} rows, such as {example}"
        fix = f"{_drop_hint(name)}; --categorical ordinal numbers all categories"
        raise _UnusableColumnError(Problem(problem, fix))
    return _make_category(name, text, config)


def _make_category(
    name: str, words: pd.Series, config: DataConfig, order: Sequence[str] | None = None
) -> tuple[Column, pd.Series]:
    """Returns a category whose codes are in the given order, or else sorted."""
    present = set(words.dropna())
    categories = sorted(present) if order is None else [word for word in order if word in present]
    encoding: Literal["onehot", "ordinal"] = "onehot" if config.categorical == "onehot" else "ordinal"
    column = Column(name=name, kind="category", categories=tuple(categories), encoding=encoding)
    return column, pd.Series(pd.Categorical(words, categories=categories), words.index)


def _reject_numbers(text: pd.Series, words: pd.Series, place: str) -> None:
    """Raises the problems of a column of numbers of which some words are not written as numbers."""
    drop = _drop_hint(str(text.name))

    def all_match(pattern: re.Pattern[str]) -> bool:
        return all(map(pattern.fullmatch, words))

    if all_match(DECIMAL_COMMA) and not all_match(THOUSANDS):
        what, fix = "a number with a decimal comma", "--decimal , reads it"
    elif all_match(DECORATED):
        what = "a number with thousands separators or a unit"
        fix = f"write plain numbers (--decimal , if commas are decimal marks), or {drop}"
    elif text.isin(words).sum() > (1 - MIN_NUMBERS) * text.count():
        return
    else:
        problems = [
            _describe_words(text, words[words == word], place, "not a number", f"correct it, or {drop}")
            for word in words
        ]
        raise _UnusableColumnError(*problems)
    raise _UnusableColumnError(_describe_words(text, words, place, what, fix))


def _describe_words(text: pd.Series, words: pd.Series, place: str, what: str, fix: str) -> Problem:
    """Returns the problem that all cells with some words have."""
    cells = text.isin(words)
    return _describe_cells(cells, f"{place} is {short_repr(text[cells].iloc[0])}, {what}", fix)


def _describe_cells(cells: pd.Series, text: str, fix: str) -> Problem:
    """Returns the problem that all true cells have, in the row of the first."""
    count, first = int(cells.sum()), int(cells.to_numpy(bool).argmax())
    return Problem(text + (f" ({count} such cells)" if count > 1 else ""), fix, int(cells.index[first]))


def _find_infinite(frame: pd.DataFrame, describe: Callable[[str], str]) -> list[Problem]:
    """Returns the columns with numbers that float32 cannot hold."""
    numbers = frame[[name for name, dtype in zip(frame.columns, frame.dtypes, strict=True) if dtype.kind == "f"]]
    problems = []
    for name in map(str, numbers.columns[numbers.abs().max().astype(np.float64) > MAX_FLOAT32]):
        cells = numbers[name].astype(np.float64).abs() > MAX_FLOAT32
        value = float(numbers[name][cells].iloc[0])
        reason = "too large for float32" if np.isfinite(value) else "not finite"
        fix = f"correct it, or {_drop_hint(name)}"
        problems.append(_describe_cells(cells, f"{describe(name)} is {value!r}, {reason}", fix))
    return problems


def _describe_columns(columns: Sequence[Column], empty: Sequence[str], dropped: Sequence[str]) -> list[str]:
    notes = [f"empty columns left out: {list_names(empty)}"] if empty else []
    notes += [f"text columns left out: {list_names(dropped)}"] if dropped else []
    for encoding, word in (("onehot", "one-hot"), ("ordinal", "as ordinal numbers")):
        names = [f"{column.name} ({len(column.categories)})" for column in columns if column.encoding == encoding]
        notes += [f"categories {word}: {list_names(names)}"] if names else []
    dates = [column.name for column in columns if column.kind == "date"]
    return notes + ([f"dates as days since 1970-01-01: {list_names(dates)}"] if dates else [])


def _strip(value: object) -> str:
    return str(value).strip()


def _drop_hint(name: str) -> str:
    return f"--drop-columns {shlex.quote(name)} leaves the column out"
