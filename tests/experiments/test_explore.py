"""Explorations agree with the training run, keep held-out classes out of training, and handle tables."""

import dataclasses
import json
import re
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.config import DataConfig, ModelConfig, ObjectiveConfig, PretrainConfig, TrainConfig
from aejax.config.experiment import ExploreConfig
from aejax.data.scalers import apply_scaler, fit_scalers
from aejax.errors import InputError
from aejax.experiments.experiment import prepare_experiment
from aejax.experiments.explore import explore
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
from aejax.report.analysis_page import ANALYSIS_HEADINGS
from aejax.storage.atomic_io import read_json
from aejax.storage.results_file import read_results, write_results
from tests.consoles import quiet

DIGITS = PretrainConfig(
    data=DataConfig(dataset="digits"),
    method="denoising",
    model=ModelConfig(hidden=(16,), latent_dim=6),
    objective=ObjectiveConfig(noise_std=0.3),
    train=TrainConfig(epochs=3, batch_size=64),
    seeds=2,
)
SHORT = ExploreConfig(anomaly_class="3", anomaly_epochs=1)


def trained(folder, **changes):
    pretrain(dataclasses.replace(DIGITS, **changes), folder, quiet())
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs") / "digits")


@pytest.fixture(scope="module")
def model(run):
    return load_model(run, SHORT)


@pytest.fixture(scope="module")
def explored(run):
    return explore(run, SHORT, run / "explore", quiet())


def check_complete(results, out):
    """Asserts that every analysis has results or a reason, and that every figure and number is on the page."""
    assert results["parts"].keys() | results["skipped"].keys() == ANALYSIS_HEADINGS.keys()
    assert not results["parts"].keys() & results["skipped"].keys()
    shown = {file for part in results["parts"].values() for file in part["figures"]}
    assert shown == {path.name for path in out.glob("*.png")}
    assert read_results(out / "explore.json") == results
    page = (out / "explore.md").read_text()
    assert shown == set(re.findall(r"\]\((\w+\.png)\)", page))
    assert not {"nan", "inf"} & set(re.findall(r"\w+", page))
    assert "null" not in json.dumps(results["parts"]).replace('"diverged_epoch": null', "")


def test_exploration_holds_every_analysis_and_figure(run, explored):
    check_complete(explored, run / "explore")
    assert explored["skipped"].keys() == {"samples", "latent_grid"}
    assert explored["environment"]["seconds"] > 0


def test_reconstruction_errors_equal_those_of_the_training_run(run, explored):
    reported = read_json(run / "results.json")["reconstruction_mse"]["per_seed"]
    part = explored["parts"]["reconstructions"]
    assert part["mse"]["per_seed"] == pytest.approx(reported, rel=1e-4)
    assert part["psnr_db"]["per_seed"] == pytest.approx((-10 * np.log10(reported)).tolist(), rel=1e-4)


def test_noise_has_the_configured_strength(explored):
    part = explored["parts"]["denoising"]
    assert part["trained_to_undo_it"]
    assert part["psnr_before_db"]["mean"] == pytest.approx(-20 * np.log10(0.3), abs=0.1)
    assert part["pca"]["psnr_after_db"]["mean"] >= part["pca"]["at_code_width_db"]["mean"] - 0.1


def test_code_size_follows_from_units_and_bits(explored):
    stored = {(own["store"], own["bits_per_number"]): own for own in explored["parts"]["compression"]["stored"]}
    assert {bits: own["bytes_per_code"]["mean"] for (_, bits), own in stored.items()} == {32: 24, 8: 6, 4: 3}
    assert stored["all units", 8]["pca"]["components"] == [6, 6]
    assert stored["all units", 32]["psnr_db"]["mean"] > stored["all units", 4]["psnr_db"]["mean"]
    whole = explored["parts"]["reconstructions"]
    assert stored["all units", 32]["psnr_db"]["mean"] == pytest.approx(whole["psnr_db"]["mean"])
    assert stored["all units", 32]["pca"]["psnr_db"]["mean"] == pytest.approx(whole["pca"]["psnr_db"]["mean"], rel=1e-3)


