"""`make_dataset` converts without loss, or rejects with the name of what is wrong."""

import tracemalloc

import numpy as np
import pytest
from expected_errors import error_message

from aejax.data.dataset import make_dataset
from aejax.data.table_schema import Column, TableSchema

LABELS = np.array([0, 1] * 6)
TABLE = np.arange(36, dtype=np.float32).reshape(12, 3)


def with_value(value: float, row: int = 7, column: int = 2) -> np.ndarray:
    table = TABLE.astype(np.float64)
    table[row, column] = value
    return table


def label_at(row: int, value: object) -> list[object]:
    labels: list[object] = LABELS.tolist()
    labels[row] = value
    return labels


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [
        *[(name, "uint8") for name in ("uint8", "bool")],
        *[(name, "float32") for name in ("float16", "float32", ">f4", "float64", "int64", "uint16")],
    ],
)
def test_conversion_to_storage_dtype_keeps_values(dtype, stored):
    table = TABLE.astype(dtype)
    dataset = make_dataset("t", table, LABELS, source="t")
    assert dataset.inputs.dtype == stored
    assert dataset.inputs.dtype.isnative
    np.testing.assert_array_equal(dataset.inputs, table)


def test_strided_inputs_are_stored_contiguously():
    view = np.asfortranarray(TABLE)[:, ::-1]
    dataset = make_dataset("t", view, LABELS, source="t")
    assert dataset.inputs.flags.c_contiguous
    np.testing.assert_array_equal(dataset.inputs, view)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        pytest.param(["cat", "ant"], ("ant", "cat"), id="text"),
        pytest.param([7, -3], ("-3", "7"), id="negative, with gaps"),
        pytest.param([10, 9], ("9", "10"), id="numbers sort as numbers"),
        pytest.param([True, False], ("False", "True"), id="boolean"),
        pytest.param([2.0, 1.0], ("1", "2"), id="integral floats"),
    ],
)
@pytest.mark.parametrize(
    "container", [list, np.array, lambda v: np.array(v, dtype=object)], ids=["list", "array", "object"]
)
def test_class_names_invert_label_codes(values, names, container):
    dataset = make_dataset("t", TABLE, container(values * 6), source="t")
    assert dataset.class_names == names
    assert dataset.labels.dtype == np.int32
    assert dataset.labels.tolist() == [1, 0] * 6


def test_bytes_labels_are_decoded_to_text_and_given_class_names_follow_sorted_labels():
    assert make_dataset("t", TABLE, np.array([b"cat", b"ant"] * 6), source="t").class_names == ("ant", "cat")
    dataset = make_dataset("t", TABLE, [5, 3] * 6, source="t", class_names=["three", "five"])
    assert [dataset.class_names[label] for label in dataset.labels[:2]] == ["five", "three"]


def test_sha256_depends_on_content_only():
    base = make_dataset("t", TABLE, LABELS, source="t")
    renamed = make_dataset("u", TABLE, LABELS, source="elsewhere", class_names=["a", "b"], feature_names=list("abc"))
    assert renamed.sha256 == base.sha256
    others = {
        "value": make_dataset("t", with_value(0.5), LABELS, source="t"),
        "dtype": make_dataset("t", TABLE.astype(np.uint8), LABELS, source="t"),
        "shape": make_dataset("t", TABLE.reshape(12, 3, 1), LABELS, source="t"),
        "label": make_dataset("t", TABLE, label_at(0, 1), source="t"),
        "test rows": make_dataset("t", TABLE, LABELS, source="t", test_rows=[0, 1]),
        "other test rows": make_dataset("t", TABLE, LABELS, source="t", test_rows=[0, 2]),
        "groups": make_dataset("t", TABLE, LABELS, source="t", groups=LABELS),
        "other groups": make_dataset("t", TABLE, LABELS, source="t", groups=1 - LABELS),
        "offsets": make_dataset("t", TABLE + np.float64(2**27), LABELS, source="t"),
        "other offsets": make_dataset("t", TABLE + np.float64(2**28), LABELS, source="t"),
    }
    np.testing.assert_array_equal(others["offsets"].inputs, others["other offsets"].inputs)
    assert len({base.sha256, *(dataset.sha256 for dataset in others.values())}) == 1 + len(others)


