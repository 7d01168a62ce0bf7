import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from aejax.errors import InputError
from aejax.storage.checkpoint_manager import VALID_LOSS_KEY, AsyncSaver, CheckpointManager
from aejax.storage.manifest import CorruptedFileError


def saved(folder, losses, keep=2):
    series = CheckpointManager(folder, keep)
    for epoch, loss in enumerate(losses, 1):
        series.save(epoch, {"at": np.array([epoch])}, {VALID_LOSS_KEY: loss})
    return series


def flip(series, epoch):
    path = series.path(epoch) / "meta.json"
    path.write_bytes(path.read_bytes().replace(b"schema", b"schemb"))


def test_the_latest_few_and_the_best_are_kept(tmp_path):
    assert saved(tmp_path / "a", [3.0, 1.0, 2.0, 2.0, 5.0]).epochs() == [2, 4, 5]
    assert saved(tmp_path / "b", [None, None, None], keep=1).epochs() == [3]
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"2", "4", "5"}


def test_the_latest_is_what_was_saved_last(tmp_path):
    assert CheckpointManager(tmp_path / "none", 2).restore_latest() is None
    resumed = saved(tmp_path / "a", [1.0, 2.0]).restore_latest()
    assert (resumed.epoch, resumed.saved.tree["at"].tolist(), resumed.saved.meta[VALID_LOSS_KEY]) == (2, [2], 2.0)


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_offered_and_taken_only_if_asked(tmp_path):
    series = saved(tmp_path / "a", [1.0, 2.0, 3.0], keep=3)
    flip(series, 3)
    flip(series, 2)
    with pytest.raises(
        CorruptedFileError, match=r"a/3: meta\.json .*--allow-fallback continues from epoch 1, which is intact"
    ):
        series.restore_latest()
    resumed = series.restore_latest(allow_fallback=True)
    assert resumed.epoch == 1
    assert "3: meta.json" in resumed.skipped
    assert "2: meta.json" in resumed.skipped
    assert series.epochs() == [1]
    series.save(2, {"at": np.array([2])}, {VALID_LOSS_KEY: 0.5})  # the place of a damaged one is free
    assert series.restore_latest().epoch == 2
    assert len([*series.folder.glob("3.damaged-*/meta.json")]) == 1


def test_where_none_is_whole_nothing_is_offered(tmp_path):
    series = saved(tmp_path / "a", [1.0])
    flip(series, 1)
    for allow in (False, True):
        with pytest.raises(
            CorruptedFileError, match="no earlier checkpoint is intact: --overwrite starts from the beginning"
        ):
            series.restore_latest(allow_fallback=allow)


def test_what_only_looks_like_a_checkpoint_is_noticed(tmp_path):
    series = saved(tmp_path / "a", [1.0])
    (series.folder / "2").mkdir()
    with pytest.raises(CorruptedFileError, match=r"2/manifest\.json: is missing"):
        series.restore_latest()
    shutil.rmtree(series.folder / "2")
    (series.folder / "2").write_text("no folder")
    with pytest.raises(InputError, match="2: no such folder"):
        series.restore_latest()


FOLDER = Path("saved")


def test_what_fails_in_the_background_is_raised_by_the_next_call_and_only_once():
    background = AsyncSaver()

    def fail():
        raise InputError("no room")

    background.submit(FOLDER, fail)
    with pytest.raises(InputError, match="no room"):
        background.submit(FOLDER, lambda: pytest.fail("begun"))
    background.wait()


def test_saves_do_not_wait_for_each_other_to_begin_but_to_end():
    background, go, done = AsyncSaver(), threading.Event(), []
    background.submit(FOLDER, lambda: (go.wait(10), done.append(1)))
    assert background.busy
    go.set()
    background.submit(FOLDER, lambda: done.append(2))
    background.wait()
    assert done == [1, 2]
    assert not background.busy
