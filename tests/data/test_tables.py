"""Tables of text are read as pandas reads them, whatever their layout, labels and features."""

import gzip
import re

import numpy as np
import pandas as pd
import pytest
from expected_errors import error_message
from loading import load
from table_files import CLASSES, NUMBERS, ROWS, N, labels_of, refusal, save, table, write

from aejax.data.dataset import UNLABELLED

# Layout: separator, encoding, header.


@pytest.mark.parametrize(
    ("name", "separator", "end", "encoding"),
    [
        pytest.param("set.csv", ",", "\n", "utf-8", id="comma"),
        pytest.param("set.csv", ";", "\r\n", "utf-8-sig", id="semicolon, Windows, BOM"),
        pytest.param("set.csv", "|", "\r", "latin-1", id="bar, old Mac, Latin-1"),
        pytest.param("set.csv", "\t", "\n\n", "utf-16", id="tab, blank lines, UTF-16"),
        pytest.param("set.tsv", "\t", "\n", "utf-8", id="tsv"),
        pytest.param("set.data", "   ", "\n  ", "utf-8", id="spaces"),
        pytest.param("set.txt", " \t", "\n", "utf-8", id="space and tab"),
        pytest.param("SET.CSV.GZ", ",", "\n", "utf-8", id="gzip"),
    ],
)
def test_dialects_give_the_same_table(tmp_path, name, separator, end, encoding):
    text = end.join(["width,größe,kind", *ROWS]).replace(",", separator).encode(encoding)
    dataset = load(write(tmp_path, gzip.compress(text) if name.endswith("GZ") else text, name))
    np.testing.assert_array_equal(dataset.inputs, [[i, i / 2] for i in range(8)])
    assert dataset.feature_names == ("width", "größe")
    assert dataset.name in ("set", "SET")
    assert labels_of(dataset) == ["a", "b"] * 4


def test_quoted_cells_may_hold_the_separator_and_line_ends(tmp_path):
    rows = "".join(f'{i},"{"red, dark" if i % 2 else "two" + chr(10) + "lines"}"\n' for i in range(8))
    assert load(write(tmp_path, f'"width",kind\n{rows}')).class_names == ("red, dark", "two\nlines")


def test_decimal_commas_are_read_on_request_and_recognised_otherwise(tmp_path):
    frame = pd.DataFrame({"a": NUMBERS / 4, "b": NUMBERS * 1000.5, "label": CLASSES})
    path = save(tmp_path, frame, sep=";", decimal=",")
    np.testing.assert_array_equal(load(path, decimal=",").inputs, frame[["a", "b"]].astype(np.float32))
    message = refusal(path)
    assert "line 2, column 'a' is '0,0', a number with a decimal comma (30 such cells); --decimal , reads it" in message
    headless = save(tmp_path, frame, sep=";", decimal=",", header=False)
    np.testing.assert_array_equal(load(headless, decimal=",").inputs, frame[["a", "b"]].astype(np.float32))


def test_a_separator_may_be_given(tmp_path):
    path = write(tmp_path, table().replace(",", "~"))
    assert "--separator" in refusal(path)
    assert load(path, separator="~").example_shape == (2,)
    # pandas splits at other characters with another parser, which rounds numbers.
    assert "--separator §: expected one ASCII character" in error_message(load, path, separator="§")
    path = write(tmp_path, "sep=§\n" + table().replace(",", "§"))
    assert "--separator names another character" in refusal(path)


@pytest.mark.parametrize(
    ("first", "config", "names"),
    [
        pytest.param("", {}, None, id="numbers and a text label: none"),
        pytest.param("width,height,kind\n", {}, ("width", "height"), id="all text"),
        pytest.param("width,1,kind\n", {}, ("width", "1"), id="text above a number"),
        pytest.param("1,2,kind\n", {"label_column": "kind"}, ("1", "2"), id="the label column is in line 1"),
        pytest.param("1,2,class\n", {}, ("1", "2"), id="a label's usual name"),
        pytest.param("1,2,kind\n", {"header": "yes"}, ("1", "2"), id="by request"),
        pytest.param("9,9,a\n", {"header": "no"}, None, id="none by request"),
    ],
)
def test_the_header_is_detected_or_given(tmp_path, first, config, names):
    dataset = load(write(tmp_path, first + "\n".join(ROWS)), **config)
    assert dataset.n_examples == 8 + (config.get("header") == "no")
    assert dataset.feature_names == names
    assert ("with header" in dataset.description.layout) == (names is not None)


