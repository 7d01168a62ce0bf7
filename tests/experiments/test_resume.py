"""A run that was stopped anywhere and goes on ends bit for bit as one that was not."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from resuming import EACH, SMALL, Killed, stop_after

from aejax.config import (
    CheckpointConfig,
    CompareConfig,
    ModelConfig,
    ProbeConfig,
    ProbeRunConfig,
    SweepConfig,
    TrainConfig,
)
from aejax.errors import InputError, Preempted
from aejax.experiments import checkpointing, method_result, training
from aejax.experiments.checkpointing import ResultCache
from aejax.experiments.compare import compare
from aejax.experiments.job import RECORD_CLASSES
from aejax.experiments.pretrain import pretrain
from aejax.experiments.probe_run import probe_run
from aejax.experiments.sweep import sweep
from aejax.storage import checkpoint_manager
from aejax.storage.atomic_io import read_json
from aejax.storage.manifest import CorruptedFileError
from aejax.storage.pytree_io import save_tree, save_variables
from aejax.storage.run_identity import RunIdentity
from aejax.storage.runs import open_run
from tests.consoles import quiet
from tests.robustness.fingerprints import run_fingerprint


def same(one: Path, other: Path):
    """Two finished run folders hold the same bits, but for clocks."""
    assert run_fingerprint(one) == run_fingerprint(other)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A pretraining run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    pretrain(SMALL, folder, quiet(), EACH)
    return folder


@pytest.fixture
def cut(tmp_path, killed_after):
    """The same, killed after three epochs."""
    killed_after(3)
    with pytest.raises(Killed):
        pretrain(SMALL, tmp_path / "cut", quiet(), EACH)
    return tmp_path / "cut"


@pytest.mark.parametrize(
    ("saves", "run"),
    [
        ("aejax.storage.checkpoint_manager.save_tree", pretrain),
        ("aejax.experiments.pretrain.save_variables", pretrain),
        ("aejax.experiments.checkpointing.save_tree", lambda _, *rest: compare(COMPARED, *rest)),
    ],
)
def test_a_folder_that_is_deleted_during_a_save_is_not_made_again(tmp_path, monkeypatch, saves, run):
    def delete_and_save(folder, *arguments, **options):
        while (tmp_path / "run").exists():  # metrics may be written at the same time
            shutil.rmtree(tmp_path / "run", ignore_errors=True)
        return save_tree(folder, *arguments, **options)

    monkeypatch.setattr(checkpointing, "MAX_BACKGROUND_BYTES", 0)  # no checkpoint is being saved when weights are
    monkeypatch.setattr(saves, delete_and_save)
    with pytest.raises(InputError, match="run: was moved or deleted while this process filled it"):
        run(dataclasses.replace(SMALL, train=TrainConfig(epochs=1)), tmp_path / "run", quiet(), EACH)
    assert not any(tmp_path.iterdir())


def test_a_pretraining_run_goes_on_to_the_same_files(whole, cut, first_epochs):
    (cut / "metrics.jsonl").write_text('{"half a line')
    pretrain(SMALL, cut, quiet(), EACH)
    assert first_epochs == [3, 4]
    same(whole, cut)
    assert [attempt["state"] for attempt in read_json(cut / "run.json")["attempts"]] == ["failed", "finished"]


def test_a_signal_saves_and_stops_and_the_same_call_goes_on(whole, tmp_path, monkeypatch, first_epochs):
    with monkeypatch.context() as patched:
        patched.setattr(training, "defer_signals", stop_after(1))
        with pytest.raises(Preempted) as stopped:
            pretrain(SMALL, tmp_path / "cut", quiet())  # nothing was due to be saved
    assert stopped.value.code == 75
    assert read_json(tmp_path / "cut" / "run.json")["state"] == "interrupted"
    pretrain(SMALL, tmp_path / "cut", quiet())
    assert first_epochs == [0, 1, 2, 3, 4]
    same(whole, tmp_path / "cut")


def test_foreign_and_damaged_checkpoints_are_rejected_and_the_previous_one_needs_allow_fallback(
    whole, cut, first_epochs
):
    foreign = cut / "checkpoints" / SMALL.method / "4"
    save_variables(foreign, {"fit": {"state": np.ones(3)}, "history": {"train_loss": np.ones((3, 4))}})
    with pytest.raises(InputError, match="do not belong together"):
        pretrain(SMALL, cut, quiet(), EACH)
    shutil.rmtree(foreign)
    data = max((cut / "checkpoints").glob("*/3/state/**/d/*"), key=lambda path: path.stat().st_size)
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 4
    data.write_bytes(content)
    with pytest.raises(CorruptedFileError, match=r"3: .* another SHA-256 .*--allow-fallback continues"):
        pretrain(SMALL, cut, quiet(), EACH)
    console = quiet()
    pretrain(SMALL, cut, console, dataclasses.replace(EACH, allow_fallback=True))
    assert "continuing from epoch 2" in console.file.getvalue()
    assert first_epochs == [2, 3, 4]
    same(whole, cut)


def test_a_save_that_fails_ends_the_run_with_one_line_and_the_last_state_whole(
    whole, tmp_path, monkeypatch, first_epochs
):
    save = checkpoint_manager.save_tree

    def full(folder, *rest):
        if folder.name == "3":
            raise InputError(f"{folder}: cannot be saved (No space left on device)")
        return save(folder, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint_manager, "save_tree", full)
        with pytest.raises(InputError, match="No space left on device"):
            pretrain(SMALL, tmp_path / "cut", quiet(), EACH)
    assert read_json(tmp_path / "cut" / "run.json")["state"] == "failed"
    first_epochs.clear()
    pretrain(SMALL, tmp_path / "cut", quiet(), EACH)
    assert first_epochs == [2, 3, 4]
    same(whole, tmp_path / "cut")


@pytest.mark.slow
def test_a_probe_goes_on(whole, tmp_path, killed_after, first_epochs):
    config = ProbeRunConfig(head=dataclasses.replace(SMALL.head, head_epochs=4), probe=ProbeConfig(probe="ridge"))
    probe_run(whole, config, tmp_path / "whole", quiet(), EACH)
    killed_after(2)
    with pytest.raises(Killed):
        probe_run(whole, config, tmp_path / "cut", quiet(), EACH)
    first_epochs.clear()
    probe_run(whole, config, tmp_path / "cut", quiet(), EACH)
    assert first_epochs == [2, 3]
    same(tmp_path / "whole", tmp_path / "cut")


COMPARED = CompareConfig(
    data=SMALL.data,
    split=SMALL.split,
    model=SMALL.model,
    train=SMALL.train,
    probe=ProbeConfig(probe="ridge"),
    methods=("raw", "undercomplete", "knn-undercomplete"),
    seeds=3,
)


def test_a_comparison_goes_on_between_and_inside_methods(tmp_path, killed_after, first_epochs, monkeypatch):
    compare(COMPARED, tmp_path / "whole", quiet(), EACH)
    killed_after(2)  # inside `undercomplete`
    with pytest.raises(Killed):
        compare(COMPARED, tmp_path / "cut", quiet(), EACH)
    assert {path.name for path in (tmp_path / "cut" / "found").iterdir()} == {"raw"}
    score, scored = method_result.score_predictions, []

    def died_scoring(*args):
        if len(scored) == 1:  # `undercomplete` was found, `knn-undercomplete` was not yet
            raise Killed
        scored.append(args)
        return score(*args)

    with monkeypatch.context() as patched:
        patched.setattr(method_result, "score_predictions", died_scoring)
        with pytest.raises(Killed):
            compare(COMPARED, tmp_path / "cut", quiet(), EACH)
    record = tmp_path / "cut" / "found" / "raw" / "meta.json"
    record.write_text(record.read_text().replace("0", "1", 1))
    with pytest.raises(CorruptedFileError, match=r"raw: meta\.json .*--allow-fallback computes it again"):
        compare(COMPARED, tmp_path / "cut", quiet(), EACH)
    first_epochs.clear()
    compare(COMPARED, tmp_path / "cut", quiet(), dataclasses.replace(EACH, allow_fallback=True))
    assert first_epochs == []  # nothing was left to train
    same(tmp_path / "whole", tmp_path / "cut")
    assert not (tmp_path / "cut" / "found").exists()
    assert not (tmp_path / "cut" / "checkpoints").exists()


@pytest.mark.slow
def test_a_sweep_goes_on_inside_a_group(tmp_path, killed_after, first_epochs):
    config = SweepConfig(
        data=SMALL.data,
        split=SMALL.split,
        model=ModelConfig(hidden=(8,)),
        train=SMALL.train,
        probe=ProbeConfig(probe="ridge"),
        axis=("noise_std=0.1,0.5",),
        seeds=2,
    )
    sweep(config, tmp_path / "whole", quiet(), EACH)
    killed_after(2)
    with pytest.raises(Killed):
        sweep(config, tmp_path / "cut", quiet(), EACH)
    first_epochs.clear()
    sweep(config, tmp_path / "cut", quiet(), EACH)
    assert first_epochs == [2, 3, 4]
    same(tmp_path / "whole", tmp_path / "cut")


def test_a_saved_result_removes_the_checkpoints_of_its_own_training_only(tmp_path):
    with open_run(tmp_path / "run", RunIdentity({})) as run:
        cache = ResultCache(run, CheckpointConfig(), RECORD_CLASSES, print)
        checkpoints = run.folder / "checkpoints"
        for name in ("stacked-stage-1", "s*-stage-1"):
            (checkpoints / name).mkdir(parents=True)
        cache.save_result("s*", np.zeros(2))
        cache.flush()
        assert [path.name for path in checkpoints.iterdir()] == ["stacked-stage-1"]
        np.testing.assert_array_equal(cache.load_result("s*"), np.zeros(2))
        run.finish({"schema": 1})
