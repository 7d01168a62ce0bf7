"""`.csv` tables of several dialects are read; damaged or unclear ones are rejected with the line."""

import numpy as np
import pytest
from expected_errors import error_message

from aejax.config import DataConfig
from aejax.data.tables import ROWS_PER_BLOCK, load_csv


def csv_file(tmp_path, text: str | bytes):
    path = tmp_path / "set.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def csv_error(path, **config: object) -> str:
    message = error_message(load_csv, path, DataConfig(**config))
    assert message.startswith(str(path))
    return message


GOOD_ROWS = [f"{i},{i / 2},{'ab'[i % 2]}" for i in range(8)]


@pytest.mark.parametrize(
    ("delimiter", "end", "start"),
    [
        pytest.param(",", "\n", b"", id="comma, unix"),
        pytest.param(";", "\r\n", b"\xef\xbb\xbf", id="semicolon, windows, BOM"),
        pytest.param("\t", "\n\n", b"", id="tab, blank lines"),
    ],
)
def test_dialects_give_the_same_table(tmp_path, delimiter, end, start):
    text = end.join(["width,height,kind", *GOOD_ROWS]).replace(",", delimiter)
    dataset = load_csv(csv_file(tmp_path, start + text.encode()), DataConfig())
    np.testing.assert_array_equal(dataset.inputs, [[i, i / 2] for i in range(8)])
    assert dataset.feature_names == ("width", "height")
    assert [dataset.class_names[label] for label in dataset.labels] == ["a", "b"] * 4


def test_quoted_cells_may_hold_the_delimiter_and_line_ends(tmp_path):
    rows = "".join(f'{i},"{"red, dark" if i % 2 else "two" + chr(10) + "lines"}"\n' for i in range(8))
    assert load_csv(csv_file(tmp_path, f'"width",kind\n{rows}'), DataConfig()).class_names == (
        "red, dark",
        "two\nlines",
    )


@pytest.mark.parametrize(
    ("header", "label_column", "expected"),
    [
        ("b,c,label", None, "label"),
        ("Label,b,c", None, "Label"),
        ("b,TARGET,c", None, "TARGET"),
        ("y,b,class", None, "class"),
        ("b,c,d", None, "d"),
        ("b,c,label", "b", "b"),
    ],
)
def test_the_label_column_is_found(tmp_path, header, label_column, expected):
    rows = "".join(f"{i % 2},{i % 2},{i % 2}\n" for i in range(8))
    dataset = load_csv(csv_file(tmp_path, f"{header}\n{rows}"), DataConfig(label_column=label_column))
    assert dataset.feature_names == tuple(name for name in header.split(",") if name != expected)


@pytest.mark.parametrize(
    ("first", "names"),
    [
        pytest.param("", None, id="numbers and a text label: no header"),
        pytest.param("width,height,kind\n", ("width", "height"), id="all text: a header"),
        pytest.param("width,1,kind\n", ("width", "1"), id="text above a number: a header"),
    ],
)
def test_the_header_is_detected(tmp_path, first, names):
    dataset = load_csv(csv_file(tmp_path, first + "\n".join(GOOD_ROWS)), DataConfig())
    assert dataset.n_examples == 8
    assert dataset.feature_names == names


def test_integer_labels_sort_as_numbers(tmp_path):
    rows = "".join(f"{i},{[9, 10][i % 2]}\n" for i in range(8))
    assert load_csv(csv_file(tmp_path, "a,label\n" + rows), DataConfig()).class_names == ("9", "10")


def test_row_order_is_kept_across_blocks(tmp_path):
    n = 2 * ROWS_PER_BLOCK + 3
    text = "a,label\n" + "".join(f"{i},{i % 2}\n" for i in range(n))
    np.testing.assert_array_equal(load_csv(csv_file(tmp_path, text), DataConfig()).inputs[:, 0], np.arange(n))


def table(line: str = "", at: int = 4, header: str = "width,height,kind") -> str:
    rows = [header, *GOOD_ROWS]
    rows[at:at] = [line] if line else []
    return "\n".join(rows)


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        pytest.param("", "empty", id="empty"),
        pytest.param("\n \n", "empty", id="blank"),
        pytest.param("width,height,kind\n", "no rows", id="header only"),
        pytest.param("width\n1\n2\n", "one column", id="one column"),
        pytest.param(table("1,wide,a"), "line 5, column 'height' is 'wide'", id="text"),
        pytest.param(table("1,,a"), "line 5, column 'height' is '', missing", id="missing"),
        pytest.param(table("1,NA,a"), "line 5, column 'height' is 'NA', missing", id="NA"),
        pytest.param(table("nan,1,a"), "line 5, column 'width' is 'nan', missing", id="nan"),
        pytest.param(table("1e999,1,a"), "line 5, column 'width' is '1e999'", id="infinite"),
        pytest.param(table("1e39,1,a"), "row 3, column 'width' is 1e+39", id="beyond float32"),
        pytest.param(table("1,2,"), "line 5 has no label", id="no label"),
        pytest.param(table("1,2"), "line 5 has 2 cells; expected 3", id="short line"),
        pytest.param(table("1,2,3,a"), "line 5 has 4 cells; expected 3", id="long line"),
        pytest.param(table("1,2", at=9), "line 10 has 2 cells", id="cut off"),
        pytest.param(table(header="width,width,kind"), "'width'", id="same name twice"),
        pytest.param(table(header=",height,kind"), "column 1 has no name", id="pandas index"),
        pytest.param(
            "\n".join(["1,wide,a", *GOOD_ROWS[1:]]).replace("wide", "?"), "line 1, column 2 is '?'", id="no header"
        ),
        pytest.param(b"width,kind\n1,caf\xe9\n", "0xe9", id="Latin-1"),
        pytest.param(table().encode("utf-16"), "UTF-8", id="UTF-16"),
        pytest.param("a,label\n" + "".join(f"{i},{i / 7}\n" for i in range(8)), "regression", id="regression"),
        pytest.param('a,label\n1,"' + "x" * 200_000, "field", id="an open quote"),
    ],
)
def test_bad_tables_are_rejected_with_the_line(tmp_path, text, mentioned):
    assert mentioned in csv_error(csv_file(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        pytest.param(table(), "width, height, kind", id="no such column"),
        pytest.param("\n".join(GOOD_ROWS), "no header line", id="no header"),
    ],
)
def test_an_unknown_label_column_is_rejected(tmp_path, text, mentioned):
    message = csv_error(csv_file(tmp_path, text), label_column="colour")
    assert "colour" in message
    assert mentioned in message
