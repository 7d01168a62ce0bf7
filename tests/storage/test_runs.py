import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aejax.errors import InputError, Preempted
from aejax.storage import runs
from aejax.storage.atomic_io import read_json
from aejax.storage.results_file import read_results
from aejax.storage.run_folder import read_run_state
from aejax.storage.run_identity import FUNCTIONS_KEY, RunIdentity
from aejax.storage.runs import load_finished_results, open_run

SETTINGS = {"seeds": 2, "methods": ["raw"], "train": {"epochs": 5}}
CONFIG = RunIdentity(SETTINGS)
OTHER = RunIdentity({**SETTINGS, "seeds": 3})
DONE = {"schema": 1, "kind": "nothing"}


def finish(folder, config=CONFIG, *, overwrite=False, results=None):
    with open_run(folder, config, overwrite=overwrite) as run:
        run.finish(DONE | (results or {}))


def interrupt(folder, config=CONFIG, *, overwrite=False, with_=Preempted):
    with pytest.raises(with_), open_run(folder, config, overwrite=overwrite):
        raise with_


def test_a_folder_appears_with_its_config_and_state_or_not_at_all(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with (
        pytest.raises(InputError, match=r"run.json: cannot be written \(No space left on device\)"),
        open_run(tmp_path / "run", CONFIG),
    ):
        pytest.fail("begun")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    with open_run(tmp_path / "run", CONFIG):
        assert read_json(tmp_path / "run" / "config.json") == SETTINGS
        assert read_run_state(tmp_path / "run") == "running"


def test_a_finished_run_of_the_same_config_is_given_back_untouched(tmp_path):
    finish(tmp_path / "run", results={"found": 7})
    before = (tmp_path / "run" / "results.json").stat().st_mtime_ns
    assert load_finished_results(tmp_path / "run", CONFIG, overwrite=False) == DONE | {"found": 7}
    assert (tmp_path / "run" / "results.json").stat().st_mtime_ns == before


def test_another_config_is_refused_and_the_old_run_kept(tmp_path):
    finish(tmp_path / "run")
    for ask in (load_finished_results, lambda *args, **others: open_run(*args, **others).__enter__()):
        with pytest.raises(InputError, match=r"holds another run \(seeds 2 there, 3 here\); give --overwrite"):
            ask(tmp_path / "run", OTHER, overwrite=False)
    assert read_results(tmp_path / "run" / "results.json") == DONE


def test_functions_are_not_compared_with_those_under_another_python(tmp_path):
    finish(tmp_path / "run", RunIdentity(SETTINGS, {"functions-another": "0"}))
    identity = RunIdentity(SETTINGS, {FUNCTIONS_KEY: "1"})
    assert load_finished_results(tmp_path / "run", identity, overwrite=False) == DONE


def test_overwrite_keeps_the_old_run_until_the_new_one_has_finished(tmp_path):
    finish(tmp_path / "run")
    with open_run(tmp_path / "run", OTHER, overwrite=True) as run:
        assert not (tmp_path / "run" / "results.json").exists()
        assert read_results(tmp_path / "run" / "replaced" / "results.json") == DONE
        run.finish(DONE | {"new": True})
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert not (tmp_path / "run" / "replaced").exists()
    assert read_results(tmp_path / "run" / "results.json")["new"]


def test_an_overwrite_that_is_interrupted_twice_loses_neither_run(tmp_path):
    finish(tmp_path / "run")
    interrupt(tmp_path / "run", OTHER, overwrite=True)
    interrupt(tmp_path / "run", CONFIG, overwrite=True)
    earlier = tmp_path / "run" / "replaced"
    assert read_json(earlier / "config.json") == OTHER.settings
    assert read_results(earlier / "replaced" / "results.json") == DONE
    finish(tmp_path / "run")  # the same command without --overwrite goes on
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert not earlier.exists()


@pytest.mark.parametrize("renames", range(10))
def test_an_overwrite_that_is_killed_at_any_rename_is_undone(tmp_path, monkeypatch, renames):
    class KilledError(BaseException):
        pass

    finish(tmp_path / "run", results={"found": 7})
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    left = iter(range(renames))

    def move(function):
        def call(*args):
            if next(left, None) is None:
                raise KilledError
            function(*args)

        return call

    monkeypatch.setattr(os, "rename", move(os.rename))
    monkeypatch.setattr(os, "replace", move(os.replace))
    monkeypatch.setattr(runs, "put_back", lambda _: None)  # as a kill: nothing is undone
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    try:
        with open_run(tmp_path / "run", OTHER, overwrite=True):
            raise KilledError
    except KilledError:
        monkeypatch.undo()
    if renames < 6:  # three files of the earlier run, two of the new one, and the folder
        assert load_finished_results(tmp_path / "run", CONFIG, overwrite=False) == DONE | {"found": 7}
        assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
    else:
        assert load_finished_results(tmp_path / "run", OTHER, overwrite=False) is None
        assert (tmp_path / "run" / "replaced" / "results.json").read_bytes() == before["results.json"]


@pytest.mark.parametrize("renames", range(5))
def test_an_overwrite_that_is_interrupted_leaves_the_earlier_run(tmp_path, monkeypatch, renames):
    finish(tmp_path / "run", results={"found": 7})
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    left, rename, replace = iter(range(renames)), os.rename, os.replace

    def interrupt(function):
        def call(*args):
            if next(left, None) is None and not interrupted:
                interrupted.append(args)
                raise KeyboardInterrupt
            function(*args)

        return call

    interrupted = []
    monkeypatch.setattr(os, "rename", interrupt(rename))
    monkeypatch.setattr(os, "replace", interrupt(replace))
    with pytest.raises(KeyboardInterrupt), open_run(tmp_path / "run", OTHER, overwrite=True):
        pass
    assert interrupted
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_working_folders_are_deleted_in_the_run_alone_and_links_are_not_followed(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with open_run(tmp_path / "run", CONFIG) as run:
        for name in ("replaced", "found"):
            (run.folder / name).symlink_to(tmp_path / "thesis")
        run.finish(DONE, remove=("found",))
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"
    assert {path.name for path in (tmp_path / "run").iterdir()} == {".lock", "config.json", "results.json", "run.json"}


def test_working_folders_that_a_killed_run_left_are_deleted_when_it_is_read(tmp_path):
    finish(tmp_path / "run")
    for name in ("replaced", "found", "kept"):
        (tmp_path / "run" / name).mkdir()
    assert load_finished_results(tmp_path / "run", CONFIG, overwrite=False, remove=("found",)) == DONE
    left = {path.name for path in (tmp_path / "run").iterdir() if path.is_dir()}
    assert left == {"kept"}


@pytest.mark.parametrize("begin_again", [False, True])
def test_a_process_whose_folder_was_deleted_writes_nothing_into_the_next(tmp_path, begin_again):
    folder = tmp_path / "run"
    with contextlib.ExitStack() as stack:
        run = stack.enter_context(open_run(folder, CONFIG))
        shutil.rmtree(folder)
        if begin_again:
            finish(folder, OTHER, results={"mine": True})
        for write in (lambda: run.append_metrics([]), lambda: run.finish({}), lambda: run.set_state("running")):
            with pytest.raises(InputError, match="run: was moved or deleted while this process filled it"):
                write()
    assert folder.exists() == begin_again
    if begin_again:
        assert read_results(folder / "results.json") == DONE | {"mine": True}
        assert read_run_state(folder) == "finished"


@pytest.mark.parametrize("others", [False, True])
def test_a_save_during_which_the_folder_is_deleted_leaves_nothing(tmp_path, others):
    def save(run, folder):
        with run.guard_save(folder):
            shutil.rmtree(run.folder)
            folder.mkdir(parents=True)
            (folder / "part").touch()
            if others:
                (run.path / "notes").touch()
            raise OSError("what the save found in the way")

    with open_run(tmp_path / "run", CONFIG) as run, pytest.raises(InputError, match="run: was moved or deleted"):
        save(run, run.folder / "found" / "saved")
    assert sorted(tmp_path.rglob("*")) == ([tmp_path / "run", tmp_path / "run" / "notes"] if others else [])


def test_a_file_during_whose_writing_the_folder_is_made_again_is_removed(tmp_path, monkeypatch):
    def delete_and_open(path, mode, encoding=None):
        if path.name == "metrics.jsonl":
            shutil.rmtree(path.parent)
            path.parent.mkdir()
        return open(path, mode, encoding=encoding)

    monkeypatch.setattr(Path, "open", delete_and_open)
    with open_run(tmp_path / "run", CONFIG) as run, pytest.raises(InputError, match="run: was moved or deleted"):
        run.append_metrics([{"epoch": 1}])
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to(path.parent / "elsewhere")])
def test_an_empty_folder_or_a_link_to_one_is_filled(tmp_path, make):
    (tmp_path / "elsewhere").mkdir()
    make(tmp_path / "run")
    finish(tmp_path / "run")
    finish(tmp_path / "run", OTHER, overwrite=True, results={"new": True})
    assert read_results(tmp_path / "run" / "results.json") == DONE | {"new": True}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "run"]