def test_codec_equals_the_pretrained_model_for_any_batch_size(model):
    rows = model.split.test[0][:37]
    view, images = model.view(1), model.dataset.inputs[rows]
    codec, codes = view.codec, view.codec.encode(view.scaled_inputs(rows))
    np.testing.assert_allclose(codes, model.pretrained.encode(images, seed=1), atol=1e-5)
    np.testing.assert_allclose(codec.decode(codes), model.pretrained.decode(jnp.asarray(codes), seed=1), atol=1e-5)
    alone = np.concatenate([codec.encode(view.scaled_inputs(rows[[index]])) for index in range(3)])
    np.testing.assert_allclose(codes[:3], alone, atol=1e-5)


def test_preactivation_codec_returns_logits(model):
    view = model.view(0)
    codes = view.train_codes[:5]
    logits = view.preactivation_codec().decode(codes)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), view.codec.decode(codes), atol=1e-5)


def test_only_rows_of_the_held_out_class_are_dropped(model):
    experiment = prepare_experiment(retraining_config(model), model.dataset, SilentReporter())
    own, labels = experiment_without_class(experiment, 3), model.dataset.labels
    for role in ("train", "valid", "labelled_train", "labelled_valid"):
        kept, all_rows = getattr(own.split, role)[0], getattr(experiment.split, role)[0]
        assert set(kept) == {row for row in all_rows if labels[row] != 3}
    np.testing.assert_array_equal(own.split.test[0], experiment.split.test[0])
    np.testing.assert_array_equal(experiment.split.train[0], model.split.train[0])  # seed 0's own rows otherwise


def test_training_rows_of_the_held_out_class_change_no_score(model):
    """Neither the weights nor the scaler depend on them."""
    config = retraining_config(model)
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, scaler="standard"),
        model=dataclasses.replace(config.model, output="linear"),
        objective=dataclasses.replace(config.objective, reconstruction="mse"),
    )
    dataset = model.dataset
    changed = dataset.inputs.copy()
    rest = np.setdiff1d(np.arange(dataset.n_examples), model.split.test[0])
    changed[rest[dataset.labels[rest] == 3]] = 16
    scores = []
    for inputs in (dataset.inputs, changed):
        experiment = prepare_experiment(config, dataclasses.replace(dataset, inputs=inputs), SilentReporter())
        result = evaluate_held_out_class(experiment, "denoising", 3)
        assert result.is_anomalous.sum() == np.count_nonzero(dataset.labels[model.split.test[0]] == 3)
        scores.append(result.scores)
    for name in scores[0]:
        np.testing.assert_array_equal(scores[0][name], scores[1][name])


def test_held_out_class_is_selected_by_name():
    names = ("cat", "dog", "owl")
    assert select_held_out_classes(None, names) == [0]
    assert select_held_out_classes("owl", names) == [2]
    assert select_held_out_classes("all", names) == [0, 1, 2]
    assert select_held_out_classes("none", names) == []
    with pytest.raises(InputError, match="--anomaly-class cow: no such class; there are cat, dog, owl"):
        select_held_out_classes("cow", names)


def test_finished_exploration_is_loaded_and_other_settings_are_rejected(run, explored):
    out = run / "explore"
    assert explore(run, SHORT, out, quiet()) == explored
    with pytest.raises(InputError, match=r"holds another run \(anomaly_class .* there, none here\); give --overwrite"):
        explore(run, dataclasses.replace(SHORT, anomaly_class="none"), out, quiet())


def test_more_epochs_than_memory_holds_are_rejected_before_anything_is_written(run, tmp_path):
    with pytest.raises(InputError, match="--anomaly-epochs: histories of 10"):
        explore(run, dataclasses.replace(SHORT, anomaly_epochs=10**12), tmp_path / "out", quiet())
    assert not (tmp_path / "out").exists()


def test_run_with_another_split_is_rejected(run, tmp_path):
    shutil.copytree(run, tmp_path / "copy")
    results = read_json(run / "results.json")
    results["dataset"]["split_sha256"] = "0" * 64
    write_results(tmp_path / "copy" / "results.json", results)
    with pytest.raises(InputError, match="the split differs"):
        load_model(tmp_path / "copy", SHORT)


def test_unknown_seed_is_rejected(run):
    with pytest.raises(InputError, match="--seed 2: the run has seeds 0 to 1"):
        load_model(run, ExploreConfig(seed=2))


