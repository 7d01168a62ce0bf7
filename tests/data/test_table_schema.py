"""A table's schema encodes a DataFrame in another process as the table was encoded, or says why it cannot."""

import json

import numpy as np
import pandas as pd
import pyarrow
import pytest
from expected_errors import error_message
from loading import load
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from table_files import N, save

from aejax.api.data import make_dataset as make_memory_dataset
from aejax.config import from_dict, to_dict
from aejax.data.dataset import Dataset
from aejax.data.table_schema import TableSchema

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "colour": RNG.choice(["red", "green", "blue"], N),
        "size": RNG.normal(size=N),
        "ok": RNG.random(N) < 0.5,
        "when": pd.date_range("2018-01-01", periods=N, freq="36h").strftime("%d.%m.%Y"),
        "date": 20180127 + np.arange(N) % 3,
        "label": np.arange(N) % 2,
    }
)


def stored(dataset: Dataset, features: np.ndarray) -> np.ndarray:
    """Returns encoded rows as the dataset stores them."""
    return (features - (0 if dataset.offsets is None else dataset.offsets)).astype(np.float32)


@pytest.mark.parametrize(("categorical", "missing"), [("onehot", "indicator"), ("ordinal", "mean"), ("drop", "refuse")])
def test_the_schema_in_json_encodes_the_table_again(tmp_path, categorical, missing):
    frame = FRAME.copy()
    if missing != "refuse":
        frame.loc[[3, 5], "size"] = np.nan
        frame.loc[7, "colour"] = None
    dataset = load(save(tmp_path, frame), categorical=categorical, missing=missing)
    schema = from_dict(TableSchema, json.loads(json.dumps(to_dict(dataset.table))))
    assert schema == dataset.table
    again = pd.read_csv(tmp_path / "set.csv")
    shuffled = again.assign(other="x")[["other", *reversed(again.columns)]]
    np.testing.assert_array_equal(stored(dataset, schema.encode(shuffled)), dataset.inputs)
    assert schema.encode(again).dtype == np.float64
    assert schema.feature_names == dataset.feature_names


@pytest.mark.parametrize(
    ("encoding", "encoder"),
    [
        ("onehot", OneHotEncoder(handle_unknown="ignore", sparse_output=False)),
        ("ordinal", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)),
    ],
)
def test_unknown_categories_are_those_of_scikit_learn(tmp_path, encoding, encoder):
    dataset = load(save(tmp_path, FRAME[["colour", "label"]]), categorical=encoding, missing="mean")
    other = pd.DataFrame({"colour": ["red", "pink", " blue "]})
    encoder.fit(FRAME[["colour"]])
    np.testing.assert_array_equal(dataset.table.encode(other), encoder.transform(other.apply(lambda x: x.str.strip())))


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param(lambda frame: frame.astype({"size": "Float64", "ok": "boolean", "date": "Int64"}), id="nullable"),
        pytest.param(lambda frame: frame.astype({"size": str, "ok": str, "date": str}), id="text"),
        pytest.param(lambda frame: frame.astype({"size": object, "ok": int, "colour": "category"}), id="objects"),
        pytest.param(lambda frame: frame.assign(when=pd.to_datetime(frame["when"], format="%d.%m.%Y")), id="dates"),
        pytest.param(lambda frame: frame.set_index(frame.index[::-1]), id="another index"),
    ],
)
def test_types_of_a_frame_that_mean_the_same_are_encoded_alike(tmp_path, spelling):
    dataset = load(save(tmp_path, FRAME))
    np.testing.assert_array_equal(stored(dataset, dataset.table.encode(spelling(FRAME))), dataset.inputs)


@pytest.mark.parametrize("stored", [int, float])
@pytest.mark.parametrize("given", [int, float, "float32", "Int64", object, str])
def test_categories_that_are_whole_numbers_are_known_in_every_type(stored, given):
    codes, labels = np.arange(N) % 3, np.arange(N) % 2
    table = make_memory_dataset(pd.DataFrame({"code": pd.Categorical(codes.astype(stored))}), labels).table
    spelled = codes.astype(stored if given is str else int)
    np.testing.assert_array_equal(table.encode(pd.DataFrame({"code": spelled}).astype(given)), np.eye(3)[codes])
    np.testing.assert_array_equal(table.encode(pd.DataFrame({"code": [1.5, np.inf]})), 0)


