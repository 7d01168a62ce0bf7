"""Damaged JSON of a config is read or rejected with a one-line error, and never fails otherwise."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aejax.config import CompareConfig, from_dict, to_dict
from aejax.errors import InputError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


def error_message(read, *args) -> str:
    """Returns the message of the `InputError`, or an empty string if the input is read."""
    try:
        read(*args)
    except InputError as refusal:
        return str(refusal)
    return ""


@pytest.mark.parametrize("group", [*to_dict(CompareConfig())])
@settings(max_examples=20, deadline=None, derandomize=True)
@given(value=JSON)
def test_a_field_is_read_or_refused_whatever_stands_in_it(group, value):
    assert "\n" not in error_message(from_dict, CompareConfig, {**to_dict(CompareConfig()), group: value})
