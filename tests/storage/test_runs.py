import json
import multiprocessing
import os
import signal
import time

import pytest

from aejax.errors import InputError, Preempted
from aejax.storage.atomic_io import read_json
from aejax.storage.run_identity import RunIdentity
from aejax.storage.run_state import read_run_state
from aejax.storage.runs import load_finished_results, open_run

SETTINGS = {"seeds": 2, "methods": ["raw"], "train": {"epochs": 5}}
CONFIG = RunIdentity(SETTINGS)
OTHER = RunIdentity({**SETTINGS, "seeds": 3})


def finish(folder, config=CONFIG, *, overwrite=False, results=None):
    with open_run(folder, config, overwrite=overwrite) as run:
        run.finish({"schema": 1} | (results or {}))


def interrupt(folder, config=CONFIG, *, overwrite=False, with_=Preempted):
    with pytest.raises(with_), open_run(folder, config, overwrite=overwrite):
        raise with_


def test_a_folder_appears_with_its_config_and_state_or_not_at_all(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", fail)
    with (
        pytest.raises(InputError, match=r"run: cannot be written \(No space left on device\)"),
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
    assert load_finished_results(tmp_path / "run", CONFIG, overwrite=False) == {"schema": 1, "found": 7}
    assert (tmp_path / "run" / "results.json").stat().st_mtime_ns == before


def test_another_config_is_refused_and_the_old_run_kept(tmp_path):
    finish(tmp_path / "run")
    for ask in (load_finished_results, lambda *args, **others: open_run(*args, **others).__enter__()):
        with pytest.raises(InputError, match=r"holds another run \(seeds 2 there, 3 here\); give --overwrite"):
            ask(tmp_path / "run", OTHER, overwrite=False)
    assert read_json(tmp_path / "run" / "results.json") == {"schema": 1}


def test_overwrite_keeps_the_old_run_aside_until_the_new_one_has_finished(tmp_path):
    finish(tmp_path / "run")
    with open_run(tmp_path / "run", OTHER, overwrite=True) as run:
        assert not (tmp_path / "run" / "results.json").exists()
        assert read_json(tmp_path / "run.replaced" / "results.json") == {"schema": 1}
        run.finish({"schema": 1, "new": True})
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert read_json(tmp_path / "run" / "results.json")["new"]


def test_an_overwrite_that_is_interrupted_twice_loses_neither_run(tmp_path):
    finish(tmp_path / "run")
    interrupt(tmp_path / "run", OTHER, overwrite=True)
    interrupt(tmp_path / "run", CONFIG, overwrite=True)
    assert read_json(tmp_path / "run.replaced" / "results.json") == {"schema": 1}
    assert read_json(tmp_path / "run.replaced-2" / "config.json") == OTHER.settings
    finish(tmp_path / "run")  # the same command without --overwrite goes on
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_run_that_was_moved_aside_by_a_killed_overwrite_is_put_back(tmp_path):
    finish(tmp_path / "run", results={"found": 7})
    os.rename(tmp_path / "run", tmp_path / "run.replaced")  # what a kill between two renames leaves
    assert load_finished_results(tmp_path / "run", CONFIG, overwrite=False) == {"schema": 1, "found": 7}


def test_what_stands_where_a_run_would_be_moved_to_is_nobodys_to_take(tmp_path):
    (tmp_path / "run.replaced").mkdir()
    (tmp_path / "run.replaced" / "chapter.tex").write_text("years of work")
    finish(tmp_path / "run")
    finish(tmp_path / "run", OTHER, overwrite=True)
    assert (tmp_path / "run.replaced" / "chapter.tex").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.replaced"]


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


def test_a_run_begun_under_other_versions_says_so(tmp_path):
    first = {"versions": {"jax": "1", "numpy": "2"}}
    with pytest.raises(Preempted), open_run(tmp_path / "run", CONFIG, attempt_info=first):
        raise Preempted
    with open_run(tmp_path / "run", CONFIG, attempt_info={"versions": {"jax": "3", "numpy": "2"}}) as run:
        assert "another version of jax;" in run.warning


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


def test_times_that_run_backwards_change_nothing(tmp_path, monkeypatch):
    interrupt(tmp_path / "run")
    monkeypatch.setattr(time, "time", lambda: 0.0)
    os.utime(tmp_path / "run" / "run.json", (0, 0))
    finish(tmp_path / "run")
    assert read_run_state(tmp_path / "run") == "finished"
