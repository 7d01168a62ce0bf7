"""The columns of a table, and their encoding as numbers."""

import dataclasses
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float64

from aejax.errors import InputError, list_names, require, suggest_names

MissingPolicy = Literal["refuse", "mean", "median", "indicator", "drop-rows"]
IMPUTING = ("mean", "median", "indicator")  # policies under which a missing value is filled in later
BOOLEANS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}  # spellings in lower case
MISSING_VALUES = ("", "na", "n/a", "nan", "null", "none", "?", "<na>", "#n/a", "nat", ".")  # in lower case
MAX_FLOAT32 = float(np.finfo(np.float32).max)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table that gives one or more features."""

    name: str
    kind: Literal["number", "boolean", "category", "date"]
    categories: tuple[str, ...] = ()  # of a category, in the order of its codes
    encoding: Literal["onehot", "ordinal"] | None = None  # of a category
    date_format: str | None = None  # of dates written as text, as in `pandas.to_datetime`
    indicator: bool = False  # whether a feature follows that is 1 where the value is missing

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of its features: the column's, or `column=category` for each, and `column missing`."""
        names = [f"{self.name}={word}" for word in self.categories] if self.encoding == "onehot" else [self.name]
        return (*names, *[f"{self.name} missing"] * self.indicator)

    def encode(self, values: pd.Series) -> tuple[Float64[np.ndarray, "n d"], np.ndarray]:
        """Returns the features of this column, and which rows are missing.

        Raises:
            InputError: the values have another type; the message gives the first row, counted from 0.
        """
        if self.kind == "category":
            numbers, missing = self._encode_categories(values)
        else:
            if self.kind == "date" and values.dtype.kind != "M":
                values = parse_dates(values, self.date_format or "ISO8601")
            number = {"number": to_numbers, "boolean": to_booleans, "date": _to_days}[self.kind](values)
            numbers, missing = number[:, None], np.isnan(number)
        return np.column_stack([numbers, missing]) if self.indicator else numbers, missing

    def _encode_categories(self, values: pd.Series) -> tuple[Float64[np.ndarray, "n d"], np.ndarray]:
        """Returns zeros (one-hot) or NaN (ordinal) for a category that is not in the schema or is missing."""
        codes, words = pd.factorize(values)
        known = {category: code for code, category in enumerate(self.categories)}
        category_codes = [next((known[text] for text in _spell(word) if text in known), -1) for word in words]
        codes = np.array([*category_codes, -1])[codes]
        if self.encoding == "ordinal":
            return np.where(codes < 0, np.nan, codes)[:, None], codes < 0
        return np.eye(len(known) + 1, len(known))[codes], values.isna().to_numpy()


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableSchema:
    """The feature columns of a table in their order; a JSON value through `aejax.config.to_dict` and `from_dict`."""

    columns: tuple[Column, ...]
    missing: MissingPolicy = "refuse"

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in the order of `encode`."""
        return tuple(name for column in self.columns for name in column.feature_names)

    def encode(self, frame: pd.DataFrame) -> Float64[np.ndarray, "n d"]:
        """Returns the features of a table's rows, NaN where a number is missing.

        Columns are found by name, in any order; others are ignored. An unknown category is all zeros if categories are
        one-hot, and missing if they are ordinal. Words for a missing value (`?`, `NA`, ...) are missing, as in files.

        Raises:
            InputError: a column is absent or has values of another type, or a value is missing where the schema's
                policy does not fill it in; rows are counted from 0.
        """
        positions = {str(name): position for position, name in enumerate(frame.columns)}
        absent = [column.name for column in self.columns if column.name not in positions]
        require(
            not absent,
            f"the table has no column {list_names(absent)}; expected {len(self.columns)} columns, "
            f"{suggest_names(absent[0] if absent else '', positions)}",
        )
        features = np.empty((len(frame), len(self.feature_names)))
        start = 0
        for column in self.columns:
            values = _without_missing_words(frame.iloc[:, positions[column.name]], column.categories)
            try:
                encoded, missing = column.encode(values)
                if missing.any() and self.missing not in IMPUTING:
                    unknown = missing & values.notna().to_numpy()
                    _require_rows(~unknown, values, f"one of {list_names(column.categories)}")
                    raise InputError(
                        f"row {int(np.argmax(missing))} is missing; this table was read without missing values "
                        f"(--missing {self.missing}): fill it in or drop the row"
                    )
            except InputError as error:
                raise InputError(f"column {column.name!r}: {error}") from None
            features[:, start : start + encoded.shape[1]] = encoded
            start += encoded.shape[1]
        return features


def _without_missing_words(values: pd.Series, categories: Sequence[str]) -> pd.Series:
    """Returns a column in which text of `MISSING_VALUES` that is no category is missing."""
    if values.dtype.kind in "biufM":
        return values
    texts = [value for value in values.dropna().unique() if isinstance(value, str)]
    missing = [text for text in texts if text.strip().lower() in MISSING_VALUES and text.strip() not in categories]
    return values.where(~values.isin(missing)) if missing else values


def _spell(value: object) -> tuple[str, ...]:
    """Returns the texts by which a category is known: whole numbers mean the same as integers and as floats."""
    text = str(value).strip()
    if isinstance(value, Integral):
        return text, f"{text}.0"
    if isinstance(value, Real) and float(value).is_integer():
        return text, str(int(float(value)))
    return (text,)


def to_numbers(values: pd.Series) -> Float64[np.ndarray, " n"]:
    """Returns finite numbers, NaN where a value is missing; text is parsed.

    Raises:
        InputError: a value is no number, or beyond float32.
    """
    if values.dtype.kind in "biuf" and isinstance(values.dtype, np.dtype):
        numbers = values.to_numpy(np.float64)
    else:
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        _require_rows(~(np.isnan(numbers) & values.notna().to_numpy()), values, "a number")
    _require_rows(~(np.abs(numbers) > MAX_FLOAT32), values, "a finite number within float32")
    return numbers


def to_booleans(values: pd.Series) -> Float64[np.ndarray, " n"]:
    """Returns 1 for true, 0 for false and NaN where a value is missing."""
    codes, words = pd.factorize(values)
    numbers = np.array([*(BOOLEANS.get(str(word).strip().lower(), np.nan) for word in words), np.nan])[codes]
    _require_rows(~(np.isnan(numbers) & values.notna().to_numpy()), values, "true or false")
    return numbers


def parse_dates(values: pd.Series, date_format: str) -> pd.Series:
    """Parses dates in a format of `pandas.to_datetime`; times without a zone are UTC."""
    dates = pd.to_datetime(values, format=date_format, utc=True, errors="coerce")
    _require_rows((dates.notna() | values.isna()).to_numpy(), values, f"a date as {date_format}")
    return dates


def _to_days(dates: pd.Series) -> Float64[np.ndarray, " n"]:
    """Returns days since 1970-01-01 with their fractions, NaN where a date is missing."""
    utc = pd.to_datetime(dates, utc=True)
    epoch = pd.Timestamp(0, tz="UTC").as_unit("s")  # its default unit is nanoseconds, which end in 2262
    return ((utc - epoch) / pd.Timedelta(days=1)).to_numpy(np.float64)


def _require_rows(valid: np.ndarray, values: pd.Series, expected: str) -> None:
    if not valid.all():
        row = int(np.argmin(valid))
        value = repr(values.iloc[row])
        raise InputError(f"row {row} is {value[:60]} of type {values.dtype}; expected {expected}")
