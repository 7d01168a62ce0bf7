"""Tables of text are read as pandas reads them; unclear ones are refused with every problem, its line and its flag."""

import gzip
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from expected_errors import error_message
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aejax.config import DataConfig
from aejax.data.dataset import UNLABELLED, Dataset
from aejax.data.registry import load_dataset

ROWS = [f"{i},{i / 2},{'ab'[i % 2]}" for i in range(8)]
N = 30
NUMBERS = np.arange(N)
CLASSES = NUMBERS % 3


def write(tmp_path: Path, text: str | bytes, name: str = "set.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def save(tmp_path: Path, frame: pd.DataFrame, name: str = "set.csv", **options: object) -> Path:
    frame.to_csv(tmp_path / name, **{"index": False, **options})
    return tmp_path / name


def load(path: Path, **config: object) -> Dataset:
    return load_dataset(DataConfig(dataset=str(path), **config))


def refusal(path: Path, **config: object) -> str:
    message = error_message(load_dataset, DataConfig(dataset=str(path), **config))
    assert str(path) in message
    return message


def table(line: str = "", at: int = 4, header: str = "width,height,kind") -> str:
    rows = [header, *ROWS]
    rows[at:at] = [line] if line else []
    return "\n".join(rows)


def labels_of(dataset: Dataset) -> list[str]:
    return [dataset.class_names[label] for label in dataset.labels]


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


def test_columns_are_dropped_and_grouped_by_name_or_index(tmp_path):
    frame = pd.DataFrame({"id": NUMBERS, "who": [f"p{i // 5}" for i in NUMBERS], "a": NUMBERS, "label": CLASSES})
    dataset = load(save(tmp_path, frame), drop_columns=("0",), group_column="who")
    assert dataset.feature_names == ("a",)
    np.testing.assert_array_equal(dataset.groups, NUMBERS // 5)
    assert "did you mean who" in refusal(save(tmp_path, frame), group_column="whom")


# Problems.


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        pytest.param("", "empty", id="empty"),
        pytest.param("\n \n", "empty", id="blank"),
        pytest.param("width,height,kind\n", "no rows", id="header only"),
        pytest.param("width\n1\n2\n", "one column", id="one column"),
        pytest.param("A report\n" + table(), "line 1 has one cell and the lines below it have 3", id="a title"),
        pytest.param(table("1,wide,a"), "line 5, column 'height' is 'wide', not a number", id="text"),
        pytest.param(table("1e999,1,a"), "line 5, column 'width' is inf, not finite", id="infinite"),
        pytest.param(table("1e39,1,a"), "line 5, column 'width' is 1e+39, too large for float32", id="large"),
        pytest.param(table("1_000,1,a"), "line 5, column 'width' is '1_000', not a number", id="as Python writes"),
        pytest.param(table("1,2"), "line 5 has 2 cells, expected 3", id="short line"),
        pytest.param(table("1,2,3,a"), "line 5 has 4 cells, expected 3", id="long line"),
        pytest.param(table("1,2,3,4,5"), "line 5 has 5 cells, expected 3", id="very long line"),
        pytest.param(table("1,2", at=9), "line 10 has 2 cells", id="cut off"),
        pytest.param(table(header="width,,kind"), "column 'Unnamed: 1' has no name; name it", id="no name"),
        pytest.param(table(header="width,width,kind"), "2 columns are named ['width']", id="same name twice"),
        pytest.param(table().encode("utf-16")[2:], "holds NUL bytes", id="UTF-16 without a mark"),
        pytest.param("a,b\n" + "".join(f"{i},{i / 7}\n" for i in range(8)), "regression", id="regression"),
        pytest.param('a,label\n1,"' + "x" * 200_000, "EOF inside string", id="an open quote"),
        pytest.param(table("1,2,a,,,", at=1), "line 2 has 6 cells, expected 3", id="blank cells in the first row"),
        pytest.param(table("1,2,a,,").replace(",", ", "), "line 5 has 5 cells, expected 3", id="spaces, too"),
        pytest.param(table("1,2,a,,"), "line 5 has 5 cells, expected 3", id="blank cells (pandas #9294)"),
        pytest.param(
            "a,label\n" + "".join(f'"{1000 + i:,}",{i % 2}\n' for i in range(8)),
            "line 2, column 'a' is '1,000', a number with thousands separators or a unit (8 such cells)",
            id="thousands or decimal commas (pandas #22584)",
        ),
        pytest.param(
            "a,b,label\n" + "".join(f'"${1000 + i:,}.45",{i}%,{i % 2}\n' for i in range(8)),
            "line 2, column 'b' is '0%', a number with thousands separators or a unit (8 such cells)",
            id="currencies and shares (pandas #53653)",
        ),
        pytest.param(
            "when,label\n" + "".join(f"{i:02d}/01/2018,{i % 2}\n" for i in range(1, 9)),
            "line 2, column 'when' is '01/01/2018', a date with the day or the month first",
            id="an ambiguous date",
        ),
        pytest.param(
            "name,label\n" + "".join(f"p{i},{i % 2}\n" for i in range(20)),
            "column 'name' is text with 20 different values in 20 rows, such as 'p0'; --drop-columns name",
            id="names of rows",
        ),
    ],
)
def test_bad_tables_are_refused_with_the_line(tmp_path, text, mentioned):
    assert mentioned in refusal(write(tmp_path, text))