QUESTIONABLE = FRAME.astype(object).mask(RNG.random(FRAME.shape) < [0.2, 0.2, 0.2, 0.2, 0.2, 0], " ?")


@pytest.mark.parametrize("missing", ["indicator", "mean"])
@pytest.mark.parametrize("categorical", ["onehot", "ordinal"])
def test_words_for_missing_values_are_missing_as_in_the_file(tmp_path, categorical, missing):
    dataset = load(save(tmp_path, QUESTIONABLE), categorical=categorical, missing=missing)
    encoded = dataset.table.encode(pd.read_csv(tmp_path / "set.csv"))
    np.testing.assert_array_equal(stored(dataset, encoded), dataset.inputs)
    assert np.isnan(dataset.table.encode(QUESTIONABLE.assign(size=" NONE "))).any(axis=1).all()


def test_a_word_for_missing_values_that_is_a_category_is_known():
    frame = pd.DataFrame({"colour": pd.Categorical(["none", "red"] * 6)})
    table = make_memory_dataset(frame, np.arange(12) % 2).table
    np.testing.assert_array_equal(table.encode(frame.astype(str)), np.tile(np.eye(2), (6, 1)))


@pytest.mark.parametrize("encoding", ["onehot", "ordinal"])
def test_a_word_for_missing_values_is_refused_where_nothing_fills_it_in(tmp_path, encoding):
    dataset = load(save(tmp_path, QUESTIONABLE[["colour", "label"]]), categorical=encoding, missing="drop-rows")
    assert "row 1 is missing" in error_message(dataset.table.encode, pd.DataFrame({"colour": ["red", "?"]}))


@pytest.mark.parametrize("missing", ["refuse", "drop-rows"])
def test_an_unknown_category_is_refused_where_nothing_fills_in_its_number(tmp_path, missing):
    dataset = load(save(tmp_path, FRAME[["colour", "label"]]), categorical="ordinal", missing=missing)
    message = error_message(dataset.table.encode, pd.DataFrame({"colour": ["red", "pink"]}))
    assert "column 'colour': row 1 is 'pink' of type" in message
    assert "expected one of blue, green, red" in message


@pytest.mark.parametrize("dtype", ["Float64", "double[pyarrow]", object])
def test_numbers_of_every_type_are_read_as_those_of_numpy(dtype):
    columns = {"a": [0.5, np.nan, 2.0] * 4, "empty": [np.nan] * 12, "b": np.arange(12.0)}
    labels, frame = np.arange(12) % 2, pd.DataFrame(columns)
    typed = pd.DataFrame({name: pd.array(values, "Float64").astype(dtype) for name, values in columns.items()})
    by_numpy, by_type = (make_memory_dataset(table, labels, missing="mean") for table in (frame, typed))
    assert by_type.sha256 == by_numpy.sha256
    assert by_type.feature_names == ("a", "b")
    typed.loc[5, "a"] = np.inf
    assert "row 5, column 'a' is inf, not finite" in error_message(make_memory_dataset, typed, labels)


def test_a_column_of_the_null_type_is_empty():
    frame = pd.DataFrame({"a": np.arange(12.0), "none": pd.arrays.ArrowExtensionArray(pyarrow.nulls(12))})
    assert make_memory_dataset(frame, np.arange(12) % 2).feature_names == ("a",)


@pytest.mark.parametrize(
    ("change", "mentioned"),
    [
        pytest.param(lambda frame: frame.drop(columns="size"), "no column size", id="absent"),
        pytest.param(lambda frame: frame.rename(columns={"size": "sizes"}), "did you mean sizes", id="renamed"),
        pytest.param(lambda frame: frame.assign(size="big"), "column 'size': row 0 is 'big'", id="text for numbers"),
        pytest.param(lambda frame: frame.assign(ok=7), "column 'ok': row 0 is", id="numbers for truth values"),
        pytest.param(lambda frame: frame.assign(when="2018/01/01"), "expected a date as %d.%m.%Y", id="other dates"),
        pytest.param(lambda frame: frame.assign(size=np.inf), "a finite number", id="infinite"),
        pytest.param(lambda frame: frame.assign(size=np.nan), "row 0 is missing", id="missing number"),
        pytest.param(lambda frame: frame.assign(colour=None), "row 0 is missing", id="missing category"),
    ],
)
def test_other_frames_are_refused_by_name(tmp_path, change, mentioned):
    assert mentioned in error_message(load(save(tmp_path, FRAME)).table.encode, change(FRAME))
