"""An exported encoder equals that of its run, with the run's seeds, metrics and provenance."""

import dataclasses
import hashlib
import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from sklearn.datasets import load_wine

import aejax
from aejax.config import (
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    PretrainConfig,
    TrainConfig,
    from_dict,
    to_dict,
)
from aejax.config.experiment import ExportConfig
from aejax.errors import InputError
from aejax.experiments.export import describe_seeds, export, select_epoch, select_seeds
from aejax.experiments.pretrain import pretrain
from aejax.experiments.pretrained import BEST_WEIGHTS, load_pretrained
from aejax.storage.atomic_io import read_json, write_json
from aejax.storage.encoder_metadata import EncoderMetadata, EncoderMetrics
from aejax.storage.results_file import read_results, write_results
from tests.consoles import quiet

WINE = PretrainConfig(
    data=DataConfig(dataset="wine", scaler="standard"),
    method="undercomplete",
    model=ModelConfig(hidden=(8,), latent_dim=3, batch_norm=True),
    optimizer=OptimizerConfig(learning_rate=0.2),  # so that the best epoch is not the last
    train=TrainConfig(epochs=6, batch_size=32),
    seeds=3,
)
ARRAYS = ("orbax", "safetensors")
FIXTURES = Path(__file__).parents[1] / "fixtures" / "version-0.1.0"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "wine"
    pretrain(WINE, folder, quiet())
    return folder


@pytest.fixture(scope="module")
def raw():
    return load_wine().data.astype(np.float32)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * max(1.0, np.abs(expected).max()))


def changed_copy(run, folder, **settings):
    """A copy of a run with other settings."""
    copy = shutil.copytree(run, folder)
    results = json.loads((run / "results.json").read_text())
    config = {**results["config"], **settings}
    (copy / "config.json").write_text(json.dumps(config))
    write_results(copy / "results.json", {**results, "config": config})
    return copy


