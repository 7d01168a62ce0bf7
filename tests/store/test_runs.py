import json

import numpy as np
import pytest

from aejax.errors import InputError
from aejax.store.files import plain, read_json, write_json
from aejax.store.runs import Run, begin_run, close_run, finished_run

CONFIG = {"seeds": 2, "methods": ["raw"]}


def open_run(folder, config, *, overwrite):
    return finished_run(folder, config, overwrite=overwrite) or begin_run(folder, config)


def finished(folder, config=CONFIG) -> Run:
    run = open_run(folder, config, overwrite=False)
    close_run(run, {"schema": 1})
    return run


def test_a_finished_run_of_the_same_config_is_given_back_untouched(tmp_path):
    finished(tmp_path / "run")
    before = (tmp_path / "run" / "results.json").stat().st_mtime_ns
    again = open_run(tmp_path / "run", CONFIG, overwrite=False)
    assert again.finished
    assert (tmp_path / "run" / "results.json").stat().st_mtime_ns == before


def test_another_config_is_refused_and_the_old_run_kept(tmp_path):
    finished(tmp_path / "run")
    with pytest.raises(InputError, match="--overwrite"):
        open_run(tmp_path / "run", {**CONFIG, "seeds": 3}, overwrite=False)
    assert read_json(tmp_path / "run" / "results.json") == {"schema": 1}


def test_overwrite_keeps_the_old_run_aside_until_the_new_one_has_finished(tmp_path):
    finished(tmp_path / "run")
    run = open_run(tmp_path / "run", {**CONFIG, "seeds": 3}, overwrite=True)
    assert not run.finished
    assert read_json(tmp_path / "run.old" / "results.json") == {"schema": 1}
    close_run(run, {"schema": 1, "new": True})
    assert not (tmp_path / "run.old").exists()
    assert run.results()["new"]


def test_a_folder_that_is_no_run_is_never_replaced_even_with_overwrite(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="another --out"):
            open_run(tmp_path / "thesis", CONFIG, overwrite=overwrite)
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="is a file"):
        open_run(tmp_path / "run", CONFIG, overwrite=True)


def test_an_unfinished_run_is_started_again(tmp_path):
    open_run(tmp_path / "run", CONFIG, overwrite=False).append_metrics([{"epoch": 1}])
    run = open_run(tmp_path / "run", CONFIG, overwrite=False)
    assert not run.finished
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_json_holds_no_nan_and_reads_back_as_written(tmp_path):
    value = {"a": np.array([1.5, np.nan]), "b": [{"c": np.int32(3)}, {"d": (True, None)}], "e": {}, "f": np.inf}
    write_json(tmp_path / "x.json", value)
    read = json.loads((tmp_path / "x.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert read == plain(value) == {"a": [1.5, None], "b": [{"c": 3}, {"d": [True, None]}], "e": {}, "f": None}


def test_asking_whether_a_run_is_finished_changes_nothing(tmp_path):
    finished(tmp_path / "run")
    assert finished_run(tmp_path / "run", {**CONFIG, "seeds": 3}, overwrite=True) is None
    assert Run(tmp_path / "run").finished
    assert not (tmp_path / "run.old").exists()


def test_an_overwrite_that_was_interrupted_does_not_lose_the_old_run_when_it_is_tried_again(tmp_path):
    finished(tmp_path / "run")
    for _ in range(2):
        open_run(tmp_path / "run", {**CONFIG, "seeds": 3}, overwrite=True)
    assert read_json(tmp_path / "run.old" / "results.json") == {"schema": 1}
