"""An exploration: what it measures agrees with the run, what it holds out stays out, and tables get one too."""

import dataclasses
import importlib.util
import io
import json
import re
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from aejax.config import DataConfig, ModelConfig, PretrainConfig, TrainConfig
from aejax.config.explore import ExploreConfig
from aejax.data.scalers import apply_scaler
from aejax.errors import InputError
from aejax.experiments.experiment import prepare_experiment
from aejax.experiments.explore import explore, make_analyses
from aejax.experiments.exploring.anomaly import (
    evaluate_held_out_class,
    experiment_without_class,
    retraining_config,
    select_held_out_classes,
)
from aejax.experiments.exploring.loaded_model import load_model, make_codec
from aejax.experiments.exploring.reconstruction import make_test_corruption
from aejax.experiments.pretrain import pretrain
from aejax.experiments.progress import SilentReporter
from aejax.methods import METHODS
from aejax.report.analysis_page import ANALYSIS_HEADINGS, render_analysis_page
from aejax.storage.atomic_io import read_json, write_json

DIGITS = PretrainConfig(
    data=DataConfig(dataset="digits"),
    method="denoising",
    model=ModelConfig(hidden=(16,), latent_dim=6),
    train=TrainConfig(epochs=4, batch_size=64),
    seeds=2,
)
SHORT = ExploreConfig(anomaly_class="3", anomaly_epochs=2)


def quiet():
    return Console(file=io.StringIO(), width=200)


def trained(folder, **changes):
    pretrain(dataclasses.replace(DIGITS, **changes), folder, quiet())
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs") / "digits")


@pytest.fixture(scope="module")
def explored(run):
    return explore(run, SHORT, run / "explore", quiet())


def check_whole(found, out):
    """Everything a reader may look for is there: each part or why not, each figure, each finite number."""
    assert found["parts"].keys() | found["skipped"].keys() == set(make_analyses(SilentReporter()))
    assert not found["parts"].keys() & found["skipped"].keys()
    shown = {file for part in found["parts"].values() for file in part["figures"]}
    assert shown == {path.name for path in out.glob("*.png")}
    assert json.loads((out / "explore.json").read_text()) == found
    page = (out / "explore.md").read_text()
    assert shown == set(re.findall(r"\]\((\w+\.png)\)", page))
    assert not {"nan", "inf"} & set(re.findall(r"\w+", page))
    assert "null" not in json.dumps(found["parts"]).replace('"diverged_epoch": null', "")


def test_an_exploration_holds_every_part_and_figure(run, explored):
    check_whole(explored, run / "explore")
    assert explored["skipped"].keys() == {"samples", "latent_grid"}
    assert explored["environment"]["seconds"] > 0


def test_its_errors_are_those_that_the_training_reported(run, explored):
    told = read_json(run / "results.json")["reconstruction_mse"]["per_seed"]
    part = explored["parts"]["reconstructions"]
    assert part["mse"]["per_seed"] == pytest.approx(told, rel=1e-4)
    assert part["psnr_db"]["per_seed"] == pytest.approx((-10 * np.log10(told)).tolist(), rel=1e-4)


def test_noise_is_as_strong_as_the_config_says(explored):
    part = explored["parts"]["denoising"]
    assert part["trained_to_undo_it"]
    assert part["psnr_before_db"]["mean"] == pytest.approx(-20 * np.log10(0.3), abs=0.1)
    assert part["pca"]["psnr_after_db"]["mean"] >= part["pca"]["at_code_width_db"]["mean"] - 0.1


def test_bytes_are_counted_from_units_and_bits(explored):
    stored = {(own["store"], own["bits_per_number"]): own for own in explored["parts"]["compression"]["stored"]}
    assert {bits: own["bytes_per_code"]["mean"] for (_, bits), own in stored.items()} == {32: 24, 8: 6, 4: 3}
    assert stored["all units", 8]["pca"]["components"] == [6, 6]
    assert stored["all units", 32]["psnr_db"]["mean"] > stored["all units", 4]["psnr_db"]["mean"]
    whole = explored["parts"]["reconstructions"]
    assert stored["all units", 32]["psnr_db"]["mean"] == pytest.approx(whole["psnr_db"]["mean"])
    assert stored["all units", 32]["pca"]["psnr_db"]["mean"] == pytest.approx(whole["pca"]["psnr_db"]["mean"], rel=1e-3)


def test_the_codec_is_the_opened_run_in_any_batches(run):
    subject = load_model(run, SHORT)
    rows = subject.split.test[:37]
    codec, images = subject.codec(1), subject.dataset.inputs[rows]
    codes = codec.encode(subject.scaled_inputs(rows, 1))
    np.testing.assert_allclose(codes, subject.pretrained.encode(images, seed=1), atol=1e-5)
    np.testing.assert_allclose(codec.decode(codes), subject.pretrained.decode(jnp.asarray(codes), seed=1), atol=1e-5)
    alone = np.concatenate([codec.encode(subject.scaled_inputs(rows[[index]], 1)) for index in range(3)])
    np.testing.assert_allclose(codes[:3], alone, atol=1e-5)


