"""Parquet tables give the values that were written, by the same rules as .csv files."""

from pathlib import Path

import numpy as np
import pyarrow
import pytest
from expected_errors import error_message
from pyarrow import csv as pyarrow_csv
from pyarrow import parquet as pyarrow_parquet

from aejax.config import DataConfig
from aejax.data import memory, parquet
from aejax.data.parquet import load_parquet
from aejax.data.registry import load_dataset
from aejax.data.tables import load_csv
from aejax.errors import InputError

COLUMNS = {"width": np.arange(8), "height": np.arange(8) / 2, "kind": ["a", "b"] * 4}


def table(tmp_path: Path, columns: dict | None = None, **options: object) -> Path:
    path = tmp_path / "set.parquet"
    pyarrow_parquet.write_table(pyarrow.table(COLUMNS | (columns or {})), path, **options)
    return path


def parquet_error(path: Path, **config: object) -> str:
    message = error_message(load_parquet, path, DataConfig(**config))
    assert message.startswith(str(path))
    return message


def test_a_table_equals_the_columns_that_were_written(tmp_path):
    dataset = load_dataset(DataConfig(dataset=str(table(tmp_path))))
    np.testing.assert_array_equal(dataset.inputs, [[i, i / 2] for i in range(8)])
    assert (dataset.inputs.dtype, dataset.name, dataset.value_range) == (np.float32, "set", None)
    assert (dataset.feature_names, dataset.class_names) == (("width", "height"), ("a", "b"))
    np.testing.assert_array_equal(dataset.labels, [0, 1] * 4)


@pytest.mark.parametrize("kind", [["a", "b"] * 4, [10, 9] * 4, [1.0, 0.0] * 4], ids=["text", "whole", "float"])
@pytest.mark.parametrize("label_column", [None, "kind"])
def test_parquet_and_csv_give_the_same_dataset(tmp_path, kind, label_column):
    path = table(tmp_path, {"kind": kind})
    pyarrow_csv.write_csv(pyarrow_parquet.read_table(path), path.with_suffix(".csv"))
    config = DataConfig(label_column=label_column)
    by_parquet, by_csv = load_parquet(path, config), load_csv(path.with_suffix(".csv"), config)
    assert by_parquet.sha256 == by_csv.sha256
    assert by_parquet.feature_names == by_csv.feature_names
    assert by_parquet.class_names == by_csv.class_names


@pytest.mark.parametrize(
    ("dtypes", "stored"),
    [
        pytest.param((np.uint8, np.uint8), np.uint8, id="bytes stay bytes"),
        pytest.param((bool, bool), np.uint8, id="booleans are bytes"),
        pytest.param((np.int64, np.float16), np.float32, id="numbers of several kinds"),
        pytest.param((bool, np.float32), np.float32, id="booleans among numbers"),
    ],
)
def test_numeric_columns_are_combined_in_a_common_dtype(tmp_path, dtypes, stored):
    values = {name: np.arange(8).astype(dtype) for name, dtype in zip(("width", "height"), dtypes, strict=True)}
    dataset = load_parquet(table(tmp_path, values), DataConfig())
    assert dataset.inputs.dtype == stored
    np.testing.assert_array_equal(dataset.inputs, np.stack([*values.values()], axis=1))


