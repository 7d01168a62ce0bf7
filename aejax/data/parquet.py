"""Reads tables in `.parquet` files with pyarrow."""

import os
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from aejax.config import DataConfig
from aejax.data.dataset import Dataset, make_dataset
from aejax.data.memory import require_host_memory
from aejax.data.tables import find_label_column, require_unique_names
from aejax.errors import InputError, require, summarize_error

ROWS_PER_BLOCK = 65_536  # rows decoded at a time
PANDAS_INDEX_PREFIX = "__index_level_"  # of the name of a row index that pandas wrote as a column


def load_parquet(path: Path, config: DataConfig) -> Dataset:
    """Loads a table with one example per row; all columns except the label are numbers or booleans.

    The label column is found as in a .csv file, see `load_csv`. Features are converted to one dtype that can represent
    all of them. Page checksums are verified if the file has them.

    Raises:
        InputError: the file is damaged, a column is not numeric, or a value is missing; rows are counted from 0.
    """
    try:
        # A file name need not be valid UTF-8, so pyarrow receives its bytes.
        with (
            pyarrow.OSFile(os.fsencode(path)) as opened,
            pyarrow.parquet.ParquetFile(opened, page_checksum_verification=True) as file,
        ):
            names = list(file.schema_arrow.names)
            label_index = _find_label(names, path, config.label_column)
            features, labels = _read_table(file, label_index, path)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(
            f"{path}: not an intact .parquet file ({summarize_error(error, 120)}); write or fetch it again"
        ) from error
    del names[label_index]
    return make_dataset(path.stem, features, labels, source=str(path), feature_names=names)


def _find_label(names: list[str], path: Path, label_column: str | None) -> int:
    """Returns the label's column index after checking the column names."""
    require(len(names) > 1, f"{path}: {len(names)} column(s); expected features and a label")
    require_unique_names(names, path)
    indices = [name for name in names if name.startswith(PANDAS_INDEX_PREFIX)]
    require(not indices, f"{path}: column {indices[:1]} is pandas' row index; write it again with index=False")
    return find_label_column(names, path, label_column)


def _read_table(file: pyarrow.parquet.ParquetFile, label_index: int, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns features `(n, columns - 1)` in one numeric dtype, and labels `(n,)` in their own dtype."""
    fields = list(file.schema_arrow)
    columns = [index for index in range(len(fields)) if index != label_index]
    dtype = np.result_type(*(_numeric_dtype(fields[index], path) for index in columns))
    n = file.metadata.num_rows
    require(n > 0, f"{path}: columns and no rows; expected one row for each example")
    require_host_memory(n * len(columns) * dtype.itemsize, f"{path}: {n} rows of {len(columns)} numbers")
    features = np.empty((n, len(columns)), dtype)
    labels, n_read = [], 0
    for batch in file.iter_batches(batch_size=ROWS_PER_BLOCK):
        for index, field in enumerate(fields):
            _reject_nulls(batch.column(index), n_read, field.name, path)
        for position, index in enumerate(columns):
            features[n_read : n_read + batch.num_rows, position] = batch.column(index).to_numpy(zero_copy_only=False)
        labels.append(_decode_dictionary(batch.column(label_index)).to_numpy(zero_copy_only=False))
        n_read += batch.num_rows
    require(n_read == n, f"{path}: announces {n} rows and holds {n_read}; write or fetch it again")
    return features, np.concatenate(labels)


def _numeric_dtype(field: pyarrow.Field, path: Path) -> np.dtype:
    types, kind = pyarrow.types, field.type
    require(
        types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind),
        f"{path}: column {field.name!r} is {kind}; expected numbers; encode or drop it, or name it as --label-column",
    )
    return np.dtype(kind.to_pandas_dtype())


def _reject_nulls(column: pyarrow.Array, first_row: int, name: str, path: Path) -> None:
    if column.null_count:
        row = first_row + int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise InputError(f"{path}: row {row}, column {name!r} is missing; fill it in or drop the row")


def _decode_dictionary(column: pyarrow.Array) -> pyarrow.Array:
    """Returns the values of a dictionary-encoded column; other columns are returned unchanged."""
    return column.cast(column.type.value_type) if pyarrow.types.is_dictionary(column.type) else column