def test_all_problems_are_in_one_message(tmp_path):
    rows = [f"{i},{'x' if i == 2 else i},{'' if i % 5 == 1 else i},name{i},{i % 2}" for i in range(N)]
    message = refusal(write(tmp_path, "\n".join(["a,b,c,d,label", *rows, "1,2", "", "1,2,3,4,5,6,7"])))
    assert "5 problems" in message
    expected = ["line 32 has 2 cells", "line 34 has 7", "line 4, column 'b' is 'x'", "line 3, column 'c'", "column 'd'"]
    positions = [message.index(problem) for problem in expected]
    assert positions == sorted(positions)


def test_a_message_has_at_most_ten_problems(tmp_path):
    frame = pd.DataFrame({f"c{i}": [*range(N - 1), None] for i in range(12)}).assign(label=CLASSES)
    message = refusal(save(tmp_path, frame))
    assert "12 problems, of which 10 are" in message
    assert "(10) line 31, column 'c9' is missing" in message
    assert "c10" not in message


def test_points_between_thousands_are_no_decimal_marks(tmp_path):
    rows = "".join(f"{1 + i}.000;{i}.000,5;{i % 2}\n" for i in range(8))
    message = refusal(write(tmp_path, "a;b;label\n" + rows), decimal=",")
    assert "column 'a' is '1.000', a number with thousands separators" in message
    assert "column 'b' is '0.000,5', a number with thousands separators" in message


def test_options_that_do_not_apply_are_refused(tmp_path):
    np.savez(tmp_path / "set.npz", x=np.eye(8), y=np.arange(8) % 2)
    assert "--missing mean" in refusal(tmp_path / "set.npz", missing="mean")
    assert "--decimal ,: wine" in error_message(load_dataset, DataConfig(dataset="wine", decimal=","))
    assert "--unlabelled 7" in error_message(load_dataset, DataConfig(dataset="digits", unlabelled="7"))
    assert "'label' is nowhere '7'" in refusal(write(tmp_path, "a,label\n" + "1,0\n2,1\n" * 4), unlabelled="7")


# Size and exactness.


def test_lines_may_be_long(tmp_path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(8, 7_000)), columns=[f"g{i}" for i in range(7_000)])
    path = save(tmp_path, frame.assign(label=np.arange(8) % 2))
    assert max(map(len, path.read_text().splitlines())) > 131_072
    np.testing.assert_array_equal(load(path).inputs, frame.astype(np.float32))


def test_text_among_many_numbers_keeps_its_spelling(tmp_path):
    n = 200_000  # pandas reads a table of this size in several blocks
    cells = [f"{i % 7:02d}" for i in range(n - 1)] + ["x"]
    path = write(tmp_path, "a,kind,label\n" + "".join(f"{i},{cell},{i % 2}\n" for i, cell in enumerate(cells)))
    assert f"line {n + 1}, column 'kind' is 'x', not a number" in refusal(path)
    path.write_text(path.read_text().replace(",x,", ",00,"))
    assert load(path, label_column="kind", drop_columns=("label",)).class_names == tuple(f"{i:02d}" for i in range(7))


CELLS = st.sampled_from(["red", 'a "quote"', "semi;colon", "comma, here", "two\nlines", "é", " blank", "tab\there"])
NUMBER = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.none()


