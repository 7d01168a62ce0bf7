import json
import os
import resource
import signal

import numpy as np
import pytest

from aejax.errors import InputError
from aejax.storage.atomic_io import read_json, remove_abandoned, to_jsonable, write_atomically, write_json


def test_json_holds_no_nan_and_reads_back_as_written(tmp_path):
    value = {"a": np.array([1.5, np.nan]), "b": [{"c": np.int32(3)}, {"d": (True, None)}], "e": {}, "f": np.inf}
    write_json(tmp_path / "x.json", value)
    read = json.loads((tmp_path / "x.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert read == to_jsonable(value) == {"a": [1.5, None], "b": [{"c": 3}, {"d": [True, None]}], "e": {}, "f": None}


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1', b"\xff\xfe\x00", b"[" * 100_000, b"[NaN]", b"[1e999]"])
def test_what_is_no_json_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.json: cannot be read as JSON") as refusal:
        read_json(tmp_path / "x.json")
    assert "\n" not in str(refusal.value)


def test_what_a_killed_process_left_next_to_a_file_is_removed_and_nothing_else(tmp_path):
    dead = 2**31 - 1  # no system has processes with this number
    kept = [
        f".x[1].html.{os.getpid()}-7.tmp",
        f".y.html.{dead}-7.tmp",
        ".x[1].html.mine-7.tmp",
        f"x[1].html.{dead}-7.tmp",
    ]
    for name in (f".x[1].html.{dead}-7.tmp", *kept):
        (tmp_path / name).touch()
    remove_abandoned(tmp_path / "x[1].html")
    assert {path.name for path in tmp_path.iterdir()} == set(kept)


@pytest.fixture
def files_of_at_most_a_kilobyte():
    """What a full disk does, for this process alone."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, before)


def test_a_file_that_there_is_no_room_for_leaves_the_one_before_and_nothing_else(tmp_path, files_of_at_most_a_kilobyte):
    write_atomically(tmp_path / "x", b"old")
    with pytest.raises(InputError, match="x: cannot be written"):
        write_atomically(tmp_path / "x", b"new" * 1000)
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
