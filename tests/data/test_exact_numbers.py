"""Numbers and labels that NumPy would merge in silence are kept apart, or are named in a note."""

import numpy as np
import pytest
from loading import load
from table_files import write

import aejax
from aejax.data.label_encoding import exact_array

BEYOND = [2**63, 2**63 + 1, -1]  # no integer dtype holds all three, and float64 merges the first two


@pytest.mark.parametrize("kind", [list, lambda labels: np.array(labels, dtype=object)])
def test_labels_beyond_64_bits_keep_their_classes(kind):
    data = aejax.make_dataset(np.arange(60.0).reshape(30, 2), kind(BEYOND * 10))
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
