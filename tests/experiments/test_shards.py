"""Shards of a comparison or a sweep, merged, are bit for bit the run without shards."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from aejax.config import CompareConfig, DataConfig, ModelConfig, ProbeConfig, SweepConfig, TrainConfig
from aejax.errors import InputError
from aejax.experiments import method_result
from aejax.experiments.checkpointing import RESULT_CACHE_DIR
from aejax.experiments.compare import compare
from aejax.experiments.shards import adopt_results, merge_shards
from aejax.experiments.sweep import sweep
from aejax.storage.atomic_io import read_json, write_json
from aejax.storage.run_identity import RunIdentity
from aejax.storage.runs import open_run
from tests.consoles import quiet

SMALL = {
    "data": DataConfig(dataset="wine"),
    "model": ModelConfig(hidden=(), latent_dim=3),
    "train": TrainConfig(epochs=1),
    "probe": ProbeConfig(probe="ridge"),
    "seeds": 2,
}
VARYING = ("seconds", "environment", "checksum")  # the last one is of the file
METHODS = ("undercomplete", "knn-undercomplete", "raw", "pca", "denoising")
RUNS = {
    "compare": (compare, CompareConfig(**SMALL, methods=METHODS, versus=("undercomplete",))),
    "sweep": (sweep, SweepConfig(**SMALL, axis=("noise_std=0.1,0.5", "latent_dim=2,3"))),
}


@pytest.fixture(scope="module", params=["compare", pytest.param("sweep", marks=pytest.mark.slow)])
def folders(request, tmp_path_factory):
    """The whole run, and its two shards."""
    run, config = RUNS[request.param]
    folder = tmp_path_factory.mktemp("shards")
    paths = [folder / name for name in ("whole", "1", "2")]
    for path, shard in zip(paths, (None, "1/2", "2/2"), strict=True):
        run(dataclasses.replace(config, shard=shard), path, quiet())
    return paths


def without_durations(value):
    if isinstance(value, dict):
        return {key: without_durations(item) for key, item in value.items() if key not in VARYING}
    return list(map(without_durations, value)) if isinstance(value, list) else value


def test_merged_shards_are_the_run_without_shards(folders, tmp_path, monkeypatch):
    whole, first, second = folders
    monkeypatch.setattr(method_result, "score_predictions", None)  # nothing is scored again
    merge_shards([second, first], tmp_path / "merged", quiet())
    results = [read_json(folder / "results.json") for folder in (whole, tmp_path / "merged")]
    assert without_durations(results[0]) == without_durations(results[1])
    entries = [entry for part in ("methods", "points", "references") for entry in results[0].get(part, [])]
    in_shards = read_json(first / "shard.json")["names"] + read_json(second / "shard.json")["names"]
    assert sorted(in_shards) == sorted(entry["name"] for entry in entries)
    for name in ("scores.npz", "correct.npz"):
        with np.load(whole / name) as one, np.load(tmp_path / "merged" / name) as other:
            assert one.keys() == other.keys()
            for key in one:
                np.testing.assert_array_equal(one[key], other[key])
    assert (whole / "metrics.jsonl").read_bytes() == (tmp_path / "merged" / "metrics.jsonl").read_bytes()


def test_shards_that_do_not_belong_together_are_rejected(folders, tmp_path):
    _, first, second = folders
    with pytest.raises(InputError, match="shard 2/2 is missing"):
        merge_shards([first], tmp_path / "merged", quiet())
    with pytest.raises(InputError, match="give each once"):
        merge_shards([first, second, second], tmp_path / "merged", quiet())
    changed = shutil.copytree(second, tmp_path / "changed")
    for file, changes, message in (
        ("config.json", {"shard": "2/3"}, "is one of 3 shards, .* one of 2; merge those of one command"),
        ("config.json", {"seeds": 7}, r"differs from .* in config.seeds \(7 there"),
        ("run.json", {"identity": {"data": 7}}, r"differs from .* in identity.data \(7 there"),
    ):
        shutil.copytree(second, changed, dirs_exist_ok=True)
        (changed / file).write_text(json.dumps({**read_json(changed / file), **changes}))
        with pytest.raises(InputError, match=message):
            merge_shards([first, changed], tmp_path / "merged", quiet())
    assert not (tmp_path / "merged").exists()


def test_a_folder_that_is_taken_away_while_results_are_copied_is_not_made_again(tmp_path, monkeypatch):
    shard, folder = tmp_path / "shard", tmp_path / "merged"
    (shard / RESULT_CACHE_DIR / "raw").mkdir(parents=True)
    write_json(shard / "run.json", {"schema": 1, "state": "finished", "attempts": [], "identity": {}})

    def take_away_and_copy(*arguments, **options):
        shutil.rmtree(folder)
        return copytree(*arguments, **options)

    copytree = shutil.copytree
    monkeypatch.setattr(shutil, "copytree", take_away_and_copy)
    with open_run(folder, RunIdentity({})) as run, pytest.raises(InputError, match="merged: was moved or del"):
        adopt_results(run, [shard])
    assert not folder.exists()


def test_more_shards_than_methods_are_rejected(tmp_path):
    run, config = RUNS["compare"]
    with pytest.raises(InputError, match="--shard 9/9: there are 4"):
        run(dataclasses.replace(config, shard="9/9"), tmp_path / "run", quiet())
    for wrong in ("0/2", "3/2", "2", "a/b"):
        with pytest.raises(InputError, match="expected I/N"):
            dataclasses.replace(config, shard=wrong)
