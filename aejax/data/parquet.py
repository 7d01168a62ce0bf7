"""Tables in `.parquet` files, read by pyarrow, which is an extra."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from aejax.config import DataConfig
from aejax.data.dataset import Dataset, make_dataset
from aejax.data.memory import require_host_memory
from aejax.data.tables import find_label_column, require_unique_names
from aejax.errors import InputError, require

ROWS_PER_BLOCK = 65_536  # rows decoded at a time
PANDAS_INDEX_PREFIX = "__index_level_"  # how pandas begins the name of a row index that it writes as a column


def load_parquet(path: Path, config: DataConfig) -> Dataset:
    """One example a row, all columns numbers or booleans but the label; rows are counted from 0.

    The label is in `config.label_column`, else in the first of `LABEL_COLUMNS` that there is (in any case), else in the
    last column, as in a .csv file. Columns are widened to one type that holds them all. The checksums of pages are
    looked at where the file has any, which is up to its writer.

    Raises:
        InputError: pyarrow is not installed, the file is damaged, a column is no number, or a value is missing.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(f"{path}: {error}, which reads .parquet; pip install 'aejax[parquet]'") from error
    try:
        # The name as bytes, which need not be UTF-8.
        with (
            pyarrow.OSFile(os.fsencode(path)) as opened,
            pyarrow.parquet.ParquetFile(opened, page_checksum_verification=True) as file,
        ):
            label = _find_label(file.schema_arrow, path, config.label_column)
            features, labels = _read_table(pyarrow, file, label, path)
            names = [name for index, name in enumerate(file.schema_arrow.names) if index != label]
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        why = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: not an intact .parquet file ({why}); write or fetch it again") from error
    return make_dataset(path.stem, features, labels, source=str(path), feature_names=names)


def _find_label(schema: Any, path: Path, label_column: str | None) -> int:
    """The label's column, and names that make sense."""
    names = list(schema.names)
    require(len(names) > 1, f"{path}: {len(names)} column(s); expected features and a label")
    require_unique_names(names, path)
    indices = [name for name in names if name.startswith(PANDAS_INDEX_PREFIX)]
    require(not indices, f"{path}: column {indices[:1]} is pandas' row index; write it again with index=False")
    return find_label_column(names, path, label_column)


def _read_table(pyarrow: Any, file: Any, label: int, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Features `(n, columns - 1)` in one numeric dtype, and labels `(n,)` as they are."""
    columns = [index for index in range(len(file.schema_arrow)) if index != label]
    dtype = np.result_type(*(_require_numeric(pyarrow, file.schema_arrow.field(index), path) for index in columns))
    n = file.metadata.num_rows
    require(n > 0, f"{path}: columns and no rows; expected one row for each example")
    require_host_memory(n * len(columns) * dtype.itemsize, f"{path}: {n} rows of {len(columns)} numbers")
    features = np.empty((n, len(columns)), dtype)
    labels, done = [], 0
    for batch in file.iter_batches(batch_size=ROWS_PER_BLOCK):
        rows = slice(done, done + batch.num_rows)
        for at, index in enumerate(columns):
            column = batch.column(index)
            _reject_nulls(column, done, file.schema_arrow.names[index], path)
            features[rows, at] = column.to_numpy(zero_copy_only=False)
        _reject_nulls(batch.column(label), done, file.schema_arrow.names[label], path)
        labels.append(_decode_dictionary(pyarrow, batch.column(label)))
        done += batch.num_rows
    require(done == n, f"{path}: announces {n} rows and holds {done}; write or fetch it again")
    return features, np.concatenate(labels)


def _require_numeric(pyarrow: Any, field: Any, path: Path) -> np.dtype:
    kind = field.type
    types = pyarrow.types
    require(
        types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind),
        f"{path}: column {field.name!r} is {kind}; expected numbers; encode or drop it, or name it as --label-column",
    )
    return np.dtype(kind.to_pandas_dtype())


def _reject_nulls(column: Any, first_row: int, name: str, path: Path) -> None:
    if column.null_count:
        row = first_row + int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise InputError(f"{path}: row {row}, column {name!r} is missing; fill it in or drop the row")


def _decode_dictionary(pyarrow: Any, labels: Any) -> np.ndarray:
    """Labels without a dictionary behind them."""
    if pyarrow.types.is_dictionary(labels.type):
        labels = labels.cast(labels.type.value_type)
    return labels.to_numpy(zero_copy_only=False)
