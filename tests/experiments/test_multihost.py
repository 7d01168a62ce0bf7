"""Two processes train what one trains; when one ends, the other reports it and ends, and one process can continue."""

import dataclasses
import signal
import time

import numpy as np
import pytest
from rich.console import Console

from aejax.config import CheckpointConfig, DistributedConfig, PlanConfig, from_dict
from aejax.config.experiment import PretrainConfig
from aejax.errors import InputError
from aejax.experiments.pretrain import pretrain
from aejax.storage.atomic_io import read_json
from aejax.storage.pytree_io import load_tree, named_leaves
from tests.two_processes import exit_statuses, log_of, start_pair

pytestmark = pytest.mark.slow

FLAGS = ["--recipe", "undercomplete", "--dataset", "digits", "--hidden", "16", "--latent-dim", "4"]
FLAGS += ["--seeds", "3", "--batch-size", "256"]
LONG = [*FLAGS, "--epochs", "2000", "--save-every", "0"]


def by_pair(tmp_path, *words):
    """Status of both, and what they output."""
    log = tmp_path / "output"
    ended = exit_statuses(start_pair("scripts/pretrain.py", *words, log=log), log)
    return ended, [log_of(log, index).read_text() for index in (0, 1)]


def compare_weights(folder, **tolerances):
    """Asserts that the runs `one` and `two` in a folder end with the same weights."""
    one, two = (named_leaves(load_tree(folder / name / "checkpoint").tree) for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_allclose(two[name], one[name], **tolerances, err_msg=name)


def wait_for(found, pair, seconds=180):
    """Until `found()`, while both work."""
    limit = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < limit
        assert all(process.poll() is None for process in pair)
        time.sleep(0.02)


def test_two_processes_train_what_one_trains_and_one_of_them_speaks(tmp_path):
    ended, output = by_pair(tmp_path, *FLAGS, "--epochs", "6", "--out", str(tmp_path / "two"))
    assert ended == [0, 0], output
    assert ["results.json" in text for text in output] == [True, False]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["output.0", "output.1", "two"]
    config = from_dict(PretrainConfig, read_json(tmp_path / "two" / "config.json"))
    pretrain(dataclasses.replace(config, plan=PlanConfig(devices=1)), tmp_path / "one", Console(quiet=True))
    compare_weights(tmp_path, rtol=1e-4, atol=1e-5)
    one, two = (read_json(tmp_path / name / "results.json") for name in ("one", "two"))
    assert "of 2 processes" in two["environment"]["plan"]
    for name, values in one["history"].items():
        np.testing.assert_allclose(two["history"][name], values, rtol=1e-4, err_msg=name)


def test_a_run_ends_with_75_and_keeps_its_checkpoints_when_one_process_is_killed(tmp_path):
    log, out = tmp_path / "output", tmp_path / "run"
    pair = start_pair("scripts/pretrain.py", *LONG, "--out", str(out), log=log)
    wait_for(lambda: list(out.glob("checkpoints/*/*/manifest.json")), pair)
    pair[1].send_signal(signal.SIGKILL)
    assert exit_statuses(pair, log)[0] == 75
    output = log_of(log, 0).read_text()
    assert output.count("error: another process of this run has ended or cannot be reached") == 1
    assert "Traceback" not in output
    state = read_json(out / "run.json")
    assert state["state"] == "interrupted"
    config = from_dict(PretrainConfig, read_json(out / "config.json"))
    reached = max(int(path.name) for path in (out / "checkpoints" / "undercomplete").iterdir())
    assert 0 < reached < config.train.epochs


def test_a_stopped_process_ends_the_other_with_one_line(tmp_path):
    log, out = tmp_path / "output", tmp_path / "run"
    pair = start_pair("scripts/pretrain.py", *LONG, "--heartbeat-timeout", "5", "--out", str(out), log=log)
    wait_for(lambda: list(out.glob("checkpoints/*/*/manifest.json")), pair)
    pair[1].send_signal(signal.SIGSTOP)
    try:
        assert pair[0].wait(60) == 75
    finally:
        pair[1].send_signal(signal.SIGKILL)
    exit_statuses(pair, log)
    output = log_of(log, 0).read_text()
    assert output.count("error: ") == 1
    assert "(process 1 has not answered for 5 s)" in output
    assert read_json(out / "run.json")["state"] == "interrupted"


def test_other_data_of_the_same_shape_are_noticed_before_anything_is_trained(tmp_path):
    folders = (tmp_path / "a", tmp_path / "b")
    for seed, folder in enumerate(folders):
        folder.mkdir()
        np.savez(folder / "data.npz", x=np.random.default_rng(seed).normal(size=(60, 5)), y=np.arange(60) % 2)
    log, out = tmp_path / "output", tmp_path / "run"
    words = [*FLAGS, "--dataset", "data.npz", "--out", str(out)]
    assert exit_statuses(start_pair("scripts/pretrain.py", *words, log=log, folders=folders), log) == [2, 2]
    for index in (0, 1):
        (line,) = [line for line in log_of(log, index).read_text().splitlines() if "error" in line]
        assert line.startswith("error: --distributed: process 0 and process 1 differ: data ")
    assert not out.exists()


def test_a_signal_to_one_saves_and_ends_both_and_one_process_goes_on(tmp_path):
    log, out = tmp_path / "output", tmp_path / "run"
    pair = start_pair("scripts/pretrain.py", *LONG, "--out", str(out), log=log)
    wait_for(lambda: list(out.glob("checkpoints/*/*/manifest.json")), pair)
    pair[1].send_signal(signal.SIGTERM)
    assert exit_statuses(pair, log) == [75, 75]
    assert read_json(out / "run.json")["state"] == "interrupted"
    reached = max(int(path.name) for path in (out / "checkpoints" / "undercomplete").iterdir())
    config = from_dict(PretrainConfig, read_json(out / "config.json"))
    assert reached < config.train.epochs

    pretrain(config, out, Console(quiet=True), CheckpointConfig())
    results = read_json(out / "results.json")
    assert len(results["history"]["train_loss"]) == config.train.epochs
    assert "processes" not in results["environment"]["plan"]


def test_two_processes_that_share_each_batch_of_a_stream_train_what_one_trains(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 6000)
    examples = rng.integers(60, 190, (4, 12))[labels] + rng.normal(0, 20, (6000, 12))
    (tmp_path / "set").mkdir()
    np.save(tmp_path / "set" / "inputs.npy", examples.clip(0, 255).astype(np.uint8))
    np.save(tmp_path / "set" / "labels.npy", labels)
    words = [*FLAGS, "--dataset", str(tmp_path / "set"), "--stream", "--epochs", "2", "--batch-size", "256"]
    ended, output = by_pair(tmp_path, *words, "--batch-devices", "2", "--out", str(tmp_path / "two"))
    assert ended == [0, 0], output
    config = from_dict(PretrainConfig, read_json(tmp_path / "two" / "config.json"))
    pretrain(dataclasses.replace(config, plan=PlanConfig(devices=1)), tmp_path / "one", Console(quiet=True))
    compare_weights(tmp_path, rtol=1e-3, atol=1e-4)


def test_processes_that_do_not_fit_together_are_refused():
    complete = {"distributed": True, "coordinator": "localhost:1", "num_processes": 2, "process_id": 0}
    for changes, message in (
        ({"distributed": False}, "need --distributed"),
        ({"coordinator": None}, "give all of --coordinator, --num-processes and --process-id"),
        ({"coordinator": "here"}, "--coordinator here: expected HOST:PORT"),
        ({"process_id": 2}, "--process-id 2: expected 0 to 1"),
    ):
        with pytest.raises(InputError, match=message):
            DistributedConfig(**complete | changes)