@pytest.mark.parametrize("index", [False, True])
def test_numbers_as_column_names_of_pandas_are_a_header(tmp_path, index):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 5))).assign(**{"5": CLASSES})
    dataset = load(save(tmp_path, frame, index=index))
    assert dataset.feature_names == ("0", "1", "2", "3", "4")
    np.testing.assert_array_equal(dataset.inputs, frame.iloc[:, :5].astype(np.float32))


@pytest.mark.parametrize(
    "above",
    [
        pytest.param("sep={}\nwidth,height,kind\n", id="Excel's separator (pandas #47303)"),
        pytest.param("# made by us\n# units: m\nwidth,height,kind\n", id="comments (pandas #4623)"),
        pytest.param("# made by us\n# width,height,kind\n", id="NumPy's header (astropy #8674)"),
        pytest.param("#width,height,kind\n", id="a header behind a hash"),
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "|"])
def test_lines_above_the_rows_are_understood(tmp_path, above, separator):
    text = (above + "\n".join(ROWS)).replace(",", separator).format(separator)
    dataset = load(write(tmp_path, text))
    assert dataset.feature_names == ("width", "height")
    np.testing.assert_array_equal(dataset.inputs, [[i, i / 2] for i in range(8)])
    line = next(number for number, line in enumerate(text.splitlines(), 1) if line.startswith("5"))
    assert f"line {line}, column 'height' is 'big'" in refusal(write(tmp_path, text.replace("2.5", "big")))


def test_the_line_that_names_the_separator_is_no_header(tmp_path):
    dataset = load(write(tmp_path, "sep=;\n" + "".join(f"{i};{'ab'[i % 2]}\n" for i in range(8))))
    assert (dataset.feature_names, dataset.n_examples) == (None, 8)


def test_a_table_of_categories_without_header_loses_no_row(tmp_path):
    rows = ["e,x,s,n", "p,x,y,w", "e,b,s,w", "p,b,s,n"] * 3
    dataset = load(write(tmp_path, "\n".join(rows), "mushroom.data"), label_column="0")
    assert dataset.n_examples == 12
    assert dataset.class_names == ("e", "p")
    expected = pd.get_dummies(pd.DataFrame([row.split(",") for row in rows])[[1, 2, 3]])
    np.testing.assert_array_equal(dataset.inputs, expected)


# Labels.


@pytest.mark.parametrize(
    ("header", "label_column", "expected"),
    [
        ("b,c,label", None, "label"),
        ("Label,b,c", None, "Label"),
        ("b,TARGET,c", None, "TARGET"),
        ("y,b,class", None, "class"),
        ("b,c,d", None, "d"),
        ("b,c,label", "b", "b"),
        ("b,c,label", "0", "b"),
        ("b,c,label", "-2", "c"),
        ("x,y,z,activity", None, "activity"),
        ("y,x1,x2", None, "y"),
        ("x,y", None, "y"),
    ],
)
def test_the_label_column_is_found_and_named(tmp_path, header, label_column, expected):
    names = header.split(",")
    rows = "".join(",".join([str(i % 2)] * len(names)) + "\n" for i in range(8))
    dataset = load(write(tmp_path, f"{header}\n{rows}"), label_column=label_column)
    assert dataset.feature_names == tuple(name for name in names if name != expected)
    assert f"column {expected!r}" in dataset.description.label_source


