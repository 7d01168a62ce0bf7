"""For any bytes in a file, a reader returns a dataset or raises an InputError, without warnings or side effects.

Hypothesis finds minimal counterexamples; `tests.robustness.reader_fuzzing` tries many more inputs.
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
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("reproducible")
NAMES = sorted(READERS)


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """Folder and valid samples of each reader."""
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
    """Returns whether the reader accepts `content` in place of one of its files, which is restored afterwards."""
    folder, samples = rooms[name]
    path = folder / samples[number % len(samples)].path
    intact, before = path.read_bytes(), files(folder)
    path.write_bytes(content)
    try:
        return read_outcome(READERS[name].read, path)
    finally:
        path.write_bytes(intact)
        assert files(folder) == before


@pytest.mark.parametrize("name", NAMES)
@given(content=st.binary(max_size=300), number=st.integers(0, 20))
def test_arbitrary_bytes_are_read_or_rejected(rooms, name, content, number):
    assert outcome(rooms, name, number, content) in ("accepted", "refused")


def check_damaged_file(rooms, name: str, seed: int, number: int, other: int) -> None:
    _, samples = rooms[name]
    sample = samples[number % len(samples)]
    damaged = mutate(sample.content, samples[other % len(samples)].content, np.random.default_rng(seed))
    assert outcome(rooms, name, number, sample.wrap(damaged)) in ("accepted", "refused")


damage = given(seed=st.integers(0, 2**32 - 1), number=st.integers(0, 20), other=st.integers(0, 20))


@pytest.mark.parametrize("name", NAMES)
@damage
def test_damaged_files_are_read_or_rejected(rooms, name, seed, number, other):
    check_damaged_file(rooms, name, seed, number, other)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=500)
@damage
def test_many_damaged_files_are_read_or_rejected(rooms, name, seed, number, other):
    check_damaged_file(rooms, name, seed, number, other)


@given(text=st.text(alphabet="0123456789.,;-+eE_ \t\n\r\"'na\x00é\ufeff\u0661\ud800", max_size=80))
def test_arbitrary_csv_text_is_read_or_rejected(rooms, text):
    assert outcome(rooms, "csv", 0, ("a,label\n" + text).encode(errors="surrogatepass")) in ("accepted", "refused")


@pytest.mark.parametrize("name", NAMES)
def test_undamaged_samples_are_accepted(rooms, name):
    for number, sample in enumerate(rooms[name][1]):
        assert outcome(rooms, name, number, sample.wrap(sample.content)) == "accepted"


@given(content=st.binary(max_size=40), other=st.binary(max_size=40), seed=st.integers(0, 2**32 - 1))
def test_mutations_accept_any_bytes_and_are_deterministic(content, other, seed):
    for mutation in MUTATIONS:
        first, second = (mutation(content, other, np.random.default_rng(seed)) for _ in range(2))
        assert isinstance(first, bytes)
        assert first == second


@given(content=st.binary(max_size=60))
def test_fixing_png_checksums_is_idempotent(content):
    once = fix_png_checksums(b"\x89PNG\r\n\x1a\n" + content)
    assert fix_png_checksums(once) == once