def test_the_current_folder_is_filled_if_it_is_empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    finish(Path("."))
    assert read_results(tmp_path / "results.json") == DONE


def test_a_folder_that_is_no_run_is_never_replaced_even_with_overwrite(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    for overwrite in (False, True):
        with (
            pytest.raises(InputError, match="another --out"),
            open_run(tmp_path / "thesis", CONFIG, overwrite=overwrite),
        ):
            pytest.fail("begun")
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="is a file"), open_run(tmp_path / "run", CONFIG, overwrite=True):
        pytest.fail("begun")


@pytest.mark.parametrize(
    ("ends", "state"), [(Preempted, "interrupted"), (KeyboardInterrupt, "interrupted"), (MemoryError, "failed")]
)
def test_a_run_says_how_it_ended_and_the_same_command_goes_on(tmp_path, ends, state):
    interrupt(tmp_path / "run", with_=ends)
    (tmp_path / "run" / "metrics.jsonl").write_text('{"epoch": 1}\n{"epoch"')
    (tmp_path / "run" / "kept").touch()
    (tmp_path / "run" / ".half.tmp").touch()
    assert read_run_state(tmp_path / "run") == state
    with open_run(tmp_path / "run", CONFIG) as run:
        assert run.resumed
        assert (run.folder / "kept").exists()
        assert not (run.folder / ".half.tmp").exists()
        run.append_metrics([{"epoch": 1}, {"epoch": 2}])
        run.append_metrics([{"epoch": 3}])
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]