@pytest.mark.slow
def test_variational_code_is_the_posterior_mean(tmp_path):
    run = trained(tmp_path / "run", method="vae", model=dataclasses.replace(DIGITS.model, latent_dim=2))
    model = load_model(run, ExploreConfig(anomaly_class="none"))
    view = model.view(1)
    inputs = view.test_inputs
    mean = model.pretrained.model.posterior(view.variables, jnp.asarray(inputs)).mean
    for code in ("mean", "sample", "mean-and-deviation"):
        autoencoder = dataclasses.replace(model.pretrained.model, posterior_code=code)
        np.testing.assert_allclose(make_codec(autoencoder, view.variables).encode(inputs), mean, atol=1e-5)
    results = explore(run, model.config, tmp_path / "out", quiet())
    check_complete(results, tmp_path / "out")
    assert results["parts"]["latent_grid"]["units"] == [0, 1]
    assert results["parts"]["samples"]["kl_nats"] == pytest.approx(sum(results["parts"]["latent_grid"]["kl_nats"]))


@pytest.mark.slow
def test_table_is_explored_without_images(tmp_path):
    run = trained(tmp_path / "run", data=DataConfig(dataset="breast_cancer"), method="undercomplete")
    config = ExploreConfig(anomaly_class="all", anomaly_epochs=1, seed=1)
    results = explore(run, config, tmp_path / "out", quiet())
    check_complete(results, tmp_path / "out")
    classes = results["parts"]["anomaly_detection"]["classes"]
    assert [entry["class"] for entry in classes] == ["malignant", "benign"]
    assert not results["parts"]["denoising"]["trained_to_undo_it"]
    assert all(peak > 2 for peak in results["parts"]["reconstructions"]["peak"])


def test_inputs_are_scaled_as_in_the_training_of_their_seed(model):
    scaler = fit_scalers("standard", model.dataset, model.split.train)
    model = dataclasses.replace(model, pretrained=dataclasses.replace(model.pretrained, scaler=scaler))
    for view in model.views():
        train = view.scaled_inputs(model.split.train[view.seed])
        np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-5)
        of_seed = jax.tree.map(lambda leaf, seed=view.seed: leaf[seed], scaler)
        flat = model.dataset.inputs[view.test_rows].reshape(len(view.test_rows), -1)
        np.testing.assert_array_equal(view.test_inputs, apply_scaler(of_seed, flat))
    assert not np.array_equal(model.view(0).test_inputs, model.view(1).test_inputs)


@pytest.mark.slow
def test_two_channel_images_are_explored_as_vectors(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    images = (rng.random((120, 6, 5, 2)) * 60 + 60 * labels[:, None, None, None]).astype(np.uint8)
    np.savez(tmp_path / "two.npz", x=images, y=labels)
    run = trained(tmp_path / "run", data=DataConfig(dataset=str(tmp_path / "two.npz")), method="conv")
    results = explore(run, ExploreConfig(anomaly_class="none"), tmp_path / "out", quiet())
    check_complete(results, tmp_path / "out")
    assert "2 channels" in results["skipped"]["filters"]


@pytest.mark.parametrize("kind", ["masked", "stacked", "undercomplete"])
def test_corruption_matches_the_kind(model, kind):
    config = dataclasses.replace(model.pretrained.config, method=kind)
    model = dataclasses.replace(model, pretrained=dataclasses.replace(model.pretrained, config=config))
    corrupt, what, trained_to_undo_it = make_test_corruption(model)
    test = model.view(0).test_inputs
    changed = np.asarray(corrupt(jax.random.key(0), jnp.asarray(test)).inputs) != test
    assert trained_to_undo_it == (kind == "masked")
    assert what.startswith({"masked": "50% of the patches", "stacked": "30%", "undercomplete": "Gaussian"}[kind])
    assert changed.any()


def test_script_writes_into_the_run_folder(run, explored, capsys, load_script):
    main = load_script("explore")
    main(["--run", str(run), "--anomaly-class", "3", "--anomaly-epochs", "1", "--out", str(run / "explore")])
    output = capsys.readouterr().out
    assert "holds this run already" in output
    assert "10 figures" in output
    with pytest.raises(InputError, match="--run: missing"):
        main([])
