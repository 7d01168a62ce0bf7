"""The examples: one file that trains and compares, features from elsewhere, and activations of a network."""

import functools
import importlib.util
from pathlib import Path

import example
import jax
import numpy as np
import optax
import pytest
from sklearn.linear_model import LogisticRegression

import aejax
from aejax.config import DataConfig
from aejax.data.registry import load_dataset


def load_example(name):
    path = Path(__file__).parents[1] / "scripts" / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_freezes_the_encoder_and_ranks_the_three_features(capsys, monkeypatch):
    monkeypatch.setattr(example, "SEEDS", 3)
    monkeypatch.setattr(example, "EPOCHS", 20)
    example.main()
    lines = [line for line in capsys.readouterr().out.splitlines() if "%" in line]
    accuracy = {name.strip(): float(rest.split()[0]) for name, rest in (line.split(":") for line in lines)}
    assert accuracy["autoencoder"] > accuracy["untrained encoder"] + 5
    assert accuracy["raw pixels"] > 90


def test_freeze_leaves_the_frozen_part_unchanged_to_the_bit_and_moves_the_rest():
    params = {"encoder": {"kernel": np.ones((3, 2), np.float32)}, "head": {"bias": np.ones(2, np.float32)}}
    optimizer = example.freeze(optax.adamw(0.1, weight_decay=1.0), "encoder")
    updates, _ = optimizer.update(jax.tree.map(np.ones_like, params), optimizer.init(params), params)
    np.testing.assert_array_equal(updates["encoder"]["kernel"], 0)
    assert (np.asarray(updates["head"]["bias"]) < 0).all()


def test_features_do_not_depend_on_rows_outside_training():
    pytest.importorskip("torch")
    peer = load_example("peer_features")
    train = np.arange(40)
    images = np.random.default_rng(0).random((60, 8, 8), np.float32)
    changed = images.copy()
    changed[40:] = 0
    fits = {
        (60, 64): functools.partial(peer.fit_autoencoder, epochs=1),
        (60, 512): functools.partial(peer.fit_patches, size=3),
    }
    for shape, fit in fits.items():
        features = fit(images, train)
        assert features.shape == shape
        np.testing.assert_array_equal(features[train], fit(changed, train)[train])
        assert (features[train[0]] != fit(changed, np.arange(60))[train[0]]).any()


@pytest.fixture(scope="module")
def activations():
    module = load_example("activations")
    module.ROWS_PER_WRITE = 500  # several batches
    return module


@pytest.fixture(scope="module")
def folder(activations, tmp_path_factory):
    out = tmp_path_factory.mktemp("examples") / "activations"
    activations.main(out, dataset="digits", width=24, epochs=15)
    return out


def test_activations_are_those_of_rows_outside_training_and_tell_classes_apart(folder):
    values, labels = np.load(folder / "inputs.npy"), np.load(folder / "labels.npy")
    digits = load_dataset(DataConfig(dataset="digits"))
    order = np.random.default_rng(0).permutation(len(digits.labels))
    np.testing.assert_array_equal(labels, digits.labels[order[599:]])
    assert values.shape == (1198, 24)
    assert values.min() == 0  # after a ReLU
    model = LogisticRegression(max_iter=2000).fit(values[:600], labels[:600])
    assert model.score(values[600:], labels[600:]) > 0.85


def test_written_activations_are_the_forward_pass_in_numpy(activations, tmp_path):
    pixels, labels = np.random.default_rng(0).random((1100, 6), np.float32), np.arange(1100) % 3
    network = activations.Network(5, 3)
    params = activations.train(network, pixels, labels, epochs=1)
    activations.write_activations(network, params, pixels, labels, tmp_path)
    hidden = pixels
    for layer in ("Dense_0", "Dense_1"):
        weights = params["params"][layer]
        hidden = np.maximum(hidden @ np.asarray(weights["kernel"]) + np.asarray(weights["bias"]), 0)
    np.testing.assert_allclose(np.load(tmp_path / "inputs.npy"), hidden, atol=1e-6)


def test_the_folder_is_a_dataset_in_memory_and_a_stream(folder):
    whole = aejax.load_dataset(str(folder))
    assert (whole.inputs.shape, whole.n_classes) == ((1198, 24), 10)
    sample = load_dataset(DataConfig(dataset=str(folder), stream=True, stream_sample=100))
    assert (sample.n_examples, sample.stream.n_train) == (100, 1098)
    np.testing.assert_array_equal(sample.inputs, whole.inputs[sample.stream.held_out_rows])


def test_half_precision_is_read_as_float32(folder, tmp_path):
    halves = np.load(folder / "inputs.npy").astype(np.float16)
    np.save(tmp_path / "inputs.npy", halves)
    np.save(tmp_path / "labels.npy", np.load(folder / "labels.npy"))
    for data in (DataConfig(dataset=str(tmp_path)), DataConfig(dataset=str(tmp_path), stream=True, stream_sample=50)):
        loaded = load_dataset(data)
        assert loaded.inputs.dtype == np.float32
    np.testing.assert_array_equal(loaded.inputs, halves[loaded.stream.held_out_rows].astype(np.float32))


def test_without_mnist_the_network_is_trained_on_digits(activations, tmp_path, monkeypatch, capsys):
    load = aejax.load_dataset

    def no_mnist(name, **settings):
        if name == "mnist":
            raise aejax.InputError("--dataset mnist: cannot be downloaded")
        return load(name, **settings)

    monkeypatch.setattr(aejax, "load_dataset", no_mnist)
    activations.main(tmp_path, width=4, epochs=1)
    assert "cannot be downloaded; digits instead" in capsys.readouterr().out
    with pytest.raises(aejax.InputError, match="no such dataset"):
        activations.main(tmp_path, dataset="nothing")
