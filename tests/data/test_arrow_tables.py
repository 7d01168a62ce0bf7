"""Arrow's formats give the values that were written, by the same rules as tables of text, alone and in folders."""

import datetime
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pytest
from loading import load
from pyarrow import csv as pyarrow_csv
from pyarrow import feather
from pyarrow import parquet as pyarrow_parquet
from table_files import refusal

from aejax.data import memory
from aejax.data.dataset import UNLABELLED

COLUMNS = {"width": np.arange(8), "height": np.arange(8) / 2, "kind": ["a", "b"] * 4}


def save(tmp_path: Path, columns: dict | None = None, name: str = "set.parquet", **options: object) -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow_parquet.write_table(pyarrow.table(COLUMNS | (columns or {})), path, **options)
    return path


def write_stream(table: pyarrow.Table, path: str) -> None:
    with pyarrow.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("set.parquet", pyarrow_parquet.write_table),
        ("set.feather", feather.write_feather),
        ("set.arrow", feather.write_feather),
        ("set.ARROW", write_stream),
    ],
)
def test_a_table_equals_the_columns_that_were_written(tmp_path, name, write):
    write(pyarrow.table(COLUMNS), str(tmp_path / name))
    dataset = load(tmp_path / name)
    np.testing.assert_array_equal(dataset.inputs, [[i, i / 2] for i in range(8)])
    assert (dataset.inputs.dtype, dataset.name, dataset.value_range) == (np.float32, "set", None)
    assert (dataset.feature_names, dataset.class_names) == (("width", "height"), ("a", "b"))
    np.testing.assert_array_equal(dataset.labels, [0, 1] * 4)


LAST_YEAR = 9999 if int(pd.__version__.partition(".")[0]) >= 3 else 2261  # pandas 2 parses no later date from text
MIXED = {
    "real": [0.1, 0.2, None, 0.4] * 3,
    "whole": pd.array([1, 2, 3, None] * 3, "Int64"),
    "ok": pd.array([True, None, False, True] * 3, "boolean"),
    "colour": ["red", "blue", "red", None] * 3,
    "when": pd.date_range("2018-01-01", periods=12, freq="36h"),
    "day": pd.date_range("2018-01-01", periods=12).date,
    "code": pd.Categorical(["07", "8", "07"] * 4),
    "work": pd.Categorical([" Private", "State ", "Private"] * 4),
    "until": [datetime.date(2020, 1, 1), datetime.date(LAST_YEAR, 12, 31)] * 6,
}


@pytest.mark.parametrize(
    "kind", [[*"aabb"] * 3, [10, 10, 9, 9] * 3, [1.0, 1.0, 0.0, 0.0] * 3], ids=["text", "whole", "float"]
)
def test_parquet_and_csv_give_the_same_dataset(tmp_path, kind):
    frame = pd.DataFrame({**MIXED, "kind": kind}).assign(code=["x07", "8", "x07"] * 4)
    frame.to_parquet(tmp_path / "set.parquet")
    pyarrow_csv.write_csv(pyarrow.Table.from_pandas(frame), tmp_path / "set.csv")
    by_parquet, by_csv = (load(tmp_path / f"set.{suffix}", missing="indicator") for suffix in ("parquet", "csv"))
    assert by_parquet.sha256 == by_csv.sha256
    assert by_parquet.feature_names == by_csv.feature_names
    assert by_parquet.class_names == by_csv.class_names
    by_name = dict(zip(by_parquet.feature_names, by_parquet.inputs.T, strict=True))
    np.testing.assert_array_equal(by_name["work=Private"], [1, 0, 1] * 4)
    days = (datetime.date(LAST_YEAR, 12, 31) - datetime.date(1970, 1, 1)).days
    np.testing.assert_array_equal(by_name["until"], [18262, days] * 6)


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
    dataset = load(save(tmp_path, values))
    assert dataset.inputs.dtype == stored
    np.testing.assert_array_equal(dataset.inputs, np.stack([*values.values()], axis=1))


@pytest.mark.parametrize("labels", [["a", None, "b", "a"] * 3, [1, None, 2, 1] * 3, [1.0, None, 2.0, 1.0] * 3])
def test_a_missing_label_is_unlabelled(tmp_path, labels):
    pyarrow_parquet.write_table(pyarrow.table({"a": np.arange(12), "kind": labels}), tmp_path / "set.parquet")
    dataset = load(tmp_path / "set.parquet")
    np.testing.assert_array_equal(dataset.labels, [0, UNLABELLED, 1, 0] * 3)
    assert dataset.n_classes == 2


@pytest.mark.parametrize(
    "index", [None, pd.Index([f"r{i}" for i in range(8)], name="row"), pd.Index([7, 2, 3, 1, 0, 5, 6, 4])]
)
def test_the_index_that_pandas_stores_is_no_feature(tmp_path, index):
    pd.DataFrame(COLUMNS, index=index).to_parquet(tmp_path / "set.parquet")
    dataset = load(tmp_path / "set.parquet")
    assert dataset.feature_names == ("width", "height")
    assert (dataset.description.notes != ()) == (index is not None)


def test_class_names_of_hugging_face_are_used(tmp_path):
    feature = {"kind": {"names": ["cat", "ant"], "_type": "ClassLabel"}, "width": {"dtype": "int64", "_type": "Value"}}
    table = pyarrow.table({"width": np.arange(12), "kind": [0, 1, -1, 1] * 3})
    metadata = {"huggingface": json.dumps({"info": {"features": feature}})}
    pyarrow_parquet.write_table(table.replace_schema_metadata(metadata), tmp_path / "set.parquet")
    dataset = load(tmp_path / "set.parquet")
    assert dataset.class_names == ("ant", "cat")
    np.testing.assert_array_equal(dataset.labels, [1, 0, UNLABELLED, 0] * 3)