def epochs_by_seed(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [[row for row in rows if row["seed"] == seed] for seed in range(3)]


@pytest.mark.parametrize("weights", ["last", "best"])
def test_encoder_and_metrics_equal_those_of_the_run(run, raw, tmp_path, weights):
    made = export(run, tmp_path / "encoder", ExportConfig(weights=weights, formats=ARRAYS))
    (seed,) = made.metadata.seeds
    losses = [[row["valid_loss"] for row in rows] for rows in epochs_by_seed(run)]
    of_each = [own[-1] if weights == "last" else min(own) for own in losses]
    assert seed == int(np.argmin(of_each))
    assert made.metadata.metrics.valid_loss == (min(of_each),)
    assert made.metadata.metrics.epoch == (losses[seed].index(min(of_each)) + 1,)
    results = json.loads((run / "results.json").read_text())
    tested = results["reconstruction_mse"]["per_seed"][seed] if weights == "last" else None
    assert made.metadata.metrics.test_reconstruction_mse == (tested,)
    assert made.metadata.origin.dataset_sha256 == results["dataset"]["sha256"]

    pretrained = load_pretrained(run, BEST_WEIGHTS if weights == "best" else "checkpoint")
    encode = aejax.load_encoder(tmp_path / "encoder", sha256=made.manifest_sha256)
    assert encode.variables.keys() == {"params", "batch_stats", "scaler"}
    assert encode.variables["params"].keys() == {"hidden", "code"}  # and nothing of the decoder
    close(encode(raw), pretrained.encode(raw, seed))
    assert made.manifest_sha256 == hashlib.sha256((tmp_path / "encoder" / "manifest.json").read_bytes()).hexdigest()


def test_stacked_seeds_contain_each_single_seed(run, raw, tmp_path):
    made = export(run, tmp_path / "all", ExportConfig(seed="all", formats=("orbax",)))
    written = json.loads((tmp_path / "all" / "encoder.json").read_text())
    assert from_dict(EncoderMetadata, written) == made.metadata
    assert json.loads(json.dumps(to_dict(made.metadata))) == written
    assert len(written["preprocessing"]["shift"]) == 3
    export(run, tmp_path / "one", ExportConfig(seed="1", formats=("safetensors",)))
    pretrained = load_pretrained(run)
    stacked, one = aejax.load_encoder(tmp_path / "all"), aejax.load_encoder(tmp_path / "one")
    assert stacked.seeds == (0, 1, 2)
    codes = stacked(raw)
    for seed in range(3):
        close(codes[seed], pretrained.encode(raw, seed))
    close(one(raw), codes[1])
    jax.tree.map(np.testing.assert_array_equal, one.variables, stacked.select_seed(1).variables)


def metrics_of(train_loss, valid_loss, diverged):
    none = (None,) * len(diverged)
    return EncoderMetrics(
        epoch=(1,) * len(diverged),
        train_loss=tuple(train_loss),
        valid_loss=tuple(valid_loss),
        test_reconstruction_mse=none,
        test_explained_variance=none,
        diverged_epoch=tuple(diverged),
    )


@pytest.mark.parametrize(
    ("selection", "losses", "diverged", "expected"),
    [
        ("best", [3.0, 1.0, 2.0], [None, None, None], (1,)),
        ("best", [3.0, 1.0, 2.0], [None, 2, None], (2,)),
        ("best", [3.0, None, None], [None, None, None], (0,)),
        ("all", [3.0, 1.0, 2.0], [None, 2, None], (0, 1, 2)),
        ("1", [3.0, 1.0, 2.0], [None, 2, None], (1,)),
    ],
)
def test_select_seeds(selection, losses, diverged, expected):
    assert select_seeds(selection, metrics_of([0.0] * 3, losses, diverged)) == expected
    assert select_seeds(selection, metrics_of(losses, [None] * 3, diverged)) == expected


VALID_LOSS = np.array([1.0, 2.0, 5.0, 3.0, 4.0])


@pytest.mark.parametrize(
    ("first", "diverged", "expected"),
    [(None, None, 5), (None, 4, 3), (None, 1, 0), (0, None, 1), (2, None, 4), (2, 4, 3), (2, 3, 2), (2, 1, 0)],
)
def test_the_epoch_of_weights_is_before_a_seed_diverged_and_the_best_after_layer_wise_stages(first, diverged, expected):
    valid_loss = np.where(np.arange(1, 6) >= (diverged or 6), np.nan, VALID_LOSS)
    assert select_epoch(valid_loss, diverged, first) == expected
    assert select_epoch(np.full(5, np.nan), diverged, first) == (diverged or 6) - 1


def test_the_best_epoch_of_a_stacked_run_is_of_its_training_end_to_end(run):
    pretrained = load_pretrained(run)
    model = dataclasses.replace(pretrained.config.model, hidden=(4,), decoder_hidden=None, batch_norm=False)
    objective = dataclasses.replace(pretrained.config.objective, layer_epochs=1)
    config = dataclasses.replace(pretrained.config, method="stacked", model=model, objective=objective)
    losses = {name: np.tile(VALID_LOSS, (3, 1)) for name in ("train_loss", "valid_loss")}
    metrics = describe_seeds(dataclasses.replace(pretrained, config=config), losses, "best")
    assert metrics.epoch == (4,) * 3  # after two stages of one


def test_nothing_is_chosen_by_the_losses_of_test_rows(run, tmp_path):
    copy = changed_copy(run, tmp_path / "run", monitor="test")
    made = export(copy, tmp_path / "encoder", ExportConfig(formats=("orbax",)))
    losses = [rows[-1]["train_loss"] for rows in epochs_by_seed(run)]
    assert made.metadata.seeds == (int(np.argmin(losses)),)
    assert made.metadata.metrics.valid_loss == (None,)
    with pytest.raises(InputError, match="--weights best: the run has --monitor test"):
        export(copy, tmp_path / "best", ExportConfig(weights="best", formats=("orbax",)))


def test_a_run_of_a_registered_kind_needs_its_plugin(run, tmp_path, load_script):
    copy = changed_copy(run, tmp_path / "run", method="twin")
    (copy / "metrics.jsonl").write_text((run / "metrics.jsonl").read_text().replace("undercomplete", "twin"))
    command = ["--run", str(copy), "--out", str(tmp_path / "encoder"), "--formats", "orbax"]
    with pytest.raises(InputError, match="twin: no kind of this name is registered; register it first, by --plugin"):
        load_script("export")(command)
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "import aejax\nfrom aejax.autoencoders.deterministic import undercomplete\n"
        "aejax.register('twin', lambda problem: undercomplete(problem))\n"
    )
    load_script("export")([*command, "--plugin", str(plugin)])
    assert aejax.load_encoder(tmp_path / "encoder").metadata.kind == "twin"


def test_unknown_seeds_and_diverged_runs_are_rejected():
    with pytest.raises(InputError, match=r"--seed 3: the run has seeds 0 to 2"):
        select_seeds("3", metrics_of([1.0] * 3, [None] * 3, [None] * 3))
    with pytest.raises(InputError, match="every seed of the run diverged"):
        select_seeds("best", metrics_of([1.0] * 2, [None] * 2, [1, 4]))
    for wrong in ("worst", "-1", "", "1.5", "²"):
        with pytest.raises(InputError, match="expected best, all or a seed's number"):
            ExportConfig(seed=wrong)


