"""The fuzzer finds what it is there to find: crashes, warnings, hangs, files that change."""

import time
import warnings

import pytest

from aejax.errors import InputError
from tests.robustness import reader_fuzzing as fuzz
from tests.robustness.reader_fuzzing import READERS, Reader, fuzz_readers, read_outcome
from tests.robustness.reader_samples import Sample


def corpus(folder):
    return [Sample("file", b"one 1"), Sample("file", b"two 22")]


def refuse(path):
    raise InputError(f"{path}: not read")


def test_every_reader_takes_hundreds_of_damaged_inputs(tmp_path):
    results = fuzz_readers(600, 0, tmp_path)
    assert {result.reader for result in results} >= set(READERS) - {"parquet"}
    for result in results:
        assert result.crashed == 0, result.faults
        assert result.strays == ()
        assert result.accepted + result.refused == result.inputs
        assert result.refused > 0 or result.inputs < 20
        assert 0 < result.slowest_seconds < fuzz.READ_TIMEOUT_SECONDS


def test_the_same_seed_is_the_same_damage(tmp_path):
    heard = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        contents = []
        reader = Reader(corpus, lambda path, contents=contents: contents.append(path.read_bytes()))
        fuzz_readers(20, seed, tmp_path / folder, {"bytes": reader})
        heard.append(contents)
    assert heard[0] == heard[1] != heard[2]


def test_inputs_are_dealt_out_by_shares(tmp_path):
    readers = {
        "often": Reader(corpus, refuse, 3.0),
        "seldom": Reader(corpus, refuse),
        "not": Reader(lambda _: [], refuse),
    }
    counts = {result.reader: result.inputs for result in fuzz_readers(100, 0, tmp_path, readers)}
    assert counts == {"often": 60, "seldom": 20}  # the share of one without valid inputs is lost


def crash(path):
    raise KeyError("label")


def warn(path):
    warnings.warn("old", DeprecationWarning, stacklevel=1)


def hang(path):
    while True:
        time.sleep(0.01)


def two_lines(path):
    error = InputError("x")
    error.args = ("first\nsecond",)
    raise error


@pytest.mark.parametrize(
    ("read", "named"),
    [(crash, "KeyError: 'label'"), (warn, "DeprecationWarning: old"), (hang, "ReadTimeout"), (two_lines, "no single line")],
)
def test_what_is_no_refusal_is_a_fault(tmp_path, monkeypatch, read, named):
    monkeypatch.setattr(fuzz, "READ_TIMEOUT_SECONDS", 0.05)
    (result,) = fuzz_readers(3, 0, tmp_path, {"bad": Reader(corpus, read)})
    assert (result.accepted, result.refused, result.crashed) == (0, 0, 3)
    assert named in result.faults[0]
    assert read_outcome(refuse, tmp_path) == "refused"


@pytest.mark.parametrize("name", ["{}/bad/new", "{}/sentinel", "{}/bad/beside"])
def test_a_file_that_is_made_or_changed_is_a_stray(tmp_path, name):
    (tmp_path / "sentinel").write_text("as it was")
    place = name.format(tmp_path)

    def beside(folder):
        (folder / "beside").write_text("as it was")
        return corpus(folder)

    def write(path):
        with open(place, "w") as file:
            file.write("harm")

    (result,) = fuzz_readers(2, 0, tmp_path, {"bad": Reader(beside, write)})
    assert result.strays == (place,)
