"""Tables whose columns have types: DataFrames in memory, as which Arrow's files are read, too."""

import dataclasses
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.ipc
import pyarrow.parquet

from aejax.config.serialization import parse_json
from aejax.data.memory import REDUCE_MEMORY_HINT, require_host_memory
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

    def read(self, exact: Collection[str]) -> pd.DataFrame:
        """Returns the rows, numbered from 0."""
        require(len(self.frame), f"{self.path}: columns and no rows; expected one row for each example")
        frame = self.frame.copy(deep=False)
        frame.columns, frame.index = pd.Index(self.names), pd.RangeIndex(len(frame))
        return frame

    def place_row(self, row: int) -> str:
        """Returns what messages call a row: by its index in the DataFrame."""
        return f"row {self.frame.index[row]!r}"


def open_arrow_table(path: Path, partition: Mapping[str, str]) -> FrameTable:
    """Reads a `.parquet`, `.feather` or `.arrow` file; Hugging Face's class numbers become their names.

    Args:
        path: the file.
        partition: columns that a folder of files has in the names of its folders.

    Raises:
        InputError: the file is damaged, or does not fit into memory.
    """
    try:
        table = _read(path)
        table.validate(full=True)
        schema, frame = table.schema, to_frame(table)
    except InputError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, RecursionError) as error:  # pyarrow also parses JSON of pandas
        if isinstance(error, OSError) and error.errno is not None:
            raise
        problem, fix = f"not an intact {path.suffix} file ({summarize_error(error, 120)})", "write or fetch it again"
        if isinstance(error, MemoryError):
            problem, fix = "does not fit into memory, or is damaged", f"{REDUCE_MEMORY_HINT}, or write it again"
        raise InputError(f"{path}: {problem}; {fix}") from error
    for name, value in partition.items():
        frame.insert(frame.shape[1], name, value, allow_duplicates=True)
    match _metadata(schema, b"pandas"):
        case {"index_columns": [*stored]}:
            indices = {name for name in stored if isinstance(name, str)}
        case _:
            indices = set()
    return FrameTable(
        path=path,
        frame=frame,
        layout="Parquet" if path.suffix.lower() == ".parquet" else "Arrow",
        index_columns=tuple(name for name in frame if name in indices or name.startswith(PANDAS_INDEX_PREFIX)),
    )


def _read(path: Path) -> pyarrow.Table:
    """Returns the rows of a Parquet file, or of a file or stream of record batches."""
    # A file name need not be valid UTF-8, so pyarrow receives its bytes.
    with pyarrow.OSFile(os.fsencode(path)) as opened:
        if path.suffix.lower() == ".parquet":
            with pyarrow.parquet.ParquetFile(opened, page_checksum_verification=True) as file:
                n, width = file.metadata.num_rows, len(file.schema_arrow.names)
                require_host_memory(16 * n * width, f"{path}: {n} rows of {width} numbers")
                require_host_memory(opened.size(), f"{path}: its columns")
                return file.read()
        require_host_memory(opened.size(), f"{path}: its columns")
        is_file = opened.read(6) == b"ARROW1"
        opened.seek(0)
        with (pyarrow.ipc.open_file if is_file else pyarrow.ipc.open_stream)(opened) as reader:
            return reader.read_all()


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
                if schema.get_field_index(name) >= 0
                and isinstance(feature, dict)
                and feature.get("_type") == "ClassLabel"
            }
    return {}


def _metadata(schema: pyarrow.Schema, library: bytes) -> Any:
    """Returns what a library has stored as JSON next to the columns, or an empty dict."""
    try:
        return parse_json((schema.metadata or {}).get(library, b"{}"))
    except ValueError:
        return {}