def test_diverged_seed_is_exported_with_a_note(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    results = json.loads((run / "results.json").read_text())
    write_results(copy / "results.json", {**results, "diverged_epoch": [None, 3, None]})
    made = export(copy, tmp_path / "encoder", ExportConfig(seed="1", formats=("orbax",)))
    assert made.notes == ("seed 1 diverged in epoch 3; its weights are the last that were finite",)
    assert made.metadata.metrics.epoch == (2,)
    assert "Seed 1 diverged in epoch 3" in (tmp_path / "encoder" / "README.md").read_text()


def test_encoder_is_replaced_only_on_request_and_after_success(run, tmp_path, monkeypatch):
    out = tmp_path / "encoder"
    first = export(run, out, ExportConfig(seed="0", formats=("orbax",)))
    with pytest.raises(InputError, match="holds an encoder already; give --overwrite"):
        export(run, out, ExportConfig(formats=("orbax",)))

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("aejax.storage.export.write_metadata", fail)
        with pytest.raises(InputError, match="No space left on device"):
            export(run, out, ExportConfig(seed="1", formats=("orbax",)), overwrite=True)
    assert aejax.load_encoder(out, sha256=first.manifest_sha256).seeds == (0,)
    export(run, out, ExportConfig(seed="1", formats=("orbax",)), overwrite=True)
    assert aejax.load_encoder(out).seeds == (1,)
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]


@pytest.mark.parametrize(("name", "package"), [("safetensors", "safetensors"), ("stablehlo", "flatbuffers")])
def test_format_with_missing_package_is_rejected_first(tmp_path, monkeypatch, name, package):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if module == package else find_spec(module))
    with pytest.raises(InputError, match=rf"--formats {name}: needs the package {package}, .*'aejax\[export\]'"):
        export(tmp_path / "no run", tmp_path / "encoder", ExportConfig())


def test_formats_are_distinct_and_nonempty():
    with pytest.raises(InputError, match="each format once"):
        ExportConfig(formats=("orbax", "orbax"))
    with pytest.raises(InputError, match="at least one"):
        ExportConfig(formats=())


def test_script_prints_the_digest_that_verifies_the_encoder(run, tmp_path, monkeypatch, capsys, load_script):
    main = load_script("export")
    monkeypatch.setattr(sys, "argv", ["scripts/export.py"])
    out = tmp_path / "encoder"
    main(["--run", str(run), "--out", str(out), "--seed", "2", "--formats", "orbax"])
    (digest,) = re.findall(r"SHA-256 of its manifest.json: ([0-9a-f]{64})\n", capsys.readouterr().out)
    assert aejax.load_encoder(out, sha256=digest).seeds == (2,)
    for missing in (["--run", str(run)], ["--out", str(out)]):
        with pytest.raises(InputError, match="missing; give a folder"):
            main(missing)


def test_damaged_metrics_are_rejected(run, tmp_path):
    copy, text = shutil.copytree(run, tmp_path / "run"), (run / "metrics.jsonl").read_text()
    for damaged in (
        text[:-20],
        text.replace('"train_loss"', '"trein_loss"'),
        text.replace('"train_loss": ', '"train_loss": "a", "was": '),
        text.replace('"epoch": ', '"epoch": null, "was": '),
    ):
        (copy / "metrics.jsonl").write_text(damaged)
        with pytest.raises(InputError, match=r"metrics\.jsonl: is damaged"):
            export(copy, tmp_path / "encoder", ExportConfig(formats=("orbax",)))


@pytest.mark.parametrize("other", ["pretrain", "compare", "weights", "data"])
def test_the_card_shows_a_probe_of_the_exported_weights_alone(tmp_path, other):
    probe, settings = tmp_path / "probe", ExportConfig(formats=("orbax",))
    shutil.copytree(FIXTURES / (other if other in ("pretrain", "compare") else "probe"), probe)
    if other == "weights":
        write_json(probe / "run.json", {**read_json(probe / "run.json"), "identity": {"weights": "of another run"}})
    elif other == "data":
        results = read_results(probe / "results.json")
        write_results(probe / "results.json", {**results, "dataset": {**results["dataset"], "sha256": "another"}})
    with pytest.raises(
        InputError, match=r"--probe .*: is not a probe of the last weights of .*pretrain; give a folder"
    ):
        export(FIXTURES / "pretrain", tmp_path / "encoder", settings, probe=probe)
    assert not (tmp_path / "encoder").exists()
    export(FIXTURES / "pretrain", tmp_path / "encoder", settings, probe=FIXTURES / "probe")
    assert "A linear probe classifies these codes" in (tmp_path / "encoder" / "README.md").read_text()
