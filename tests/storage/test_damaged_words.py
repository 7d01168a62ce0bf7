"""JSON of ours that somebody damaged, sums made anew: read or refused in one line, never anything else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aejax.config import CompareConfig, from_dict, to_dict
from aejax.errors import InputError
from aejax.storage.encoder_metadata import read_metadata
from tests.robustness.mutations import mutate
from tests.robustness.reader_fuzzing import READERS, fuzz_readers

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


def test_run_folders_and_checkpoints_stand_the_fuzzer(tmp_path):
    ours = {name: READERS[name] for name in ("run folder", "checkpoint")}
    for result in fuzz_readers(300, 0, tmp_path / "fuzz", ours):
        assert result.crashed == 0, result.faults
        assert result.strays == ()
        assert result.refused > 0


def test_descriptions_of_encoders_stand_the_fuzzer(published):
    path = published / "encoder.json"
    content, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        path.write_bytes(mutate(content, content, rng))
        said = refusal_of(read_metadata, published)
        refused += bool(said)
        assert "\n" not in said
    assert refused > 200


@settings(max_examples=200, deadline=None, derandomize=True)
@given(said=JSON)
def test_a_config_is_read_or_refused_whatever_stands_in_it(said):
    assert "\n" not in refusal_of(from_dict, CompareConfig, said)


@pytest.mark.parametrize("group", [*to_dict(CompareConfig())])
@settings(max_examples=20, deadline=None, derandomize=True)
@given(said=JSON)
def test_a_field_is_read_or_refused_whatever_stands_in_it(group, said):
    assert "\n" not in refusal_of(from_dict, CompareConfig, {**to_dict(CompareConfig()), group: said})
