"""Many damaged files for every reader, and tests that the fuzzing finds crashes, warnings and changed files.

`tests/data/test_readers_fuzz.py` has the same with few inputs in the default run.
"""

import warnings

import pytest

from tests.robustness.reader_fuzzing import READERS, Reader, fuzz_reader, fuzz_readers
from tests.robustness.reader_samples import Sample
from tests.robustness.test_promises import two_lines


@pytest.mark.slow
def test_every_reader_accepts_or_rejects_thousands_of_damaged_files(tmp_path):
    results = fuzz_readers(10_000, 0, tmp_path / "fuzz")
    assert {result.reader for result in results} >= set(READERS)
    for result in results:
        assert result.faults == result.strays == ()
        assert result.accepted + result.refused == result.inputs > 0
        assert result.refused > 0 or result.reader == "page"


def samples(folder):
    (folder / "neighbor").write_text("unchanged")
    return [Sample("file", b"one 1"), Sample("file", b"two 22")]


def crash(path):
    raise KeyError("label")


def warn(path):
    warnings.warn("old", DeprecationWarning, stacklevel=1)


def reject_with_two_lines(path):
    raise two_lines()


def write(path):
    path.with_name("neighbor").write_text("changed")
    path.with_name("new").write_text("created")


@pytest.mark.parametrize(
    ("read", "fault"),
    [(crash, "KeyError: 'label'"), (warn, "DeprecationWarning: old"), (reject_with_two_lines, "not one line")],
)
def test_a_crash_a_warning_and_a_long_message_are_found_with_their_input(tmp_path, read, fault):
    result = fuzz_reader("bad", Reader(samples, read), tmp_path / "fuzz", max_examples=5, seed=0)
    assert (result.accepted, result.refused, result.crashed) == (0, 0, 1)
    assert fault in result.faults[0]
    assert "DamagedFile(path='file'" in result.faults[0]


def test_files_that_a_reader_writes_are_found(tmp_path):
    result = fuzz_reader("bad", Reader(samples, write), tmp_path / "fuzz", max_examples=2, seed=0)
    assert result.strays
    assert {path.rpartition("/")[2] for path in result.strays} == {"neighbor", "new"}


def test_the_same_seed_draws_the_same_damage(tmp_path):
    contents = []
    for number, seed in enumerate((1, 1, 2)):
        contents.append([])
        reader = Reader(samples, lambda path: contents[-1].append(path.read_bytes()))
        fuzz_reader("bytes", reader, tmp_path / str(number), max_examples=20, seed=seed)
    assert contents[0] == contents[1] != contents[2]
