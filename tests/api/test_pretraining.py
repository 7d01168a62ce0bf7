"""Pretraining, loading and probing as functions agree with each other and with the scripts' runs."""

import dataclasses
import functools
import json
import shutil
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import aejax
from aejax.config import ModelConfig
from aejax.models.architectures import dense_autoencoder
from aejax.storage.results_file import write_results

X, Y = load_wine(return_X_y=True)
SETTINGS = {"seeds": 2, "epochs": 3, "latent_dim": 3}


@pytest.fixture(scope="module")
def model():
    return aejax.pretrain("wine", "vae", **SETTINGS)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    return aejax.pretrain("wine", "vae", out=tmp_path_factory.mktemp("runs") / "run", **SETTINGS)


def test_a_folder_holds_the_same_model(model, stored):
    loaded = aejax.load_run(stored.folder)
    for other in (stored, loaded):
        np.testing.assert_array_equal(other.encode(X), model.encode(X))
        order = ["seed", "epoch", "metric"]
        table, expected = (one.history.sort_values(order)["value"].to_numpy() for one in (other, model))
        np.testing.assert_allclose(table, expected, rtol=1e-6)
    assert set(model.history.columns) == {"seed", "epoch", "metric", "value"}


def test_a_seed_that_diverged_at_once_keeps_its_rows_and_its_first_weights(stored, tmp_path):
    copy = shutil.copytree(stored.folder, tmp_path / "run")
    lines = [json.loads(line) for line in (copy / "metrics.jsonl").read_text().splitlines()]
    empty = {name: None for name in lines[0] if name.endswith("_loss")}
    lines = [{**line, **(empty if line["seed"] == 0 else {})} for line in lines]
    (copy / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_results(copy / "results.json", {**stored.results, "diverged_epoch": [1, None]})
    loaded = aejax.load_run(copy)
    order = ["seed", "epoch", "metric"]
    assert loaded.history[order].equals(stored.history[order])
    losses = loaded.history[loaded.history["metric"] == "train_loss"]
    assert losses["value"].isna().tolist() == (losses["seed"] == 0).tolist()
    loaded.encoder(0).save(tmp_path / "encoder")
    metrics = aejax.load_encoder(tmp_path / "encoder").metadata.metrics
    assert (metrics.epoch, metrics.train_loss, metrics.diverged_epoch) == ((0,), (None,), (1,))


def test_encoders_are_pure_functions(model):
    rows, encode, codes = jnp.asarray(X, jnp.float32), model.encoder(seed=1), model.encode(X)
    close = functools.partial(np.testing.assert_allclose, atol=1e-5)
    close(jax.jit(model.encode)(rows), codes)
    close(jax.vmap(model.encode)(rows[:4]), codes[:, :4].swapaxes(0, 1))  # single examples
    close(jax.jit(encode)(rows), codes[1])
    close(jax.vmap(encode)(rows[None])[0], codes[1])
    slope, step = jax.grad(lambda row: encode(row).sum())(rows[0]), 1e-2 * rows[0]
    close(encode(rows[0] + step).sum() - encode(rows[0] - step).sum(), 2 * slope @ step, rtol=0.05)


def test_shapes_and_units(model):
    assert model.encode(X).shape == (2, 178, 3)
    reconstructed = model.reconstruct(X)
    assert reconstructed.shape == (2, 178, 13)
    np.testing.assert_allclose(reconstructed.mean(axis=(0, 1)), X.mean(axis=0), rtol=0.3)  # in the inputs' units
    samples = model.sample(jax.random.key(0), 5)
    codes = jax.random.normal(jax.random.key(0), (5, 3))
    np.testing.assert_array_equal(samples, model.decode(codes))
    np.testing.assert_allclose(model.decode(codes[0]), samples[:, 0], rtol=1e-5)  # of one example
    np.testing.assert_allclose(model.reconstruct(X[0]), reconstructed[:, 0], rtol=1e-5)
    assert all(len(repr(shown)) < 200 for shown in (model, model.encoder(), aejax.load_dataset("wine")))


def test_images_of_one_channel_are_encoded_as_they_were_given():
    images = np.arange(40 * 12, dtype=np.uint8).reshape(40, 3, 4)
    model = aejax.pretrain(images, seeds=1, epochs=1, latent_dim=2)
    assert model.results["dataset"]["shape"] == [3, 4, 1]
    codes = model.encode(images[..., None])
    for same in (images, images.reshape(40, 12), jnp.asarray(images)):
        np.testing.assert_array_equal(model.encode(same), codes)
    np.testing.assert_allclose(model.encode(images[5]), codes[:, 5], atol=1e-6)
    with pytest.raises(aejax.InputError, match=r"inputs of shape \(40, 4, 3\)"):
        model.encode(images.swapaxes(1, 2))


def test_a_kind_without_a_prior_draws_no_examples(model):
    deterministic = dense_autoencoder(ModelConfig(hidden=(4,), latent_dim=3, output="linear"), 13)
    other = dataclasses.replace(model, _pretrained=dataclasses.replace(model._pretrained, model=deterministic))
    with pytest.raises(aejax.InputError, match=r"sample: .* has no prior; vae, beta-vae and conv-vae have one"):
        other.sample(jax.random.key(0), 1)


def test_the_encoder_of_a_seed_is_published_and_opened(model, tmp_path):
    model.encoder(seed=1).save(tmp_path / "encoder")
    loaded = aejax.load_encoder(tmp_path / "encoder")
    np.testing.assert_allclose(loaded(X), model.encode(X)[1], atol=1e-6)
    assert len(repr(loaded)) < 200


@pytest.mark.parametrize("names", [(), ("raw", "pca")])
def test_the_card_of_an_encoder_shows_the_accuracy_of_a_probe_alone(model, tmp_path, names):
    other = SimpleNamespace(results={"methods": [{"name": name} for name in names]} if names else model.results)
    with pytest.raises(aejax.InputError, match=r"probe: expected what aejax.probe returned for the codes"):
        model.encoder().save(tmp_path / "encoder", probe=other)


def test_a_probe_with_a_fixed_strength_is_scikit_learns():
    is_test = np.arange(len(X)) % 3 == 0
    report = aejax.probe(X, Y, test=is_test, seeds=2, probe_c=1.0)
    scaler = StandardScaler().fit(X[~is_test])
    reference = LogisticRegression(C=1.0, max_iter=5000).fit(scaler.transform(X[~is_test]), Y[~is_test])
    assert abs(report.accuracy - reference.score(scaler.transform(X[is_test]), Y[is_test])) <= 1 / is_test.sum()
    assert report.per_seed["converged"].all()
    low, high = report.interval
    assert low < report.accuracy <= high


@pytest.mark.parametrize("probe", ["logistic", "ridge", "knn"])
def test_a_probe_has_a_row_for_each_training(probe):
    report = aejax.probe(X, Y, seeds=2, probe=probe, probe_c=1.0, design="holdout")
    certificate = [] if probe == "knn" else ["l2", "gradient_norm", "gap", "converged"]
    assert report.per_seed.columns.tolist() == ["accuracy", "nll", *certificate]
    assert report.per_seed["accuracy"].mean() == pytest.approx(report.accuracy)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: aejax.pretrain("wine", "va"), "va: no such"),
        (lambda: aejax.pretrain("wine", "vae", epochs=0), "epochs=0: expected at least 1"),
        (
            lambda: aejax.pretrain("wine", functools.partial(list)),
            "kind: the function has no name; give aejax.register",
        ),
        (lambda: aejax.load_run("/nowhere"), "/nowhere: holds no results.json"),
    ],
)
def test_errors_are_about_arguments(call, message):
    with pytest.raises(aejax.InputError, match=message):
        call()
