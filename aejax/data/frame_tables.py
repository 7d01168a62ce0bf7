"""Tables in memory: pandas DataFrames, read by the same rules as files."""

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from aejax.data.table_problems import Problem
from aejax.errors import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrameTable:
    """A DataFrame whose columns have names."""

    path: Path  # its name in messages
    frame: pd.DataFrame
    layout: str = "DataFrame"
    index_columns: tuple[str, ...] = ()
    has_header: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(map(str, self.frame.columns))

    def read(self, exact: Collection[str]) -> tuple[pd.DataFrame, list[Problem]]:
        """Returns the rows, numbered from 0."""
        require(len(self.frame), f"{self.path}: columns and no rows; expected one row for each example")
        return self.frame.set_axis(list(self.names), axis=1).reset_index(drop=True), []

    def place_rows(self, rows: Sequence[int]) -> list[str]:
        """Returns what messages call some rows: by their index in the DataFrame."""
        return [f"row {self.frame.index[row]!r}" for row in rows]
