"""A pretraining run, opened again and classified with."""

import json
import shutil

import jax
import numpy as np
import pytest
from preparing import configure

from aejax.config import DataConfig, PretrainConfig, ProbeRunConfig
from aejax.data.registry import load_dataset
from aejax.errors import InputError
from aejax.experiments.pretrain import pretrain
from aejax.experiments.pretrained import load_pretrained
from aejax.experiments.probe_run import _prepare_probe, probe_run
from aejax.experiments.progress import SilentReporter
from aejax.recipes import RECIPES, get_recipe
from aejax.storage.atomic_io import read_json, write_json
from tests.consoles import quiet

MODEL = {"hidden": (16,), "latent_dim": 4, "batch_norm": True}
SMALL = configure(PretrainConfig(), dataset="digits", **MODEL, epochs=20, batch_size=64, seeds=3)
# Ridge regression compiles fastest; the head is trained as usual.
BY_RIDGE = configure(ProbeRunConfig(), probe="ridge")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "digits"
    pretrain(SMALL, out, quiet())
    return out


def test_the_loss_falls_for_every_seed(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for seed in range(SMALL.seeds):
        losses = [row["valid_loss"] for row in rows if row["seed"] == seed]
        assert len(losses) == SMALL.train.epochs
        assert losses[-1] < losses[0]


def test_encoder_and_decoder_work_apart_on_raw_inputs(run):
    opened = load_pretrained(run)
    digits = load_dataset(DataConfig(dataset="digits"))
    images = digits.inputs[:5]
    codes = opened.encode(images, seed=2)
    assert codes.shape == (5, 4)
    recon = opened.decode(codes, seed=2)
    assert recon.shape == (5, 64)
    error = np.mean((np.asarray(recon) - images.reshape(5, -1) / 16) ** 2)
    assert error < 0.6 * np.var(digits.inputs / 16)


def test_the_opened_encoder_is_jittable_and_differentiable(run):
    opened = load_pretrained(run)
    images = np.ones((2, 8, 8, 1), np.float32)
    np.testing.assert_allclose(jax.jit(opened.encode)(images), opened.encode(images), atol=1e-6)
    gradient = jax.grad(lambda x: opened.encode(x).sum())(images)
    assert np.abs(gradient).max() > 0


def test_probe_and_head_classify_far_above_chance_with_the_loaded_encoder(run, tmp_path):
    config = configure(BY_RIDGE, head_epochs=15, head_learning_rate=0.01)
    results = probe_run(run, config, tmp_path / "probe", quiet())
    probe, head = results["methods"]
    assert probe["name"] == "undercomplete"
    assert head["name"] == "undercomplete + head"
    assert head["probe"] is None
    for method in (probe, head):
        assert method["test_accuracy"]["mean"] > 0.4  # chance is 0.1
    prediction = results["prediction"]
    assert 0 < prediction["probability"] <= 1
    assert prediction["label"] in {str(digit) for digit in range(10)}


def test_a_probe_has_labels_of_its_own(run, tmp_path):
    opened = load_pretrained(run)
    assert opened.config.split.labels_per_class is None
    dataset = load_dataset(opened.config.data)
    experiment = _prepare_probe(opened, dataset, ProbeRunConfig(labels_per_class=5), SilentReporter())
    assert (experiment.split.labelled_train.shape[1], experiment.split.labelled_valid.shape[1]) == (40, 10)
    config = configure(BY_RIDGE, labels_per_class=5, class_imbalance=2.5, label_noise=0.5)
    dataset = probe_run(run, config, tmp_path / "probe", quiet())["dataset"]
    assert dataset["labelled_class_counts"] == [5, 5, 4, 4, 3, 3, 3, 2, 2, 2]
    assert 0.2 < np.mean(dataset["wrong_labels"]) < 0.8
    with pytest.raises(InputError, match=r"--labels-per-class 5: cannot be combined .* 0\.5; give one"):
        ProbeRunConfig(labels_per_class=5, label_fraction=0.5)


def test_a_config_that_does_not_match_the_checkpoint_is_rejected_with_the_leafs_path(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    config = read_json(copy / "config.json")
    config["model"]["latent_dim"] = 5
    write_json(copy / "config.json", config)
    with pytest.raises(InputError, match=r"checkpoint: params\..*kernel is float32\[.*do not belong together"):
        load_pretrained(copy)


def test_a_folder_that_is_no_pretraining_run_is_rejected(tmp_path):
    with pytest.raises(InputError, match="no such folder; give --run a folder that aejax pretrain made"):
        load_pretrained(tmp_path / "nothing")
    write_json(tmp_path / "results.json", {"schema": 1, "kind": "another"})
    with pytest.raises(InputError, match="not a pretraining run"):
        load_pretrained(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains_and_is_probed(name, request, tmp_path):
    """Of MNIST on the first thousand digits: the recipes at full size are the scripts' business."""
    from aejax.data.mnist import load_mnist

    config, n_train, accuracy = configure(get_recipe(name), epochs=3, seeds=2), 670, 0.7
    if name != "tutorial-tabular":
        digits, n_train, accuracy = load_mnist(request.getfixturevalue("mnist_folder")), 1000, 0.15
        train, test = slice(0, n_train), slice(60000, 60200)
        arrays = {"x_train": digits.inputs[train], "y_train": digits.labels[train]}
        np.savez(tmp_path / "few.npz", **arrays, x_test=digits.inputs[test], y_test=digits.labels[test])
        config = configure(config, dataset=tmp_path / "few.npz")
    pretrain(config, tmp_path / "run", quiet())
    history = read_json(tmp_path / "run" / "results.json")["history"]
    assert history["train_loss"][2] < history["train_loss"][0]
    results = probe_run(tmp_path / "run", BY_RIDGE, tmp_path / "probe", quiet())
    assert results["methods"][0]["test_accuracy"]["mean"] > accuracy
    assert results["dataset"]["n_train"] == n_train
