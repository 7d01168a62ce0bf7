"""Whatever bytes a file holds, a reader gives a dataset or refuses in one line; it warns of nothing and writes nothing.

Hypothesis looks for the smallest counterexample; `tests.robustness.reader_fuzzing` goes through many more inputs.
"""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.robustness.mutations import MUTATIONS, mutate
from tests.robustness.reader_fuzzing import READERS, read_outcome
from tests.robustness.reader_samples import fix_png_checksums

settings.register_profile(
    "reproducible",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("reproducible")
NAMES = sorted(READERS)


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """Each reader's folder and valid files."""
    rooms = {}
    for name in NAMES:
        folder = tmp_path_factory.mktemp(name)
        samples = READERS[name].make_samples(folder)
        for sample in samples:
            (folder / sample.path).write_bytes(sample.wrap(sample.content))
        rooms[name] = (folder, samples)
    return rooms


def files(folder: Path) -> list[Path]:
    return sorted(folder.parent.rglob("*"))


def outcome(rooms, name: str, number: int, content: bytes) -> str:
    """What the reader makes of `content` in place of one of its files; the file is as before afterwards."""
    folder, samples = rooms[name]
    path = folder / samples[number % len(samples)].path
    intact, before = path.read_bytes(), files(folder)
    path.write_bytes(content)
    try:
        return read_outcome(READERS[name].read, path)
    finally:
        path.write_bytes(intact)
        assert files(folder) == before


def skip_without_samples(rooms, name: str) -> None:
    if not rooms[name][1]:
        pytest.skip(f"{name}: needs a library that is not installed")


@pytest.mark.parametrize("name", NAMES)
@given(content=st.binary(max_size=300), number=st.integers(0, 20))
def test_arbitrary_bytes_are_read_or_refused(rooms, name, content, number):
    skip_without_samples(rooms, name)
    assert outcome(rooms, name, number, content) in ("accepted", "refused")


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32 - 1), number=st.integers(0, 20), other=st.integers(0, 20))
def test_damaged_files_are_read_or_refused(rooms, name, seed, number, other):
    skip_without_samples(rooms, name)
    _, samples = rooms[name]
    sample = samples[number % len(samples)]
    damaged = mutate(sample.content, samples[other % len(samples)].content, np.random.default_rng(seed))
    assert outcome(rooms, name, number, sample.wrap(damaged)) in ("accepted", "refused")


@given(text=st.text(alphabet="0123456789.,;-+eE_ \t\n\r\"'na\x00é\ufeff\u0661\ud800", max_size=80))
def test_any_text_as_a_table_is_read_or_refused(rooms, text):
    assert outcome(rooms, "csv", 0, ("a,label\n" + text).encode(errors="surrogatepass")) in ("accepted", "refused")


@pytest.mark.parametrize("name", NAMES)
def test_what_the_damage_starts_from_is_accepted(rooms, name):
    skip_without_samples(rooms, name)
    for number, sample in enumerate(rooms[name][1]):
        assert outcome(rooms, name, number, sample.wrap(sample.content)) == "accepted"


@given(content=st.binary(max_size=40), other=st.binary(max_size=40), seed=st.integers(0, 2**32 - 1))
def test_every_kind_of_damage_takes_any_bytes(content, other, seed):
    for mutation in MUTATIONS:
        first, second = (mutation(content, other, np.random.default_rng(seed)) for _ in range(2))
        assert isinstance(first, bytes)
        assert first == second


@given(content=st.binary(max_size=60))
def test_mending_checksums_takes_any_bytes_and_mends_twice_as_once(content):
    once = fix_png_checksums(b"\x89PNG\r\n\x1a\n" + content)
    assert fix_png_checksums(once) == once