@pytest.mark.parametrize("low", ["low", " low "])
def test_ordered_categories_keep_their_order(tmp_path, low):
    sizes = pd.Categorical([low, "medium", "high"] * 4, [low, "unused", "medium", "high"], ordered=True)
    pd.DataFrame({"size": sizes, "label": [0, 1] * 6}).to_parquet(tmp_path / "set.parquet")
    dataset = load(tmp_path / "set.parquet", categorical="ordinal")
    np.testing.assert_array_equal(dataset.inputs[:, 0], [0, 1, 2] * 4)


@pytest.mark.parametrize(
    ("columns", "mentioned"),
    [
        pytest.param(
            {"height": [[1, 2]] * 8}, "column 'height' holds values of type ndarray; --drop-columns", id="lists"
        ),
        pytest.param({"height": [b"a"] * 8}, "column 'height' holds values of type bytes; --drop-columns", id="bytes"),
        pytest.param({"height": [*range(7), float("nan")]}, "row 7, column 'height' is missing", id="nan"),
        pytest.param({"height": [1e39, *range(7)]}, "row 0, column 'height' is 1e+39", id="beyond float32"),
        pytest.param({"kind": [b"a", b"b"] * 4}, "label", id="bytes for labels"),
        pytest.param({"kind": np.arange(8).astype("M8[s]")}, "labels have dtype datetime64", id="times for labels"),
        pytest.param({"height": np.arange(8).astype("m8[s]")}, "values of type Timedelta", id="durations"),
    ],
)
def test_unsuitable_columns_are_refused_by_name(tmp_path, columns, mentioned):
    assert mentioned in refusal(save(tmp_path, columns))


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
def test_tables_without_rows_or_distinct_columns_are_refused(tmp_path, content, mentioned):
    pyarrow_parquet.write_table(content, tmp_path / "set.parquet")
    assert mentioned in refusal(tmp_path / "set.parquet")


@pytest.mark.parametrize("stored", [b'{"columns": [', b"\xff", b"[" * 100_000], ids=["cut off", "no UTF-8", "deep"])
@pytest.mark.parametrize(("name", "write"), [("set.parquet", pyarrow_parquet.write_table), ("set.arrow", write_stream)])
def test_damaged_metadata_of_pandas_is_refused(tmp_path, name, write, stored):
    write(pyarrow.table(COLUMNS).replace_schema_metadata({b"pandas": stored}), str(tmp_path / name))
    assert "not an intact" in refusal(tmp_path / name)


def test_memory_is_checked_before_reading(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available_host_memory", lambda: 8 * 3 * 16 - 1)
    assert "8 rows of 3 numbers take 384 B" in refusal(save(tmp_path))


# Folders.


def test_a_folder_of_spark_is_one_table(tmp_path):
    folder = tmp_path / "set.parquet"
    save(folder, name="part-00000-1b2c.snappy.parquet")
    save(folder, {"width": np.arange(8, 16)}, name="part-00001-1b2c.snappy.parquet")
    for name in ("_SUCCESS", "._SUCCESS.crc", ".part-00000-1b2c.snappy.parquet.crc"):
        (folder / name).touch()
    dataset = load(folder)
    np.testing.assert_array_equal(dataset.inputs[:, 0], np.arange(16))
    assert (dataset.name, dataset.test_rows) == ("set", None)
    assert dataset.description.layout == "Parquet, 2 files"


def test_columns_in_folder_names_are_read(tmp_path):
    frame = pd.DataFrame(COLUMNS).assign(label=[0, 0, 1, 1] * 2)
    frame.to_parquet(tmp_path / "set", partition_cols=["label"])
    dataset = load(tmp_path / "set", categorical="ordinal")
    np.testing.assert_array_equal(
        dataset.inputs, frame.sort_values("label", kind="stable").iloc[:, :2].assign(kind=[0, 1] * 4)
    )
    np.testing.assert_array_equal(dataset.labels, [0] * 4 + [1] * 4)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (
            ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"],
            "data/test-00000-of-00001.parquet",
        ),
        (["train/part-0.parquet", "train/part-1.parquet"], "test/part-0.parquet"),
        (["train-1.parquet", "train-2.parquet"], "validation.parquet"),
        (["train.parquet", "val.parquet"], "test.parquet"),
        (["train.parquet", "dev.parquet"], "test.parquet"),
    ],
)
def test_folders_of_hugging_face_have_official_test_rows(tmp_path, train, test):
    for start, name in enumerate([*train, test]):
        save(tmp_path / "set", {"width": np.arange(8) + 8 * start}, name=name)
    (tmp_path / "set" / "README.md").touch()
    dataset = load(tmp_path / "set")
    np.testing.assert_array_equal(dataset.inputs[:, 0], np.arange(24))
    np.testing.assert_array_equal(dataset.test_rows, np.arange(16, 24))


@pytest.mark.parametrize(
    ("names", "mentioned"),
    [
        (["train-00000-of-00002.parquet"], "1 train files, whose names announce 2"),
        (
            ["train.parquet", "test.parquet", "sample_submission.parquet"],
            "sample_submission.parquet: by the name no part",
        ),
        (["a.parquet", "b.parquet"], "a.parquet, b.parquet: by the name no part of one table"),
    ],
)
def test_unclear_folders_are_refused(tmp_path, names, mentioned):
    for name in names:
        save(tmp_path / "set", name=name)
    assert mentioned in refusal(tmp_path / "set")


def test_links_out_of_a_folder_are_refused(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "part-0.parquet").symlink_to(save(tmp_path))
    assert "a link out of" in refusal(tmp_path / "set")
