"""Runs, checkpoints and encoders that version 0.1.0 saved still open, and its interrupted trainings continue.

`tests/fixtures/version-0.1.0` was written by version 0.1.0. Its `expected` folder has the results of the interrupted
runs' commands without an interruption. Each test replays the command in a fixture's `run.json` on a copy.
"""

import importlib
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_wine

import aejax
from aejax.errors import InputError
from aejax.experiments.pretrained import load_pretrained
from aejax.experiments.rejudge import rejudge_run
from aejax.storage.results_file import read_results

FIXTURES = Path(__file__).parent / "fixtures" / "version-0.1.0"
OLD_DEFAULTS = {  # what version 0.1.0 did by default, of the scripts that train
    "--design": "holdout",
    "--penalty-scale": "mean",
    "--contractive-code": "narrow",
    "--k-decay-steps": "0",
    "--noise-std": "0.3",
    "--l1": "0.001",
    "--kl-weight": "0.01",
    "--contraction": "0.001",
    "--beta": "0.25",
}
CHANGED_FIELDS = (  # by machine or by version
    *("environment", "seconds", "seconds_per_seed_and_epoch", "schema"),
    *("ci95", "interval", "intervals", "p_crossed", "p_crossed_holm", "verdict", "reason"),  # statistics
)


def keep_devices(*args):
    """Replaces the configuration of devices, which JAX allows only before its first operation."""


@pytest.fixture
def old_runs(tmp_path, monkeypatch):
    """Copies the fixtures to the working directory of the test."""
    shutil.copytree(FIXTURES, tmp_path / "runs")
    monkeypatch.chdir(tmp_path / "runs")
    return tmp_path / "runs"


def run_again(folder, monkeypatch):
    """Runs the command that made a run folder with its version's defaults. Returns the content of its `run.json`."""
    _, script, *flags = json.loads((folder / "run.json").read_text())["attempts"][0]["command"].split()
    name = Path(script).stem
    module = importlib.import_module(f"aejax.cli.commands.{name}")
    monkeypatch.setattr(module, "configure_devices", keep_devices)
    if name in ("compare", "pretrain", "sweep"):
        flags += [word for flag in OLD_DEFAULTS.items() for word in flag]
    module.main(flags)
    return json.loads((folder / "run.json").read_text())


def assert_equal_results(actual, expected, path=""):
    """Asserts equal values, numbers to a relative tolerance of 1e-3, except for times, environment and schema."""
    if isinstance(expected, dict):
        for name, value in expected.items():
            if name not in CHANGED_FIELDS:
                assert name in actual, f"{path}.{name}"
                assert_equal_results(actual[name], value, f"{path}.{name}")
    elif isinstance(expected, list):
        assert len(actual) == len(expected), path
        for index, value in enumerate(expected):
            assert_equal_results(actual[index], value, f"{path}[{index}]")
    elif isinstance(expected, float):
        assert math.isclose(actual, expected, rel_tol=1e-3, abs_tol=1e-6), (path, actual, expected)
    else:
        assert actual == expected, path


@pytest.mark.parametrize("name", ["compare", "probe", "sweep", "explore"])
def test_a_finished_run_is_recognised_and_not_repeated(old_runs, monkeypatch, name):
    before = (old_runs / name / "run.json").read_bytes()
    assert run_again(old_runs / name, monkeypatch)["state"] == "finished"
    assert (old_runs / name / "run.json").read_bytes() == before  # no further attempt


@pytest.mark.parametrize("name", ["compare", "sweep", "probe"])
def test_a_finished_run_is_judged_again_by_the_rules_of_today(old_runs, name):
    before = json.loads((old_runs / name / "results.json").read_text())
    after, _ = rejudge_run(old_runs / name)
    assert read_results(old_runs / name / "results.json") == after
    for field in {"methods", "points", "references"} & before.keys():
        for old, new in zip(before[field], after[field], strict=True):
            assert new["test_accuracy"]["per_seed"] == pytest.approx(old["test_accuracy"]["per_seed"])
            low, high = new["test_accuracy"]["ci95"]
            assert low < high  # 36 of 36 were [100, 100]


def test_a_published_encoder_computes_the_same_codes():
    encode = aejax.load_encoder(FIXTURES / "encoder")
    inputs = load_wine().data[:5].astype(np.float32)
    codes = np.load(FIXTURES / "encoder-codes.npy")
    np.testing.assert_allclose(encode(inputs), codes, atol=1e-5)


def test_a_pretrained_model_opens():
    pretrained = load_pretrained(FIXTURES / "pretrain")
    codes = pretrained.encode(load_wine().data[:5].astype(np.float32))
    assert codes.shape == (5, 3)
    assert np.isfinite(codes).all()


def test_an_interrupted_training_continues_to_the_expected_results(old_runs, monkeypatch):
    folder = old_runs / "pretrain-stopped"
    record = run_again(folder, monkeypatch)
    assert (record["state"], len(record["attempts"])) == ("finished", 2)
    expected = json.loads((FIXTURES / "expected" / "pretrain-stopped.json").read_text())
    assert_equal_results(json.loads((folder / "results.json").read_text()), expected)


def test_an_interrupted_comparison_is_not_continued_by_methods_that_differ(old_runs, monkeypatch):
    folder = old_runs / "compare-stopped"
    before = (folder / "run.json").read_bytes()
    with pytest.raises(InputError, match=r"holds an unfinished run of another version, .* --overwrite") as caught:
        run_again(folder, monkeypatch)
    assert "\n" not in str(caught.value)
    assert (folder / "run.json").read_bytes() == before