def test_the_label_of_a_table_without_header_is_given_by_index(tmp_path):
    features = np.random.default_rng(0).normal(size=(N, 22))
    path = save(tmp_path, pd.DataFrame(np.column_stack([CLASSES.astype(int), features])), header=False)
    message = refusal(path)
    assert "labels are last column of 23 (no header), --label-column names another column" in message
    dataset = load(path, label_column="0")
    np.testing.assert_array_equal(dataset.labels, CLASSES)
    np.testing.assert_array_equal(dataset.inputs, features.astype(np.float32))
    assert "no column 23 for --label-column; there are columns 0 to 22" in refusal(path, label_column="23")
    assert "--header yes" in refusal(path, label_column="kind")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        pytest.param(["9", "10"], ("9", "10"), id="integers sort as numbers"),
        pytest.param(["1.0", "0.0"], ("0", "1"), id="whole floats"),
        pytest.param(["1", "01", "001"], ("001", "01", "1"), id="leading zeros"),
        pytest.param(["100000000000000000001", "100000000000000000000"], None, id="beyond 64 bits"),
        pytest.param(["True", "False"], ("False", "True"), id="truth values"),
        pytest.param(["None", "NA", "x"], ("NA", "None", "x"), id="words that pandas takes for missing"),
        pytest.param(["1_0", "1"], ("1", "1_0"), id="an underscore"),
        pytest.param(["1.00e+00", "0.00e+00"], ("0", "1"), id="whole numbers as NumPy writes them"),
    ],
)
def test_labels_stay_the_classes_that_they_are(tmp_path, labels, names):
    written = [labels[i % len(labels)] for i in range(12)]
    dataset = load(write(tmp_path, "a,label\n" + "".join(f"{i},{label}\n" for i, label in enumerate(written))))
    assert dataset.class_names == (names or tuple(sorted(labels)))
    assert [re.sub(r"(?<=\d)\.0.*", "", name) for name in written] == labels_of(dataset)


@pytest.mark.parametrize(("mark", "config"), [("", {}), ("-1", {"unlabelled": "-1"}), ("none", {"unlabelled": "none"})])
def test_rows_without_label_are_kept_apart(tmp_path, mark, config):
    labels = [mark if i % 3 == 2 else str(i % 3) for i in range(N)]
    dataset = load(write(tmp_path, "a,label\n" + "".join(f"{i},{label}\n" for i, label in enumerate(labels))), **config)
    np.testing.assert_array_equal(dataset.labels, np.where(CLASSES == 2, UNLABELLED, CLASSES))
    assert dataset.class_names == ("0", "1")


@pytest.mark.parametrize(("label", "config"), [("", {}), ("1", {"label_column": "none"})])
def test_a_table_may_have_no_labels_at_all(tmp_path, label, config):
    dataset = load(write(tmp_path, "a,label\n" + "".join(f"{i},{label}\n" for i in range(8))), **config)
    assert dataset.class_names == ()
    np.testing.assert_array_equal(dataset.labels, UNLABELLED)
    assert dataset.example_shape == (1 + bool(config),)


# Features.


def test_types_are_encoded_as_pandas_does(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "colour": rng.choice(["red", "green", "blue"], N),
            "size": rng.normal(size=N),
            "ok": rng.random(N) < 0.5,
            "when": pd.date_range("2018-01-01", periods=N, freq="36h"),
            "label": CLASSES,
        }
    )
    dataset = load(save(tmp_path, frame))
    days = (frame["when"] - pd.Timestamp("1970-01-01")) / pd.Timedelta("1D")
    expected = pd.get_dummies(frame[["colour"]], prefix_sep="=").assign(size=frame["size"], ok=frame["ok"], when=days)
    assert dataset.feature_names == tuple(expected.columns)
    np.testing.assert_array_equal(dataset.inputs, expected.astype(np.float32))
    assert dataset.description.notes == (
        "categories one-hot: colour (3)",
        "dates as days since 1970-01-01: when",
    )
    ordinal = load(save(tmp_path, frame), categorical="ordinal")
    np.testing.assert_array_equal(ordinal.inputs[:, 0], pd.Categorical(frame["colour"]).codes)
    assert load(save(tmp_path, frame), categorical="drop").feature_names == ("size", "ok", "when")


@pytest.mark.parametrize(
    "spelling", ["27/01/2018", "27.01.2018 00:00", "2018/01/27", "2018-01-27", "2018-01-27T00:00:00Z", "27-Jan-2018"]
)
def test_dates_of_every_spelling_are_days(tmp_path, spelling):
    rows = "".join(f"{spelling.replace('27', str(10 + i))},{i % 2}\n" for i in range(20))
    expected = np.arange(20) + (pd.Timestamp("2018-01-10") - pd.Timestamp(0)).days
    np.testing.assert_array_equal(load(write(tmp_path, "when,label\n" + rows)).inputs[:, 0], expected)


