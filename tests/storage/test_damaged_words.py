"""JSON of ours that somebody damaged, sums made anew: read or refused in one line, never anything else."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aejax.config import CompareConfig, from_dict, to_dict
from aejax.errors import InputError
from aejax.storage.encoder_metadata import read_metadata
from tests.robustness.strategies import damaged_bytes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


def refusal_of(read, *args) -> str:
    """What it is refused with, or nothing if it is read."""
    try:
        read(*args)
    except InputError as refusal:
        return str(refusal)
    return ""


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_encoder_metadata_is_accepted_or_rejected(published, data):
    path = published / "encoder.json"
    content = path.read_bytes()
    path.write_bytes(data.draw(damaged_bytes(content, content)))
    try:
        assert "\n" not in refusal_of(read_metadata, published)
    finally:
        path.write_bytes(content)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(said=JSON)
def test_a_config_is_read_or_refused_whatever_stands_in_it(said):
    assert "\n" not in refusal_of(from_dict, CompareConfig, said)


@pytest.mark.parametrize("group", [*to_dict(CompareConfig())])
@settings(max_examples=20, deadline=None, derandomize=True)
@given(said=JSON)
def test_a_field_is_read_or_refused_whatever_stands_in_it(group, said):
    assert "\n" not in refusal_of(from_dict, CompareConfig, {**to_dict(CompareConfig()), group: said})
