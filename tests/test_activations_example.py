"""The example of activations writes what its network computes, for rows that the network was not trained on."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import aejax
from aejax.config import DataConfig
from aejax.data.registry import load_dataset

SPEC = importlib.util.spec_from_file_location(
    "activations", Path(__file__).parents[1] / "scripts" / "examples" / "activations.py"
)


@pytest.fixture(scope="module")
def example():
    module = importlib.util.module_from_spec(SPEC)
    SPEC.loader.exec_module(module)
    module.ROWS_PER_WRITE = 500  # several batches
    return module


@pytest.fixture(scope="module")
def folder(example, tmp_path_factory):
    out = tmp_path_factory.mktemp("examples") / "activations"
    example.main(out, dataset="digits", width=24, epochs=15)
    return out


def test_activations_are_those_of_rows_outside_training_and_tell_classes_apart(example, folder):
    activations, labels = np.load(folder / "inputs.npy"), np.load(folder / "labels.npy")
    digits = load_dataset(DataConfig(dataset="digits"))
    order = np.random.default_rng(0).permutation(len(digits.labels))
    np.testing.assert_array_equal(labels, digits.labels[order[599:]])
    assert activations.shape == (1198, 24)
    assert activations.min() == 0  # after a ReLU
    model = LogisticRegression(max_iter=2000).fit(activations[:600], labels[:600])
    assert model.score(activations[600:], labels[600:]) > 0.85


def test_written_activations_are_the_forward_pass_in_numpy(example, tmp_path):
    pixels, labels = np.random.default_rng(0).random((1100, 6), np.float32), np.arange(1100) % 3
    network = example.Network(5, 3)
    params = example.train(network, pixels, labels, epochs=1)
    example.write_activations(network, params, pixels, labels, tmp_path)
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


def test_without_mnist_the_network_is_trained_on_digits(example, tmp_path, monkeypatch, capsys):
    load = aejax.load_dataset

    def no_mnist(name, **settings):
        if name == "mnist":
            raise aejax.InputError("--dataset mnist: cannot be downloaded")
        return load(name, **settings)

    monkeypatch.setattr(aejax, "load_dataset", no_mnist)
    example.main(tmp_path, width=4, epochs=1)
    assert "cannot be downloaded; digits instead" in capsys.readouterr().out
    with pytest.raises(aejax.InputError, match="no such dataset"):
        example.main(tmp_path, dataset="nothing")