def test_integers_that_float32_would_merge_are_centred(tmp_path):
    noise = np.random.default_rng(0).normal(size=N)
    frame = pd.DataFrame({"date": 20180127 + CLASSES, "noise": noise, "label": CLASSES})
    dataset = load(save(tmp_path, frame))
    np.testing.assert_array_equal(dataset.offsets, [20180128, 0])
    np.testing.assert_array_equal(dataset.inputs[:, 0], CLASSES - 1)
    assert "median subtracted in float64, as float32 would merge values: date" in dataset.description.notes


MISSING = pd.DataFrame(
    {
        "a": [0.5, np.nan, *range(10)],
        "b": [*"xyxyxyxyxy", None, "y"],
        "c": [True, False] * 5 + [None, True],
        "label": [0, 1] * 6,
    }
)


@pytest.mark.parametrize("spelling", ["", "NA", "n/a", "nan", "NULL", "none", "?"])
def test_missing_values_are_refused_with_every_place_and_the_flag(tmp_path, spelling):
    message = refusal(save(tmp_path, MISSING, na_rep=spelling))
    assert "3 problems" in message
    for place in ("line 3, column 'a'", "line 12, column 'b'", "line 12, column 'c'"):
        assert f"{place} is missing; --missing mean, median or indicator fills it in" in message


@pytest.mark.parametrize("policy", ["mean", "median", "indicator"])
def test_missing_values_are_left_to_the_scaler(tmp_path, policy):
    dataset = load(save(tmp_path, MISSING), missing=policy)
    values = pd.get_dummies(MISSING[["a", "b"]]).assign(c=MISSING["c"].astype(float)).astype(np.float32)
    if policy == "indicator":
        gone = MISSING.isna().astype(np.float32)
        values.insert(1, "a missing", gone["a"])
        values.insert(4, "b missing", gone["b"])
        values["c missing"] = gone["c"]
    np.testing.assert_array_equal(dataset.inputs, values)
    assert dataset.table.missing == policy


def test_rows_with_missing_values_are_dropped_on_request(tmp_path):
    dataset = load(save(tmp_path, MISSING), missing="drop-rows")
    complete = MISSING.dropna()
    np.testing.assert_array_equal(dataset.inputs[:, 0], complete["a"])
    np.testing.assert_array_equal(dataset.labels, complete["label"])
    assert "2 rows with missing values left out" in dataset.description.notes


@pytest.mark.parametrize("times", [1, 2])
def test_the_index_that_pandas_writes_is_no_feature(tmp_path, times):
    frame = pd.DataFrame({"a": np.ones(N), "label": np.sort(CLASSES)})
    for _ in range(times):
        path = save(tmp_path, frame, index=True)
        frame = pd.read_csv(path)
    dataset = load(path)
    assert dataset.feature_names == ("a",)
    assert "Unnamed: 0" in dataset.description.notes[0]


def test_the_row_names_that_r_writes_are_no_feature(tmp_path):
    rows = "".join(f'"{i}" {i} {i / 2} "{"ab"[i % 2]}"\n' for i in range(8))
    dataset = load(write(tmp_path, '"width" "height" "kind"\n' + rows, "set.txt"))
    np.testing.assert_array_equal(dataset.inputs, [[i, i / 2] for i in range(8)])


@pytest.mark.parametrize("tail", ["1,2,a,\n", ",,,\n,,\n"], ids=["a separator at the end", "empty rows and columns"])
def test_what_spreadsheets_leave_behind_is_ignored(tmp_path, tail):
    header = "width,height,kind,\n" if tail[0] == "," else "width,height,kind\n"
    dataset = load(write(tmp_path, header + "".join(f"{row},\n" for row in ROWS) + tail))
    assert dataset.feature_names == ("width", "height")
    assert dataset.n_examples == 8 + (tail[0] == "1")
