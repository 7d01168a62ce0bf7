"""Finds what each column of a table holds: numbers, truth values, categories or dates."""

import dataclasses
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, NoReturn

import numpy as np
import pandas as pd

from aejax.config import DataConfig
from aejax.data.label_encoding import short_repr
from aejax.data.table_problems import Problem, Rank
from aejax.data.table_schema import BOOLEANS, IMPUTING, MAX_FLOAT32, Column, parse_dates, to_booleans
from aejax.errors import list_names

MISSING_VALUES = ("", "na", "n/a", "nan", "null", "none", "?", "<na>", "#n/a", "nat", ".")  # in lower case
TIMES = ("", " %H:%M", " %H:%M:%S")
DAY_FIRST, MONTH_FIRST = (tuple(date + time for time in TIMES) for date in ("%d/%m/%Y", "%m/%d/%Y"))
DATES = ("%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d-%b-%Y", "%d %b %Y")
DATE_FORMATS = ("ISO8601", *(date + time for date in DATES for time in TIMES), *DAY_FIRST, *MONTH_FIRST)
DECIMAL_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+")
THOUSANDS = re.compile(r"[+-]?\d{1,3}([.,' ]\d{3})+([.,]\d+)?")
NUMBER = rf"({THOUSANDS.pattern}|[+-]?\d+([.,]\d+)?)"
DECORATED = re.compile(rf"[$€£¥]\s?{NUMBER}|{NUMBER}\s?[$€£¥%]|{NUMBER}")
MIN_NUMBERS = 0.5  # share of a column's cells that are numbers, from which the others are problems
MAX_CATEGORIES = 1000
MAX_DISTINCT_SHARE, SMALL_VOCABULARY = 0.5, 10  # categories per cell; with more, and more than a few, they are names
POLICIES = "--missing mean, median or indicator fills it in, drop-rows leaves the row out"


class Columns(NamedTuple):
    """What the feature columns of a table hold."""

    columns: tuple[Column, ...]
    frame: pd.DataFrame  # numbers, truth values and dates that were text are parsed
    problems: list[Problem]
    notes: list[str]


