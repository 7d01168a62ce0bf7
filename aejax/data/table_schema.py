"""The columns of a table, and their encoding as numbers."""

import dataclasses
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table that gives one or more features."""

    name: str
    kind: Literal["number", "boolean", "category", "date"]
    categories: tuple[str, ...] = ()  # of a category, in the order of its codes
    encoding: Literal["onehot", "ordinal"] | None = None  # of a category
    date_format: str | None = None  # of dates written as text, as in `datetime.strptime`
    indicator: bool = False  # whether a feature follows that is 1 where the value is missing


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableSchema:
    """The feature columns of a table in their order; a JSON value through `aejax.config.to_dict` and `from_dict`."""

    columns: tuple[Column, ...]
    missing: Literal["refuse", "mean", "median", "indicator", "drop-rows"] = "refuse"  # policy for missing values

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features: of the column, `column=category`, or `column missing`."""
        names: list[str] = []
        for column in self.columns:
            onehot = column.encoding == "onehot"
            names += [f"{column.name}={category}" for category in column.categories] if onehot else [column.name]
            names += [f"{column.name} missing"] * column.indicator
        return tuple(names)

    def encode(self, frame: pd.DataFrame) -> Float64[np.ndarray, "n d"]:
        """Returns the features of a table's rows, NaN where a number is missing.

        Raises:
            InputError: a column is missing or has values of another type.
        """
        raise NotImplementedError
