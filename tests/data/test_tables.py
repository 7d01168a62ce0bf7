"""Files: what numpy and a spreadsheet write is read back; what is damaged or unclear is refused by name."""

import io
import zipfile

import numpy as np
import pytest

from aejax.config import DataConfig
from aejax.data.npz import load_npz
from aejax.data.tables import ROWS_PER_BLOCK, load_csv
from aejax.errors import InputError

IMAGES = np.arange(12 * 4 * 4, dtype=np.uint8).reshape(12, 4, 4)
LABELS = np.arange(12) % 2


def npz(tmp_path, **arrays):
    path = tmp_path / "set.npz"
    np.savez_compressed(path, **arrays)
    return path


def csv_file(tmp_path, text: str | bytes):
    path = tmp_path / "set.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(reader, path, config=None) -> str:
    with pytest.raises(InputError) as caught:
        reader(path, config or DataConfig())
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("names", [("x", "y"), ("X", "y"), ("inputs", "labels")])
def test_npz_pairs_are_read_under_each_naming(tmp_path, names):
    dataset = load_npz(npz(tmp_path, **dict(zip(names, (IMAGES, LABELS), strict=True)), extra=LABELS), DataConfig())
    assert (dataset.name, dataset.value_range, dataset.test_rows) == ("set", (0, 255), None)
    np.testing.assert_array_equal(dataset.inputs, IMAGES[..., None])
    np.testing.assert_array_equal(dataset.labels, LABELS)


def test_keras_names_give_the_official_test_split(tmp_path):
    path = npz(tmp_path, x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:3] + 1, y_test=LABELS[:3])
    dataset = load_npz(path, DataConfig())
    np.testing.assert_array_equal(dataset.inputs[dataset.test_rows], IMAGES[:3, ..., None] + 1)
    np.testing.assert_array_equal(np.delete(dataset.inputs, dataset.test_rows, axis=0), IMAGES[..., None])


@pytest.mark.parametrize(
    ("inputs", "shape", "value_range"),
    [
        pytest.param(np.zeros((12, 4, 5, 3), np.uint8), (4, 5, 3), (0, 255), id="colour"),
        pytest.param(np.zeros((12, 6), np.uint8), (6,), None, id="a table of bytes"),
        pytest.param(np.zeros((12, 6)), (6,), None, id="a table of floats"),
        pytest.param(np.zeros((12, 4, 5)), (4, 5), None, id="floats are not taken for an image"),
    ],
)
def test_npz_examples_keep_their_shape_but_grey_bytes(tmp_path, inputs, shape, value_range):
    dataset = load_npz(npz(tmp_path, x=inputs, y=LABELS), DataConfig())
    assert (dataset.example_shape, dataset.value_range) == (shape, value_range)


@pytest.mark.parametrize(
    ("arrays", "named"),
    [
        pytest.param({"a": IMAGES, "y": LABELS}, "a, y", id="unknown names"),
        pytest.param({}, "(none)", id="no arrays"),
        pytest.param({"x": IMAGES, "X": IMAGES, "y": LABELS}, "x, X, y", id="ambiguous names"),
        pytest.param({"x": IMAGES, "y": LABELS[:5]}, "5 labels", id="fewer labels"),
        pytest.param({"x": IMAGES, "y": LABELS.astype(object)}, "pickled", id="pickled labels"),
        pytest.param(
            {"x_train": IMAGES, "y_train": LABELS[:7], "x_test": IMAGES, "y_test": LABELS},
            "y_train (7,)",
            id="uneven part",
        ),
        pytest.param(
            {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:, :2], "y_test": LABELS},
            "x_test",
            id="other shape",
        ),
        pytest.param(
            {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES / 255, "y_test": LABELS},
            "float64",
            id="other dtype",
        ),
        pytest.param(
            {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS.astype(str)},
            "y_test",
            id="text labels",
        ),
    ],
)
def test_unsuitable_npz_arrays_are_refused_by_name(tmp_path, arrays, named):
    assert named in refusal(load_npz, npz(tmp_path, **arrays))


def as_npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        pytest.param(lambda good: b"", "not an intact .npz", id="empty"),
        pytest.param(lambda good: good[:-40], "not an intact .npz", id="truncated"),
        pytest.param(lambda good: good[:90] + bytes(20) + good[110:], "not an intact .npz", id="overwritten"),
        pytest.param(lambda good: b"1,2,3\n" * 9, "not an intact .npz", id="text"),
        pytest.param(lambda good: as_npy(IMAGES), "single .npy", id="npy"),
    ],
)
def test_damaged_npz_files_are_refused(tmp_path, damage, named):
    path = npz(tmp_path, x=IMAGES, y=LABELS)
    path.write_bytes(damage(path.read_bytes()))
    assert named in refusal(load_npz, path)


def test_an_npz_member_that_announces_more_than_it_holds_is_refused(tmp_path):
    path = tmp_path / "set.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.npy", as_npy(IMAGES).replace(b"(12, 4, 4)", b"(99, 4, 4)"))
        file.writestr("y.npy", as_npy(LABELS))
    assert "not an intact .npz" in refusal(load_npz, path)


GOOD_ROWS = [f"{i},{i / 2},{'ab'[i % 2]}" for i in range(8)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"], ids=["unix", "windows", "blank lines"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
def test_csv_dialects_hold_the_same_table(tmp_path, delimiter, end, start):
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
def test_the_header_is_told_from_the_rows(tmp_path, first, names):
    dataset = load_csv(csv_file(tmp_path, first + "\n".join(GOOD_ROWS)), DataConfig())
    assert dataset.n_examples == 8
    assert dataset.feature_names == names


def test_labels_that_are_whole_numbers_sort_as_numbers(tmp_path):
    rows = "".join(f"{i},{[9, 10][i % 2]}\n" for i in range(8))
    assert load_csv(csv_file(tmp_path, "a,label\n" + rows), DataConfig()).class_names == ("9", "10")


def test_csv_rows_keep_their_order_across_blocks(tmp_path):
    n = 2 * ROWS_PER_BLOCK + 3
    text = "a,label\n" + "".join(f"{i},{i % 2}\n" for i in range(n))
    np.testing.assert_array_equal(load_csv(csv_file(tmp_path, text), DataConfig()).inputs[:, 0], np.arange(n))


def table(line: str = "", at: int = 4, header: str = "width,height,kind") -> str:
    rows = [header, *GOOD_ROWS]
    rows[at:at] = [line] if line else []
    return "\n".join(rows)


@pytest.mark.parametrize(
    ("text", "named"),
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
def test_bad_csv_is_refused_with_its_line(tmp_path, text, named):
    assert named in refusal(load_csv, csv_file(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param(table(), "width, height, kind", id="no such column"),
        pytest.param("\n".join(GOOD_ROWS), "no header line", id="no header"),
    ],
)
def test_a_label_column_that_is_not_there_is_refused(tmp_path, text, named):
    message = refusal(load_csv, csv_file(tmp_path, text), DataConfig(label_column="colour"))
    assert "colour" in message
    assert named in message