class _UnusableColumnError(Exception):
    """Carries the problems of a column."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems


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
        if dtype.kind in "iuf":
            columns[name] = Column(name=name, kind="number")
            continue
        try:
            columns[name], frame[name] = _infer_column(frame[name], config, describe(name))
        except _UnusableColumnError as error:
            problems += error.problems
    frame = frame[list(columns)]
    problems += _find_infinite(frame, describe)
    missing = frame.isna()
    counts = dict(zip(frame.columns, missing.sum(), strict=True))
    empty = [name for name in columns if counts[name] == len(frame)]
    dropped = [name for name, column in columns.items() if column.encoding and config.categorical == "drop"]
    kept = {name: column for name, column in columns.items() if name not in {*empty, *dropped}}
    if config.missing == "refuse":
        problems += [
            Problem(
                Rank.MISSING,
                f"{describe(name)} is missing{_count_cells(counts[name])}",
                POLICIES,
                _first_row(missing[name]),
            )
            for name in kept
            if counts[name]
        ]
    indicator = config.missing == "indicator"
    final = tuple(dataclasses.replace(kept[name], indicator=bool(indicator and counts[name])) for name in kept)
    notes = _describe_columns(final, empty, dropped)
    filled = [f"{name} ({counts[name]})" for name in kept if counts[name] and config.missing in IMPUTING]
    notes += [f"missing values filled in ({config.missing}): {list_names(filled)}"] if filled else []
    return Columns(final, frame[list(kept)], problems, notes)


def _infer_column(values: pd.Series, config: DataConfig, place: str) -> tuple[Column, pd.Series]:
    """Returns what a column that is not of numbers holds, and its parsed values."""
    name, kind = str(values.name), pd.api.types.infer_dtype(values, skipna=True)
    if kind == "boolean":
        return Column(name=name, kind="boolean"), pd.Series(to_booleans(values), values.index)
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):  # beyond int64, or of Python's types
        return Column(name=name, kind="number"), values.astype(np.float64)
    if kind in ("date", "datetime", "datetime64"):
        return Column(name=name, kind="date"), pd.to_datetime(values, utc=True)
    if kind == "categorical":
        words = values.astype(object).where(values.notna()).map(str, na_action="ignore")
        order = values.cat.categories.map(str) if values.cat.ordered else None
        return _make_category(name, words, config, order)
    if kind not in ("string", "empty", "mixed-integer", "mixed"):
        _raise_unusable(Rank.COLUMN, f"{place} holds values of type {kind}", _drop_hint(name))
    nested = [value for value in values if not isinstance(value, str | int | float | None)]
    if nested:
        _raise_unusable(Rank.COLUMN, f"{place} holds values of type {type(nested[0]).__name__}", _drop_hint(name))
    text = values.map(lambda value: str(value).strip(), na_action="ignore")
    return _infer_text(text.where(~text.str.lower().isin(MISSING_VALUES)), config, place)


def _infer_text(text: pd.Series, config: DataConfig, place: str) -> tuple[Column, pd.Series]:
    """Returns what a column of stripped text holds, where NaN is missing."""
    name = str(text.name)
    words = text.value_counts()  # without missing ones
    distinct, cells = pd.Series(words.index, dtype=object), words.to_numpy()
    if {word.lower() for word in distinct} <= BOOLEANS.keys() and len(words):
        return Column(name=name, kind="boolean"), pd.Series(to_booleans(text), text.index)
    points = distinct
    if config.decimal == ",":
        points = distinct.where(~distinct.str.contains(".", regex=False), "").str.replace(",", ".")
    numbers = pd.to_numeric(points, errors="coerce").astype(np.float64).to_numpy()
    is_number = ~np.isnan(numbers)
    commas = distinct.map(lambda word: bool(DECIMAL_COMMA.fullmatch(word))).to_numpy(bool) & ~is_number
    if is_number.all():
        return Column(name=name, kind="number"), text.map(dict(zip(distinct, numbers, strict=True))).astype(np.float64)
    if (is_number | commas).all() and not distinct[commas].map(lambda word: bool(THOUSANDS.fullmatch(word))).all():
        word = distinct[commas].iloc[0]
        problem = f"{place} is {word!r}, a number with a decimal comma{_count_cells(cells[commas].sum())}"
        _raise_unusable(Rank.DECIMAL, problem, "--decimal , reads it", _first_row(text == word))
    if date_format := _find_date_format(distinct, place, name, text):
        return Column(name=name, kind="date", date_format=date_format), parse_dates(text, date_format)
    if len(words) and all(DECORATED.fullmatch(word) for word in distinct):
        word = distinct[~is_number].iloc[0]
        problem = f"{place} is {word!r}, a number with thousands separators or a unit{_count_cells(cells.sum())}"
        fix = f"write plain numbers (--decimal , if commas are decimal marks), or {_drop_hint(name)}"
        _raise_unusable(Rank.NOT_A_NUMBER, problem, fix, _first_row(text == word))
    if cells[is_number].sum() >= MIN_NUMBERS * cells.sum():
        raise _UnusableColumnError(
            *(
                Problem(
                    Rank.NOT_A_NUMBER,
                    f"{place} is {short_repr(word)}, not a number{_count_cells(words[word])}",
                    f"correct it, or {_drop_hint(name)}",
                    _first_row(text == word),
                )
                for word in distinct[~is_number]
            )
        )
    if config.categorical != "drop" and len(words) > min(
        max(SMALL_VOCABULARY, MAX_DISTINCT_SHARE * cells.sum()), MAX_CATEGORIES
    ):
        example = short_repr(distinct.iloc[0])
        problem = f"{place} is text with {len(words)} different values in {cells.sum()} rows, such as {example}"
        _raise_unusable(Rank.COLUMN, problem, f"{_drop_hint(name)}; --categorical ordinal numbers all categories")
    return _make_category(name, text, config)


def _make_category(
    name: str, words: pd.Series, config: DataConfig, order: pd.Index | None = None
) -> tuple[Column, pd.Series]:
    """Returns a category whose codes are in the given order, or else sorted."""
    present = set(words.dropna())
    categories = sorted(present) if order is None else [word for word in order if word in present]
    encoding: Literal["onehot", "ordinal"] = "onehot" if config.categorical == "onehot" else "ordinal"
    column = Column(name=name, kind="category", categories=tuple(categories), encoding=encoding)
    return column, pd.Series(pd.Categorical(words, categories=categories), words.index)


def _find_date_format(distinct: pd.Series, place: str, name: str, text: pd.Series) -> str | None:
    """Returns the format that all cells have, if there is one."""
    fitting = [
        date_format
        for date_format in DATE_FORMATS
        if pd.to_datetime(distinct, format=date_format, errors="coerce", utc=True).notna().all()
    ]
    if len(distinct) and {*DAY_FIRST} & {*fitting} and {*MONTH_FIRST} & {*fitting}:
        word = distinct.iloc[0]
        _raise_unusable(
            Rank.COLUMN,
            f"{place} is {word!r}, a date with the day or the month first",
            f"write it as year-month-day, or {_drop_hint(name)}",
            _first_row(text == word),
        )
    return fitting[0] if fitting else None


def _find_infinite(frame: pd.DataFrame, describe: Callable[[str], str]) -> list[Problem]:
    """Returns the columns with numbers that float32 cannot hold."""
    numbers = frame[[name for name, dtype in zip(frame.columns, frame.dtypes, strict=True) if dtype.kind == "f"]]
    too_large = [name for name, limit in numbers.abs().max().items() if limit > MAX_FLOAT32]
    problems = []
    for name in map(str, too_large):
        cells = numbers[name].abs() > MAX_FLOAT32
        value = float(numbers[name][cells].iloc[0])
        reason = "too large for float32" if np.isfinite(value) else "not finite"
        text = f"{describe(name)} is {value!r}, {reason}{_count_cells(cells.sum())}"
        fix = f"correct it, or {_drop_hint(name)}"
        problems.append(Problem(Rank.NOT_A_NUMBER, text, fix, _first_row(cells)))
    return problems


def _describe_columns(columns: Sequence[Column], empty: Sequence[str], dropped: Sequence[str]) -> list[str]:
    notes = [f"empty columns left out: {list_names(empty)}"] if empty else []
    notes += [f"text columns left out: {list_names(dropped)}"] if dropped else []
    for encoding, word in (("onehot", "one-hot"), ("ordinal", "as ordinal numbers")):
        names = [f"{column.name} ({len(column.categories)})" for column in columns if column.encoding == encoding]
        notes += [f"categories {word}: {list_names(names)}"] if names else []
    dates = [column.name for column in columns if column.kind == "date"]
    return notes + ([f"dates as days since 1970-01-01: {list_names(dates)}"] if dates else [])


def _raise_unusable(rank: Rank, text: str, fix: str, row: int | None = None) -> NoReturn:
    raise _UnusableColumnError(Problem(rank, text, fix, row))


def _drop_hint(name: str) -> str:
    return f"--drop-columns {shlex.quote(name)} leaves the column out"


def _count_cells(count: int | np.integer) -> str:
    return f" ({count} such cells)" if count > 1 else ""


def _first_row(cells: pd.Series) -> int:
    return int(cells.index.to_numpy()[cells.to_numpy(bool).argmax()])
