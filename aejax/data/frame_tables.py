"""Tables whose columns have types: DataFrames in memory, and `.parquet`, `.feather` and `.arrow` files."""

import dataclasses
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet

from aejax.config.serialization import parse_json
from aejax.data.memory import REDUCE_MEMORY_HINT, require_host_memory
from aejax.data.table_problems import Problem
from aejax.errors import InputError, require, summarize_error

PANDAS_INDEX_PREFIX = "__index_level_"  # of the name of a row index that pandas wrote as a column


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArrowTable:
    """A table in one of Arrow's formats, of which only the columns are known until it is read."""

    path: Path
    names: tuple[str, ...]
    layout: str
    index_columns: tuple[str, ...]
    partition: Mapping[str, str]  # columns that are in the path and not in the file
    has_header: bool = True

    def read(self, exact: Collection[str]) -> tuple[pd.DataFrame, list[Problem]]:
        """Returns the rows; Hugging Face's class numbers become their names. See `TextTable.read`."""
        with _open(self.path) as file:
            table = file.read() if isinstance(file, pyarrow.parquet.ParquetFile) else file.read_all()
            require(table.num_rows, f"{self.path}: columns and no rows; expected one row for each example")
            table.validate(full=True)
            frame = to_frame(table)
        return frame.assign(**self.partition), []

    def place_rows(self, rows: Sequence[int]) -> list[str]:
        """Returns what messages call some rows: `row 4`, from 0."""
        return [f"row {row}" for row in rows]


def open_arrow_table(path: Path, partition: Mapping[str, str]) -> ArrowTable:
    """Reads a file's columns, and checks that memory suffices for its rows.

    Args:
        path: the file.
        partition: columns that a folder of files has in the names of its folders.

    Raises:
        InputError: the file is damaged or has no columns.
    """
    with _open(path) as file:
        is_parquet = isinstance(file, pyarrow.parquet.ParquetFile)
        schema = file.schema_arrow if is_parquet else file.schema
        if is_parquet:
            n = file.metadata.num_rows
            require_host_memory(16 * n * len(schema.names), f"{path}: {n} rows of {len(schema.names)} numbers")
    require_host_memory(path.stat().st_size, f"{path}: its columns")
    names = (*schema.names, *partition)
    match _metadata(schema, b"pandas"):
        case {"index_columns": [*stored]}:
            indices = {name for name in stored if isinstance(name, str)}
        case _:
            indices = set()
    return ArrowTable(
        path=path,
        names=names,
        layout="Parquet" if is_parquet else "Arrow",
        index_columns=tuple(name for name in names if name in indices or name.startswith(PANDAS_INDEX_PREFIX)),
        partition=partition,
    )


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Opens a `ParquetFile`, or a reader of record batches."""
    try:
        # A file name need not be valid UTF-8, so pyarrow receives its bytes.
        with pyarrow.OSFile(os.fsencode(path)) as opened:
            if path.suffix.lower() == ".parquet":
                with pyarrow.parquet.ParquetFile(opened, page_checksum_verification=True) as file:
                    yield file
                return
            is_file = opened.read(6) == b"ARROW1"
            opened.seek(0)
            with (pyarrow.ipc.open_file if is_file else pyarrow.ipc.open_stream)(opened) as reader:
                yield reader
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        if isinstance(error, MemoryError):
            raise InputError(
                f"{path}: does not fit into memory, or is damaged; {REDUCE_MEMORY_HINT}, or write it again"
            ) from error
        raise InputError(
            f"{path}: not an intact {path.suffix} file ({summarize_error(error, 120)}); write or fetch it again"
        ) from error


def to_frame(table: pyarrow.Table) -> pd.DataFrame:
    """Returns the columns with dates, decimal numbers and class names in the types of pandas."""
    for index, field in enumerate(table.schema):
        if pyarrow.types.is_decimal(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(pyarrow.float64()))
    class_names = _class_names(table.schema)
    # Afterwards, the table must not be used any more.
    frame = table.to_pandas(ignore_metadata=True, date_as_object=False, split_blocks=True, self_destruct=True)
    for name, words in class_names.items():
        codes = frame[name].fillna(-1).to_numpy(np.int64)
        known = np.where((codes >= 0) & (codes < len(words)), codes, -1)
        frame[name] = pd.Categorical.from_codes(known, pd.Index(words))
    return frame


def _class_names(schema: pyarrow.Schema) -> dict[str, list[str]]:
    """Returns the names of the classes of Hugging Face's columns of type `ClassLabel`."""
    match _metadata(schema, b"huggingface"):
        case {"info": {"features": dict(features)}}:
            return {
                name: feature["names"]
                for name, feature in features.items()
                if name in schema.names and isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
            }
    return {}


def _metadata(schema: pyarrow.Schema, library: bytes) -> Any:
    """Returns what a library has stored as JSON next to the columns, or an empty dict."""
    try:
        return parse_json((schema.metadata or {}).get(library, b"{}"))
    except ValueError:
        return {}