def test_before_the_last_activation_is_before_the_sigmoid(run):
    subject = load_model(run, SHORT)
    codes = subject.train_codes(0)[:5]
    logits = subject.preactivation_codec(0).decode(codes)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), subject.codec(0).decode(codes), atol=1e-5)


def test_no_row_of_the_held_out_class_is_trained_on_or_watched_and_no_other_is_lost(run):
    subject = load_model(run, SHORT)
    experiment = prepare_experiment(retraining_config(subject), subject.dataset, SilentReporter())
    own, labels = experiment_without_class(experiment, 3), subject.dataset.labels
    for role in ("train", "valid", "labelled_train", "labelled_valid"):
        kept, all_rows = getattr(own.split, role)[0], getattr(experiment.split, role)[0]
        assert set(kept) == {row for row in all_rows if labels[row] != 3}
    np.testing.assert_array_equal(own.split.test, experiment.split.test)
    np.testing.assert_array_equal(experiment.split.train[0], subject.split.train[0])  # seed 0's own rows otherwise


def test_what_the_held_out_class_looks_like_in_training_cannot_matter(run):
    """Its training rows, overwritten, change no score: neither by the weights nor by the scaler."""
    subject = load_model(run, SHORT)
    config = retraining_config(subject)
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, scaler="standard"),
        model=dataclasses.replace(config.model, output="linear"),
        objective=dataclasses.replace(config.objective, reconstruction="mse"),
    )
    dataset = subject.dataset
    changed = dataset.inputs.copy()
    rest = np.setdiff1d(np.arange(dataset.n_examples), subject.split.test)
    changed[rest[dataset.labels[rest] == 3]] = 16
    scores = []
    for inputs in (dataset.inputs, changed):
        experiment = prepare_experiment(config, dataclasses.replace(dataset, inputs=inputs), SilentReporter())
        found = evaluate_held_out_class(experiment, "denoising", METHODS["denoising"](experiment.problem), 3)
        assert found.is_anomalous.sum() == np.count_nonzero(dataset.labels[subject.split.test] == 3)
        scores.append(found.scores)
    for name in scores[0]:
        np.testing.assert_array_equal(scores[0][name], scores[1][name])


def test_the_class_to_hold_out_is_chosen_by_name():
    names = ("cat", "dog", "owl")
    assert select_held_out_classes(None, names) == [0]
    assert select_held_out_classes("owl", names) == [2]
    assert select_held_out_classes("all", names) == [0, 1, 2]
    assert select_held_out_classes("none", names) == []
    with pytest.raises(InputError, match="--anomaly-class cow: no such class; there are cat, dog, owl"):
        select_held_out_classes("cow", names)


def test_the_same_exploration_is_read_another_is_refused_and_overwritten_on_demand(run, explored, tmp_path):
    out = run / "explore"
    assert explore(run, SHORT, out, quiet()) == explored
    other = dataclasses.replace(SHORT, anomaly_class="none")
    with pytest.raises(InputError, match="other settings; give --overwrite"):
        explore(run, other, out, quiet())
    out = tmp_path / "again"
    explore(run, other, out, quiet())
    (out / "explore.json").unlink()
    (out / "stale.png").write_bytes(b"")
    found = explore(run, other, out, quiet())  # one that was not finished is made anew
    check_whole(found, out)
    assert found["skipped"]["anomaly_detection"].startswith("not asked for")


def test_a_folder_of_other_things_is_refused_and_left_alone(run, tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="holds other files and no run"):
        explore(run, SHORT, tmp_path, quiet())
    with pytest.raises(InputError, match="is a file"):
        explore(run, SHORT, tmp_path / "thesis.tex", quiet())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(("field", "message"), [("sha256", "other examples"), ("split_sha256", "the split differs")])
def test_a_run_of_other_data_is_refused(run, tmp_path, field, message):
    import shutil

    shutil.copytree(run, tmp_path / "copy")
    results = read_json(run / "results.json")
    results["dataset"][field] = "0" * 64
    write_json(tmp_path / "copy" / "results.json", results)
    with pytest.raises(InputError, match=message):
        load_model(tmp_path / "copy", SHORT)


def test_a_seed_that_the_run_does_not_have_is_refused(run):
    with pytest.raises(InputError, match="--seed 2: the run has seeds 0 to 1"):
        load_model(run, ExploreConfig(seed=2))


