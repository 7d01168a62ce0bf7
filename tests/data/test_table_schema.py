"""A table's schema encodes a DataFrame in another process as the table was encoded, or says why it cannot."""

import json

import numpy as np
import pandas as pd
import pytest
from expected_errors import error_message
from loading import load
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from table_files import N, save

from aejax.config import from_dict, to_dict
from aejax.data.dataset import Dataset, make_dataset
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
    dataset = load(save(tmp_path, FRAME[["colour", "label"]]), categorical=encoding)
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


def test_the_hash_covers_groups_and_offsets_and_is_unchanged_without_them():
    inputs, labels = np.arange(24.0).reshape(12, 2), np.arange(12) % 2
    digests = {
        make_dataset("t", inputs, labels, source="t").sha256,
        make_dataset("t", inputs, labels, source="t", groups=labels).sha256,
        make_dataset("t", inputs, labels, source="t", groups=1 - labels).sha256,
        make_dataset("t", inputs, labels, source="t", unlabelled=np.arange(12) < 3).sha256,
        make_dataset("t", inputs, None, source="t").sha256,
    }
    assert len(digests) == 5
    shifted = [make_dataset("t", inputs + start, labels, source="t") for start in (2**27, 2**28)]
    np.testing.assert_array_equal(shifted[0].inputs, shifted[1].inputs)
    assert shifted[0].sha256 != shifted[1].sha256