LABELS = {
    "text": (["b", "a"] * 4, ("a", "b")),
    "categories": (pyarrow.array(["b", "a"] * 4).dictionary_encode(), ("a", "b")),
    "whole numbers": ([10, 9] * 4, ("9", "10")),
    "booleans": ([True, False] * 4, ("False", "True")),
    "whole floats": ([1.0, 0.0] * 4, ("0", "1")),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_every_type_are_encoded_in_sorted_order(tmp_path, kind):
    labels, names = LABELS[kind]
    dataset = load_parquet(table(tmp_path, {"kind": labels}), DataConfig())
    assert dataset.class_names == names
    np.testing.assert_array_equal(dataset.labels, [1, 0] * 4)


@pytest.mark.parametrize("row_group_size", [1, 3, 8])
def test_row_order_is_kept_across_blocks_and_row_groups(tmp_path, monkeypatch, row_group_size):
    monkeypatch.setattr(parquet, "ROWS_PER_BLOCK", 2)
    labels = pyarrow.array(["b", "a"] * 4).dictionary_encode()
    dataset = load_parquet(table(tmp_path, {"kind": labels}, row_group_size=row_group_size), DataConfig())
    np.testing.assert_array_equal(dataset.inputs[:, 0], np.arange(8))
    np.testing.assert_array_equal(dataset.labels, [1, 0] * 4)


HOLED = [1.0, 2.0, None, 4.0, 5.0, 6.0, 7.0, 8.0]


@pytest.mark.parametrize(
    ("columns", "mentioned"),
    [
        pytest.param({"height": ["tall"] * 8}, "column 'height' is string", id="text"),
        pytest.param({"height": [[1, 2]] * 8}, "column 'height' is list", id="lists"),
        pytest.param({"height": np.arange(8).astype("M8[s]")}, "column 'height' is timestamp", id="times"),
        pytest.param({"height": HOLED}, "row 2, column 'height' is missing", id="missing"),
        pytest.param({"height": [*range(7), float("nan")]}, "row 7, column 'height' is nan", id="nan"),
        pytest.param({"height": [1e39, *range(7)]}, "row 0, column 'height' is 1e+39", id="beyond float32"),
        pytest.param({"kind": ["a", None] * 4}, "row 1, column 'kind' is missing", id="no label"),
        pytest.param({"kind": np.arange(8) / 7}, "regression", id="regression"),
        pytest.param({"kind": [b"a", b"b"] * 4}, "label", id="bytes for labels"),
        pytest.param({"kind": np.arange(8).astype("M8[s]")}, "labels have dtype datetime64", id="times for labels"),
        pytest.param({"__index_level_0__": np.arange(8)}, "index=False", id="pandas index"),
    ],
)
def test_unsuitable_columns_are_rejected_by_name(tmp_path, columns, mentioned):
    assert mentioned in parquet_error(table(tmp_path, columns))


def test_rows_of_missing_values_are_counted_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "ROWS_PER_BLOCK", 2)
    assert "row 2, column 'height'" in parquet_error(table(tmp_path, {"height": HOLED}))


def test_an_unknown_label_column_is_reported_with_the_existing_ones(tmp_path):
    message = parquet_error(table(tmp_path), label_column="colour")
    assert "--label-column colour" in message
    assert "width, height, kind" in message


@pytest.mark.parametrize(
    ("content", "mentioned"),
    [
        pytest.param(pyarrow.table({"kind": ["a", "b"]}), "1 column(s)", id="one column"),
        pytest.param(pyarrow.table({"a": np.arange(0), "kind": np.arange(0)}), "no rows", id="no rows"),
        pytest.param(
            pyarrow.Table.from_arrays([pyarrow.array([1, 2])] * 3, names=["a", "a", "y"]), "['a']", id="same name twice"
        ),
    ],
)
def test_tables_without_rows_or_distinct_columns_are_rejected(tmp_path, content, mentioned):
    pyarrow_parquet.write_table(content, tmp_path / "set.parquet")
    assert mentioned in parquet_error(tmp_path / "set.parquet")


def test_damaged_files_raise_input_errors_only(tmp_path):
    path = table(tmp_path, write_page_checksum=True)
    good = path.read_bytes()
    expected = load_parquet(path, DataConfig()).sha256
    rng = np.random.default_rng(0)
    rejected = 0
    for trial in range(300):
        damaged = bytearray(good)
        place = int(rng.integers(len(good)))
        if trial % 2:
            damaged = damaged[:place]
        else:
            damaged[place] ^= 1 << trial % 8
        path.write_bytes(damaged)
        try:
            load_parquet(path, DataConfig())
        except InputError as error:
            rejected += str(error).startswith(str(path))
    assert rejected > 150
    path.write_bytes(good)
    assert load_parquet(path, DataConfig()).sha256 == expected


def test_memory_is_checked_before_reading(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available_host_memory", lambda: 8 * 2 * 8 - 1)
    message = parquet_error(table(tmp_path))
    assert "8 rows of 2 numbers take 128 B" in message