def test_a_variational_autoencoder_is_explored_by_its_posteriors_mean_whatever_its_code(tmp_path):
    run = trained(tmp_path / "run", method="vae", model=dataclasses.replace(DIGITS.model, latent_dim=2))
    subject = load_model(run, ExploreConfig(anomaly_class="none"))
    inputs = subject.test_inputs(1)
    mean = subject.pretrained.model.posterior(subject.pretrained.seed_variables(1), jnp.asarray(inputs)).mean
    for code in ("mean", "sample", "mean-and-deviation"):
        model = dataclasses.replace(subject.pretrained.model, posterior_code=code)
        np.testing.assert_allclose(
            make_codec(model, subject.pretrained.seed_variables(1)).encode(inputs), mean, atol=1e-5
        )
    found = explore(run, subject.config, tmp_path / "out", quiet())
    check_whole(found, tmp_path / "out")
    assert found["parts"]["latent_grid"]["units"] == [0, 1]
    assert found["parts"]["samples"]["kl_nats"] == pytest.approx(sum(found["parts"]["latent_grid"]["kl_nats"]))


def test_a_table_of_two_classes_is_explored_without_images(tmp_path):
    run = trained(tmp_path / "run", data=DataConfig(dataset="breast_cancer"), method="undercomplete")
    found = explore(run, ExploreConfig(anomaly_class="all", anomaly_epochs=2, seed=1), tmp_path / "out", quiet())
    check_whole(found, tmp_path / "out")
    classes = found["parts"]["anomaly_detection"]["classes"]
    assert [own["class"] for own in classes] == ["malignant", "benign"]
    assert not found["parts"]["denoising"]["trained_to_undo_it"]
    assert all(peak > 2 for peak in found["parts"]["reconstructions"]["peak"])


def test_images_of_two_channels_are_explored_as_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr("aejax.experiments.pretrain.draw_model", lambda *_: None)
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    images = (rng.random((120, 6, 5, 2)) * 60 + 60 * labels[:, None, None, None]).astype(np.uint8)
    np.savez(tmp_path / "two.npz", x=images, y=labels)
    run = trained(tmp_path / "run", data=DataConfig(dataset=str(tmp_path / "two.npz")), method="conv")
    found = explore(run, ExploreConfig(anomaly_class="none"), tmp_path / "out", quiet())
    check_whole(found, tmp_path / "out")
    assert "2 channels" in found["skipped"]["filters"]


@pytest.mark.parametrize("kind", ["masked", "stacked", "undercomplete"])
def test_examples_are_corrupted_as_the_kind_was_trained(run, kind):
    subject = load_model(run, SHORT)
    config = dataclasses.replace(subject.pretrained.config, method=kind)
    subject = dataclasses.replace(subject, pretrained=dataclasses.replace(subject.pretrained, config=config))
    corrupt, what, trained_to_undo_it = make_test_corruption(subject)
    test = subject.test_inputs(0)
    changed = np.asarray(corrupt(jax.random.key(0), jnp.asarray(test)).inputs) != test
    assert trained_to_undo_it == (kind == "masked")
    assert what.startswith({"masked": "50% of the patches", "stacked": "30%", "undercomplete": "Gaussian"}[kind])
    assert changed.any()


def test_every_part_has_its_heading_and_what_is_left_out_says_why(explored):
    assert set(ANALYSIS_HEADINGS) == set(make_analyses(SilentReporter()))
    page = render_analysis_page(
        {**explored, "parts": {}, "skipped": {name: f"why {name}" for name in ANALYSIS_HEADINGS}}
    )
    assert all(f"- {heading}: why {name}." in page for name, heading in ANALYSIS_HEADINGS.items())


def test_the_script_explores_beside_its_run(run, explored, monkeypatch, capsys):
    path = Path(__file__).parents[2] / "scripts" / "explore.py"
    spec = importlib.util.spec_from_file_location("explore_script", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "explore_script", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "configure_devices", lambda *_: None)
    module.main(["--run", str(run), "--anomaly-class", "3", "--anomaly-epochs", "2"])
    said = capsys.readouterr().out
    assert "holds this run already" in said
    assert "10 figures" in said
    with pytest.raises(InputError, match="--run: missing"):
        module.main([])


def test_inputs_are_scaled_as_their_seed_was_trained(tmp_path):
    run = trained(tmp_path / "run", data=DataConfig(dataset="wine"), method="undercomplete")
    subject = load_model(run, SHORT)
    for seed in (0, 1):
        np.testing.assert_allclose(subject.train_inputs(seed).mean(axis=0), 0, atol=1e-5)
        own = jax.tree.map(lambda leaf, seed=seed: leaf[seed], subject.pretrained.scaler)
        np.testing.assert_array_equal(
            subject.test_inputs(seed), apply_scaler(own, subject.dataset.inputs[subject.split.test])
        )
    assert not np.array_equal(subject.test_inputs(0), subject.test_inputs(1))
