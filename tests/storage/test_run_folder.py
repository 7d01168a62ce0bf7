"""Folders that commands fill with a few files."""

import os

import pytest

from aejax.errors import InputError
from aejax.storage.run_folder import make_output_folder

ABSENT_PROCESS = 2**31 - 1  # a number that no process has


def test_what_a_killed_process_left_of_an_output_is_deleted_and_other_files_are_named(tmp_path):
    folder = tmp_path / "made" / "here"
    assert make_output_folder(folder, ("a.json",)) == set()
    names = [f".a.json.{ABSENT_PROCESS}-7.tmp", f".a.json.{os.getpid()}-7.tmp", f".b.json.{ABSENT_PROCESS}-7.tmp"]
    for name in [*names, "a.json", "b.json", ".hidden"]:
        (folder / name).touch()
    assert make_output_folder(folder, ("a.json",)) == {"b.json"}
    assert not (folder / names[0]).exists()
    assert all((folder / name).exists() for name in [*names[1:], "a.json", "b.json", ".hidden"])


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        make_output_folder(tmp_path / "file", ())
