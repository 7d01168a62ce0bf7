import json
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aejax.storage.manifest import CorruptedFileError
from aejax.storage.pytree_io import SavedTree
from aejax.storage.serialization import classes_by_name, deserialize, serialize


class Inner(NamedTuple):
    values: np.ndarray
    entries: list


class Outer(NamedTuple):
    name: str
    inner: Inner | None
    more: dict


KNOWN = classes_by_name(Inner, Outer)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
RECORDS = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(value=RECORDS)
def test_a_record_comes_back_as_it_was(value):
    tree, meta = serialize(value, KNOWN)
    through_json = SavedTree(tree, json.loads(json.dumps(meta, allow_nan=False)))
    assert repr(deserialize(through_json, KNOWN)) == repr(value)  # NaN differs from itself, and 0.0 equals -0.0


def test_named_tuples_and_arrays_come_back_bit_for_bit():
    value = Outer("x", Inner(np.array([np.nan, 1.5], np.float32), [1.0, None]), {"deep": (np.float64(2), np.arange(3))})
    tree, meta = serialize(value, KNOWN)
    again = deserialize(SavedTree(tree, json.loads(json.dumps(meta))), KNOWN)
    assert type(again) is Outer
    assert type(again.inner) is Inner
    assert again.inner.values.tobytes() == value.inner.values.tobytes()
    assert again.inner.values.dtype == np.float32
    assert again.more["deep"][1].tolist() == [0, 1, 2]


def test_a_value_of_an_unknown_class_is_not_taken_apart():
    with pytest.raises(TypeError, match="Outer: cannot be part of a record"):
        serialize({"x": Outer("x", None, {})}, classes_by_name(Inner))


@pytest.mark.parametrize(
    "record",
    [
        {"Path": {"a": 1}, "record": True},
        {"os.system": {"command": "true"}},
        {"Inner": {"values": 1}},
        {"array": "missing"},
        {"float": "x"},
        {},
        {"list": 3},
        {"dict": [1]},
    ],
)
def test_what_is_no_record_is_refused_and_nothing_else_is_built(record):
    with pytest.raises(CorruptedFileError, match="this is not a record"):
        deserialize(SavedTree({}, {"record": record}), KNOWN)