@settings(deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(rows=[(None, 0, "red", False), (0.0, 0, "red", False)] * 4, separator="\t", end="\n", quoting=0)
@given(
    rows=st.lists(st.tuples(NUMBER, st.integers(-(2**24), 2**24), CELLS, st.booleans()), min_size=8, max_size=30),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([0, 1, 2]),  # minimal, all, all but numbers
)
def test_what_pandas_writes_is_read_back(tmp_path, rows, separator, end, quoting):
    frame = pd.DataFrame(rows, columns=["real", "whole", "text", "truth"]).astype({"real": float})
    frame["label"] = np.arange(len(frame)) % 2
    path = save(tmp_path, frame, sep=separator, lineterminator=end, quoting=quoting)
    dataset = load(path, missing="mean", categorical="ordinal")
    columns = [column for column in ("real", "whole", "text", "truth") if not frame[column].isna().all()]
    expected = frame[columns].assign(text=pd.Categorical(frame["text"].str.strip()).codes).astype(np.float64)
    offsets = 0 if dataset.offsets is None else dataset.offsets
    np.testing.assert_array_equal(dataset.inputs, (expected - offsets).astype(np.float32))
    assert dataset.feature_names == tuple(columns)
    np.testing.assert_array_equal(dataset.labels, frame["label"])


# Train and test files.


def test_a_second_file_is_the_test_set(tmp_path):
    train = pd.DataFrame({"a": NUMBERS, "colour": ["red", "blue"] * 15, "label": CLASSES})
    test = train.iloc[::-1].assign(colour="green")[["label", "colour", "a"]].head(6)
    path = save(tmp_path, train, "train.csv")
    dataset = load(path, test=save(tmp_path, test, "other.csv"))
    joined = pd.concat([train, test])
    np.testing.assert_array_equal(dataset.test_rows, np.arange(N, N + 6))
    expected = pd.get_dummies(joined[["a", "colour"]], prefix_sep="=")
    assert dataset.feature_names == tuple(expected.columns)
    np.testing.assert_array_equal(dataset.inputs, expected)
    np.testing.assert_array_equal(dataset.labels, joined["label"])


def test_problems_of_two_files_name_the_file(tmp_path):
    frame = pd.DataFrame({"a": NUMBERS, "b": NUMBERS, "label": CLASSES})
    path, test = save(tmp_path, frame, "train.csv"), save(tmp_path, frame.assign(b=[*NUMBERS[:-1], None]), "test.csv")
    assert "test.csv line 31, column 'b' is missing" in refusal(path, test=test)
    no_label = save(tmp_path, frame.drop(columns="label"), "test.csv")
    assert "has no column label" in error_message(load_dataset, DataConfig(dataset=str(path), test=no_label))
    extra = save(tmp_path, frame.assign(c=1), "test.csv")
    assert "has a column c" in error_message(load_dataset, DataConfig(dataset=str(path), test=extra))
    absent = DataConfig(dataset=str(path), test=tmp_path / "none.csv")
    assert "no such file" in error_message(load_dataset, absent)


def test_a_test_file_has_a_header_if_the_training_file_has_one(tmp_path):
    train = write(tmp_path, "".join(f"{i},{i % 2},a{i % 2}\n" for i in range(N)), "adult.data")
    test = write(tmp_path, "0,1,a0\nx,1,a1\n", "adult.test.data")  # alone, its line 1 would be a header
    assert "adult.test.data line 2, column 0 (of 0 to 2) is 'x'" in refusal(train, test=test)
    dataset = load(train, test=write(tmp_path, "7,1,a0\n8,1,a1\n", "adult.test.data"))
    np.testing.assert_array_equal(dataset.inputs[dataset.test_rows], [[7, 1], [8, 1]])


def test_test_rows_without_label_or_values_are_left_out(tmp_path):
    frame = pd.DataFrame({"a": NUMBERS, "label": CLASSES})
    path = save(tmp_path, frame, "train.csv")
    test = write(tmp_path, "a,label\n1,\n2,1\n,0\n3,2\n", "test.csv")
    dataset = load(path, test=test, missing="drop-rows")
    np.testing.assert_array_equal(dataset.inputs[dataset.test_rows, 0], [2, 3])
    assert "1 test rows without label left out" in dataset.description.notes
