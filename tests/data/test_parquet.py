"""A parquet table is the arrays it was written from, under the rules of a .csv file; what is unclear is named."""

from pathlib import Path

import numpy as np
import pyarrow
import pytest
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


def refusal(path: Path, **config: object) -> str:
    with pytest.raises(InputError) as caught:
        load_parquet(path, DataConfig(**config))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_table_is_the_columns_it_was_written_from(tmp_path):
    dataset = load_dataset(DataConfig(dataset=str(table(tmp_path))))
    np.testing.assert_array_equal(dataset.inputs, [[i, i / 2] for i in range(8)])
    assert (dataset.inputs.dtype, dataset.name, dataset.value_range) == (np.float32, "set", None)
    assert (dataset.feature_names, dataset.class_names) == (("width", "height"), ("a", "b"))
    np.testing.assert_array_equal(dataset.labels, [0, 1] * 4)


@pytest.mark.parametrize("kind", [["a", "b"] * 4, [10, 9] * 4, [1.0, 0.0] * 4], ids=["text", "whole", "float"])
@pytest.mark.parametrize("label_column", [None, "kind"])
def test_parquet_and_csv_of_one_table_are_the_same_data(tmp_path, kind, label_column):
    path = table(tmp_path, {"kind": kind})
    pyarrow_csv.write_csv(pyarrow_parquet.read_table(path), path.with_suffix(".csv"))
    config = DataConfig(label_column=label_column)
    by_parquet, by_csv = load_parquet(path, config), load_csv(path.with_suffix(".csv"), config)
    assert by_parquet.sha256 == by_csv.sha256
    assert by_parquet.feature_names == by_csv.feature_names
    assert by_parquet.class_names == by_csv.class_names


@pytest.mark.parametrize(
    ("names", "label_column", "expected"),
    [
        (("b", "c", "label"), None, "label"),
        (("Label", "b", "c"), None, "Label"),
        (("y", "b", "class"), None, "class"),
        (("b", "c", "d"), None, "d"),
        (("b", "c", "label"), "b", "b"),
    ],
)
def test_the_label_column_is_found_as_in_a_csv_file(tmp_path, names, label_column, expected):
    pyarrow_parquet.write_table(pyarrow.table(dict.fromkeys(names, np.arange(8) % 2)), tmp_path / "set.parquet")
    dataset = load_parquet(tmp_path / "set.parquet", DataConfig(label_column=label_column))
    assert dataset.feature_names == tuple(name for name in names if name != expected)


@pytest.mark.parametrize(
    ("dtypes", "stored"),
    [
        pytest.param((np.uint8, np.uint8), np.uint8, id="bytes stay bytes"),
        pytest.param((bool, bool), np.uint8, id="booleans are bytes"),
        pytest.param((np.int64, np.float16), np.float32, id="numbers of several kinds"),
        pytest.param((bool, np.float32), np.float32, id="booleans among numbers"),
    ],
)
def test_columns_of_any_numeric_kind_lie_side_by_side(tmp_path, dtypes, stored):
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
def test_labels_of_every_kind_are_coded_in_sorted_order(tmp_path, kind):
    labels, names = LABELS[kind]
    dataset = load_parquet(table(tmp_path, {"kind": labels}), DataConfig())
    assert dataset.class_names == names
    np.testing.assert_array_equal(dataset.labels, [1, 0] * 4)


@pytest.mark.parametrize("row_group_size", [1, 3, 8])
def test_rows_keep_their_order_across_blocks_and_row_groups(tmp_path, monkeypatch, row_group_size):
    monkeypatch.setattr(parquet, "ROWS_PER_BLOCK", 2)
    labels = pyarrow.array(["b", "a"] * 4).dictionary_encode()
    dataset = load_parquet(table(tmp_path, {"kind": labels}, row_group_size=row_group_size), DataConfig())
    np.testing.assert_array_equal(dataset.inputs[:, 0], np.arange(8))
    np.testing.assert_array_equal(dataset.labels, [1, 0] * 4)


HOLED = [1.0, 2.0, None, 4.0, 5.0, 6.0, 7.0, 8.0]


@pytest.mark.parametrize(
    ("columns", "named"),
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
def test_unsuitable_columns_are_refused_by_name(tmp_path, columns, named):
    assert named in refusal(table(tmp_path, columns))


def test_the_row_of_a_missing_value_is_counted_over_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "ROWS_PER_BLOCK", 2)
    assert "row 2, column 'height'" in refusal(table(tmp_path, {"height": HOLED}))


def test_a_label_column_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    message = refusal(table(tmp_path), label_column="colour")
    assert "--label-column colour" in message
    assert "width, height, kind" in message


@pytest.mark.parametrize(
    ("content", "named"),
    [
        pytest.param(pyarrow.table({"kind": ["a", "b"]}), "1 column(s)", id="one column"),
        pytest.param(pyarrow.table({"a": np.arange(0), "kind": np.arange(0)}), "no rows", id="no rows"),
        pytest.param(
            pyarrow.Table.from_arrays([pyarrow.array([1, 2])] * 3, names=["a", "a", "y"]), "['a']", id="same name twice"
        ),
    ],
)
def test_tables_that_make_no_sense_are_refused(tmp_path, content, named):
    pyarrow_parquet.write_table(content, tmp_path / "set.parquet")
    assert named in refusal(tmp_path / "set.parquet")


def test_no_damage_ends_in_anything_but_a_refusal(tmp_path):
    path = table(tmp_path, write_page_checksum=True)
    good = path.read_bytes()
    expected = load_parquet(path, DataConfig()).sha256
    rng = np.random.default_rng(0)
    refused = 0
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
            refused += str(error).startswith(str(path))
    assert refused > 150
    path.write_bytes(good)
    assert load_parquet(path, DataConfig()).sha256 == expected


def test_memory_is_asked_before_a_row_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available_host_memory", lambda: 8 * 2 * 8 - 1)
    message = refusal(table(tmp_path))
    assert "8 rows of 2 numbers take 128 B" in message