def test_seconds_are_those_of_all_attempts(tmp_path):
    interrupt(tmp_path / "run")
    first = read_json(tmp_path / "run" / "run.json")["attempts"][0]["seconds"]
    with open_run(tmp_path / "run", CONFIG) as run:
        run.start_time -= 10
        assert run.seconds == pytest.approx(first + 10, abs=1)


@pytest.mark.parametrize(
    ("name", "values", "shown"),
    [
        ("devices", (1, 4), "devices 1, then 4"),
        ("x64", (False, True), "x64 False, then True"),
        ("commit", (None, "e" * 40), f"commit None, then {'e' * 12}"),
        ("versions", ({"jax": "1", "numpy": "2"}, {"jax": "3", "numpy": "2"}), "jax 1, then 3"),
    ],
)
def test_what_changes_numbers_between_attempts_is_in_the_warning_of_every_later_one(tmp_path, name, values, shown):
    conditions = [{"devices": 1, "cores": 2, "x64": False, "commit": None} | {name: value} for value in values]
    for attempt_info in conditions:
        with pytest.raises(Preempted), open_run(tmp_path / "run", CONFIG, attempt_info=attempt_info):
            raise Preempted
    with open_run(tmp_path / "run", CONFIG, attempt_info=conditions[-1]) as run:
        assert run.warning == f"was continued under other conditions: {shown}; numbers may differ"
        assert [attempt[name] for attempt in run.describe_attempts()] == [*values, values[-1]]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"schema": 1}', b"\xff\xfe", b'{"schema": 1, "state": "gone"}'])
def test_a_damaged_state_is_refused_with_the_mend_and_overwrite_mends_it(tmp_path, damage):
    finish(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_bytes(damage)
    with pytest.raises(InputError, match=r"run\.json: .*--overwrite") as refusal:
        load_finished_results(tmp_path / "run", CONFIG, overwrite=False)
    assert "\n" not in str(refusal.value)
    finish(tmp_path / "run", overwrite=True)
    assert read_run_state(tmp_path / "run") == "finished"


def fill_until_told(folder, began, end):
    with open_run(folder, CONFIG):
        began.set()
        end.wait(60)


@pytest.fixture
def filler(tmp_path):
    """Another process that fills the folder `run`; killed at the end."""
    context = multiprocessing.get_context("spawn")
    began, end = context.Event(), context.Event()
    process = context.Process(target=fill_until_told, args=(tmp_path / "run", began, end))
    process.start()
    assert began.wait(120)
    yield process
    process.kill()
    process.join()


def test_a_second_process_is_refused_until_the_first_is_gone_however_it_went(tmp_path, filler):
    for overwrite in (False, True):
        with (
            pytest.raises(InputError, match=f"is in use by process {filler.pid} on"),
            open_run(tmp_path / "run", CONFIG, overwrite=overwrite),
        ):
            pytest.fail("begun")
    os.kill(filler.pid, signal.SIGKILL)
    filler.join()
    assert read_run_state(tmp_path / "run") == "running"  # it had no time to say otherwise
    with open_run(tmp_path / "run", CONFIG) as run:
        assert run.resumed


def test_run_folders_and_the_meeting_of_processes_need_no_jax():
    modules = "aejax.storage.runs, aejax.storage.run_identity, aejax.experiments.rendezvous"
    program = f"import sys, {modules}; sys.exit(str({{'jax', 'flax'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr == "set()\n"
