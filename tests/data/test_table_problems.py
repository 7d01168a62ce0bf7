"""Tables of text: problems named together, size and exactness, test files, and columns that are left out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from loading import load, load_error
from table_files import CLASSES, NUMBERS, N, refusal, save, table, write

from aejax.api.data import make_dataset
from aejax.data.dataset import UNLABELLED
from aejax.data.label_encoding import exact_array

# Problems.


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        pytest.param("", "empty", id="empty"),
        pytest.param("width,height,kind\n", "no rows", id="header only"),
        pytest.param("width\n1\n2\n", "one column", id="one column"),
        pytest.param("A report\n" + table(), "line 1 has one cell and the lines below it have 3", id="a title"),
        pytest.param(table("1,wide,a"), "line 5, column 'height' is 'wide', not a number", id="text"),
        pytest.param(table("1e999,1,a"), "line 5, column 'width' is inf, not finite", id="infinite"),
        pytest.param(
            table(f"{10**400},1,a"), "line 5, column 'width' is inf, not finite", id="an integer beyond float64"
        ),
        pytest.param(table("1e39,1,a"), "line 5, column 'width' is 1e+39, too large for float32", id="large"),
        pytest.param(table("1_000,1,a"), "line 5, column 'width' is '1_000', not a number", id="as Python writes"),
        pytest.param(table("1,2"), "line 5 has 2 cells, expected 3", id="short line"),
        pytest.param(table("1,2,3,a"), "line 5 has 4 cells, expected 3", id="long line"),
        pytest.param(table("1,2,3,4,5"), "line 5 has 5 cells, expected 3", id="very long line"),
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
    message = refusal(write(tmp_path, "\n".join(["a,b,c,d,label", *rows])))
    assert "3 problems" in message
    for problem in ("line 4, column 'b' is 'x'", "column 'd'", "line 3, column 'c' is missing (6 such cells)"):
        assert problem in message
    message = refusal(write(tmp_path, "\n".join(["a,b,c,d,label", *rows, "1,2", "", "1,2,3,4,5,6,7"])))
    assert "2 problems: (1) line 32 has 2 cells" in message
    assert "(2) line 34 has 7" in message


@pytest.mark.parametrize(
    ("text", "config", "places"),
    [
        (
            "a,b,who,label\n1,x,p,0\n2,2,,1\n3,3,q,0\n,4,q,1\n",
            {"group_column": "who"},
            ("line 2, column 'b' is 'x'", "line 5, column 'a' is missing", "line 3, column 'who' names no group"),
        ),
        (
            "a,b,label\n1,x,0\n2,2,1\n3,3,0\n",
            {"unlabelled": "7"},
            ("line 2, column 'b' is 'x'", "column 'label' is nowhere '7'"),
        ),
        (
            "a,,label\n1,1,0\n,2,1\n3,3,0\n",
            {},
            ("line 3, column 'a' is missing", "column 'Unnamed: 1' has no name"),
        ),
        (
            f"a,label\n1,{'x' * 2000}\n,b\n3,c\n",
            {},
            ("line 3, column 'a' is missing", "line 2, column 'label' has a label of 2000 characters"),
        ),
    ],
    ids=["groups", "labels", "names", "long labels"],
)
def test_problems_of_labels_groups_and_names_join_those_of_cells(tmp_path, text, config, places):
    message = refusal(write(tmp_path, text), **config)
    assert f"{len(places)} problems: " in message
    for place in places:
        assert place in message


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
    assert "--decimal ,: wine" in load_error("wine", decimal=",")
    assert "--unlabelled 7" in load_error("digits", unlabelled="7")
    assert "'label' is nowhere '7'" in refusal(write(tmp_path, "a,label\n" + "1,0\n2,1\n" * 4), unlabelled="7")


# Size and exactness.


def test_text_among_many_numbers_keeps_its_spelling(tmp_path):
    n, zeros = 9_000, ",0" * 60  # pandas reads a table of this size in several blocks
    cells = [f"{i % 7:02d}" for i in range(n - 1)] + ["x"]
    header = ",".join(["kind", "label", *(f"zero{i}" for i in range(60))])
    path = write(tmp_path, "\n".join([header, *(f"{cell},{i % 2}{zeros}" for i, cell in enumerate(cells))]))
    assert f"line {n + 1}, column 'kind' is 'x', not a number" in refusal(path)
    path.write_text(path.read_text().replace("\nx,", "\n00,"))
    assert load(path, label_column="kind", drop_columns=("label",)).class_names == tuple(f"{i:02d}" for i in range(7))


BEYOND = [2**63, 2**63 + 1, -1]  # no integer dtype holds all three, and float64 merges the first two


@pytest.mark.parametrize("kind", [list, lambda labels: np.array(labels, dtype=object)])
def test_labels_beyond_64_bits_keep_their_classes(kind):
    data = make_dataset(np.arange(60.0).reshape(30, 2), kind(BEYOND * 10))
    assert set(data.class_names) == {"-1", "9223372036854775808", "9223372036854775809"}


@pytest.mark.parametrize("labels", [[1, 2], [1.5, 2.0], ["1", "01"], [True, False], [2**63, 2**64 - 1], [1, 2.0**60]])
def test_other_labels_keep_their_type(labels):
    np.testing.assert_array_equal(exact_array(labels), np.array(labels))


def test_text_labels_that_numbers_would_merge_stay_text(tmp_path):
    words = ("9007199254740992.0", "9007199254740992")
    path = write(tmp_path, "\n".join(["a,b,label", *(f"{row},{2 * row},{words[row % 2]}" for row in range(30))]))
    assert load(path).class_names == words[::-1]


@pytest.mark.parametrize("first", [2**53, 2**64])
def test_a_note_names_columns_of_integers_beyond_float64(tmp_path, first):
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["a,b,c,label", *(f"{first + row},{row},{row}.5e30,{row % 2}" for row in range(30))]))
    notes = load(path).description.notes
    assert any(note.startswith("whole numbers beyond 2**53") and "a" in note and "b" not in note[60:] for note in notes)


def test_a_line_beyond_the_limit_of_the_csv_module_is_read(tmp_path):
    path = tmp_path / "wide.csv"
    names = ",".join(f"feature {index} {'long ' * 300}" for index in range(100))
    path.write_text("\n".join([f"{names},label", *(f"{f'{row}.125,' * 100}{row % 2}" for row in range(8))]))
    assert len(names) > 131_072
    np.testing.assert_array_equal(load(path).inputs, np.repeat(np.arange(8)[:, None] + 0.125, 100, axis=1))


CELLS = st.sampled_from(["red", 'a "quote"', "semi;colon", "comma, here", "two\nlines", "é", " blank", "tab\there"])
NUMBER = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.none()


QUICK = settings(max_examples=30, deadline=None, derandomize=True, database=None)


@settings(QUICK, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    assert "has no column label" in load_error(path, test=no_label)
    extra = save(tmp_path, frame.assign(c=1), "test.csv")
    assert "has a column c" in load_error(path, test=extra)
    assert "no such file" in load_error(path, test=tmp_path / "none.csv")


def test_a_test_file_has_a_header_if_the_training_file_has_one(tmp_path):
    train = write(tmp_path, "".join(f"{i},{i % 2},a{i % 2}\n" for i in range(N)), "adult.data")
    test = write(tmp_path, "0,1,a0\nx,1,a1\n", "adult.test.data")  # alone, its line 1 would be a header
    assert "adult.test.data line 2, column 0 (of 0 to 2) is 'x'" in refusal(train, test=test)
    dataset = load(train, test=write(tmp_path, "7,1,a0\n8,1,a1\n", "adult.test.data"))
    np.testing.assert_array_equal(dataset.inputs[dataset.test_rows], [[7, 1], [8, 1]])


@pytest.mark.parametrize("train", ["# ", "", "# made by us, in, metres\n"])
@pytest.mark.parametrize("test", ["# ", "", "# made by us, in, metres\n"])
def test_the_names_of_every_file_may_be_in_a_comment(tmp_path, train, test):
    header, rows = "a,b,label\n", "".join(f"{i},{i % 7},{i % 2}\n" for i in range(N))
    path = write(tmp_path, train + header + rows, "train.csv")
    dataset = load(path, test=write(tmp_path, test + header + rows, "other.csv"))
    assert dataset.feature_names == ("a", "b")
    np.testing.assert_array_equal(dataset.inputs, [[i, i % 7] for i in (*range(N), *range(N))])
    np.testing.assert_array_equal(dataset.test_rows, np.arange(N, 2 * N))


@pytest.mark.parametrize(
    ("train", "test"),
    [
        pytest.param([*"12ABCDEF"], ["1", "2", ""], id="a missing value makes integers floats"),
        pytest.param(["01", "02", *"ABCDEF"], ["01", "02"], id="leading zeros"),
        pytest.param(["1e3", "2", *"ABCDEF"], ["1e3", "2"], id="an exponent"),
        pytest.param([*"ABC"], ["1.50", "NA"], id="numbers in the test file only"),
        pytest.param(["TRUE", "FALSE", "maybe"], ["TRUE", "FALSE"], id="truth values"),
        pytest.param(["27.01.2018", "28.01.2018"], ["", ""], id="an empty column"),
    ],
)
def test_columns_of_two_files_are_read_as_those_of_one(tmp_path, train, test):
    def rows(words, n):
        return "".join(f"{i},{words[i % len(words)]},{i % 2}\n" for i in range(n)) + ",NA,\n"

    header, first, second = "a,code,label\n", rows(train, N), rows(test, 8)
    path, joined = (
        write(tmp_path, header + text, name) for text, name in ((first, "a.csv"), (first + second, "b.csv"))
    )
    two = load(path, test=write(tmp_path, header + second, "test.csv"), missing="indicator")
    one = load(joined, missing="indicator")
    assert two.feature_names == one.feature_names
    np.testing.assert_array_equal(two.inputs, one.inputs)
    np.testing.assert_array_equal(two.labels, one.labels)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([["0", "1"], ["0.0", "1.0", ""]], ("0", "1")),
        ([["0", "1", "-1"], ["0.0", "1.0", "-1.0"]], ("0", "1")),
        ([["1.0", "x"], ["1.0", "2.0"]], ("1.0", "2.0", "x")),
        ([["01", "02"], ["1", "2"]], ("01", "02", "1", "2")),
        ([["1", "9007199254740993"], ["1.0", "2.0"]], ("1", "1.0", "2.0", "9007199254740993")),
    ],
)
def test_labels_that_are_numbers_in_all_files_are_the_same_classes(tmp_path, labels, names):
    for number, words in enumerate(labels):
        rows = "".join(f"{i},{words[i % len(words)]}\n" for i in range(N))
        write(tmp_path, "a,label\n" + rows, f"part-{number}.csv")
    mark = {"unlabelled": "-1"} if "-1" in labels[0] else {}
    dataset = load(tmp_path, **mark)
    assert dataset.class_names == names
    n_unlabelled = 2 * N // 3 if mark else N // 3 if "" in labels[1] else 0
    assert (dataset.labels == UNLABELLED).sum() == n_unlabelled


def test_test_rows_without_label_or_values_are_left_out(tmp_path):
    frame = pd.DataFrame({"a": NUMBERS, "label": CLASSES})
    path = save(tmp_path, frame, "train.csv")
    test = write(tmp_path, "a,label\n1,\n2,1\n,0\n3,2\n", "test.csv")
    dataset = load(path, test=test, missing="drop-rows")
    np.testing.assert_array_equal(dataset.inputs[dataset.test_rows, 0], [2, 3])
    assert "1 test rows without label left out" in dataset.description.notes


def test_columns_are_dropped_and_grouped_by_name_or_index(tmp_path):
    frame = pd.DataFrame({"id": NUMBERS, "who": [f"p{i // 5}" for i in NUMBERS], "a": NUMBERS, "label": CLASSES})
    dataset = load(save(tmp_path, frame), drop_columns=("0",), group_column="who")
    assert dataset.feature_names == ("a",)
    np.testing.assert_array_equal(dataset.groups, NUMBERS // 5)
    assert "did you mean who" in refusal(save(tmp_path, frame), group_column="whom")


def test_a_row_without_a_group_is_named_and_groups_of_the_rows_that_are_kept_have_all_numbers(tmp_path):
    frame = pd.DataFrame({"who": [f"p{i // 5} " for i in NUMBERS], "a": NUMBERS, "label": CLASSES})
    incomplete = frame.assign(a=frame["a"].where(NUMBERS >= 5))
    dataset = load(save(tmp_path, incomplete), group_column="who", missing="drop-rows")
    np.testing.assert_array_equal(dataset.groups, NUMBERS[5:] // 5 - 1)
    frame.loc[28:, "who"] = " "
    message = refusal(save(tmp_path, frame), group_column="who")
    assert "line 30, column 'who' names no group (2 such cells)" in message