BAD_INPUTS = {
    "no rows": (TABLE[:0], "(0, 3)"),
    "no features": (TABLE[:, :0], "(12, 0)"),
    "a scalar": (np.float32(3), "()"),
    "rank 1": (TABLE[:, 0], "(12,)"),
    "nan": (with_value(np.nan), "row 7, column 'c' is nan, not finite (1 such"),
    "infinity": (with_value(-np.inf), "row 7, column 'c' is -inf"),
    "beyond float32": (with_value(1e39), "row 7, column 'c' is 1e+39, too large"),
    "nan in an image": (with_value(np.nan).reshape(12, 3, 1, 1), "row 7, position (2, 0, 0) is nan"),
    "objects": (TABLE.astype(object), "object"),
    "complex": (TABLE.astype(complex), "complex128"),
    "text": (TABLE.astype(str), "<U"),
    "dates": (TABLE.astype("M8[s]"), "datetime64"),
}
BAD_LABELS = {
    "another length": (LABELS[:9], "(9,); expected (12,)"),
    "a column": (LABELS[:, None], "(12, 1)"),
    "one-hot": (np.eye(2)[LABELS], "argmax"),
    "nan": (label_at(4, float("nan")), "row 4 is nan, missing"),
    "nan in a float array": (np.array(label_at(4, np.nan), float), "row 4 is nan, missing"),
    "None": (label_at(4, None), "row 4 is None, missing"),
    "empty text": (np.array(["a", "b", ""] * 4), "row 2 is '', missing"),
    "regression": (np.linspace(0, 1.5, 12), "row 1 is 0.13"),
    "infinite": (np.array(label_at(5, np.inf), float), "row 5 is inf"),
    "mixed kinds": (label_at(3, "dog"), "row 3 is 'dog'"),
    "complex": (LABELS.astype(complex), "complex128"),
    "one class": (np.full(12, 4), "every label is '4'"),
    "ids": (np.arange(12), "all 12 labels differ, as in a column of ids"),
    "a scarce class": ([*LABELS[:10], 7, 7], "class '7' has 2 training rows"),
}
BAD_EXTRAS = {
    "class absent from training": ({"test_rows": np.flatnonzero(LABELS == 1)}, "class '1' has 0 training rows"),
    "class scarce in training": ({"test_rows": np.flatnonzero(LABELS == 1)[:4]}, "class '1' has 2 training rows"),
    "test row out of range": ({"test_rows": [3, 12]}, "row numbers 0 to 11"),
    "test row twice": ({"test_rows": [3, 3]}, "each once"),
    "all rows are test rows": ({"test_rows": np.arange(12)}, "12 test rows"),
    "no test rows": ({"test_rows": np.array([], int)}, "0 test rows"),
    "a mask as test rows": ({"test_rows": LABELS == 1}, "bool"),
    "too few class names": ({"class_names": ["a"]}, "1 class names"),
    "too many feature names": ({"feature_names": list("abcd")}, "4 feature names"),
    "outside the declared range": ({"value_range": (0.0, 16.0)}, "35.0"),
}


CASES = [
    *(({"inputs": inputs}, mentioned) for inputs, mentioned in BAD_INPUTS.values()),
    *(({"labels": labels}, mentioned) for labels, mentioned in BAD_LABELS.values()),
    *BAD_EXTRAS.values(),
]


@pytest.mark.parametrize(("changes", "mentioned"), CASES, ids=[*BAD_INPUTS, *BAD_LABELS, *BAD_EXTRAS])
def test_bad_data_are_rejected_by_name(changes, mentioned):
    names = list("abc") if "column 'c'" in mentioned else None
    arguments = {"inputs": TABLE, "labels": LABELS, "feature_names": names, **changes}
    message = error_message(make_dataset, "t", source="SOURCE", **arguments)
    assert mentioned in message
    assert message.startswith("SOURCE: ")


@pytest.mark.parametrize("offset", [0, 2**27])
def test_a_table_is_converted_without_a_copy_in_float64_or_a_mask(offset):
    numbers = np.random.default_rng(0).normal(size=(1 << 12, 256))
    numbers[:, 0] = offset + np.round(numbers[:, 0] * 100)
    tracemalloc.start()
    try:
        dataset = make_dataset("t", numbers, np.arange(len(numbers)) % 2, source="t")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    expected = numbers if dataset.offsets is None else numbers - dataset.offsets
    assert (dataset.offsets is None) == (offset == 0)
    np.testing.assert_array_equal(dataset.inputs, expected.astype(np.float32))
    assert peak < 1.2 * dataset.inputs.nbytes


def test_infinite_values_are_rejected_where_others_are_missing():
    table = TableSchema(columns=tuple(Column(name=name, kind="number") for name in "abc"), missing="mean")
    numbers = with_value(np.nan)
    assert np.isnan(make_dataset("t", numbers, LABELS, source="t", table=table).inputs).sum() == 1
    numbers[9, 0] = -np.inf
    message = error_message(make_dataset, "t", numbers, LABELS, source="t", table=table)
    assert "row 9, column 0 is -inf, not finite (1 such" in message
