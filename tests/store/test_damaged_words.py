"""JSON of ours that somebody damaged, sums made anew: read or refused in one line, never anything else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aejax.config import CompareConfig, from_dict, to_dict
from aejax.errors import InputError
from aejax.faults.fuzz import READERS, fuzz_readers
from aejax.faults.mutate import mutated
from aejax.store.description import read_description

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


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
        path.write_bytes(mutated(content, content, rng))
        try:
            read_description(published)
        except InputError as refusal:
            refused += 1
            assert "\n" not in str(refusal)
    assert refused > 200


@settings(max_examples=200, deadline=None, derandomize=True)
@given(said=JSON)
def test_a_config_is_read_or_refused_whatever_stands_in_it(said):
    try:
        from_dict(CompareConfig, said)
    except InputError as refusal:
        assert "\n" not in str(refusal)


@pytest.mark.parametrize("group", [*to_dict(CompareConfig())])
@settings(max_examples=20, deadline=None, derandomize=True)
@given(said=JSON)
def test_a_field_is_read_or_refused_whatever_stands_in_it(group, said):
    try:
        from_dict(CompareConfig, {**to_dict(CompareConfig()), group: said})
    except InputError as refusal:
        assert "\n" not in str(refusal)
