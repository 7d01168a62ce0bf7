"""Each way to features is what its name says; trained and closed forms meet where theory says they must."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

from aejax.config import ModelConfig, ObjectiveConfig
from aejax.data.examples import Batch
from aejax.data.scalers import fit_scalers, scale
from aejax.data.mnist import load_mnist
from aejax.methods import METHODS, Setting, pca_components
from aejax.objectives.kinds import KINDS
from aejax.train.epoch import make_step
from aejax.train.state import init_state

RNG = np.random.default_rng(0)
# Three strong directions, three weak ones, none along an axis, and a mean that is not zero.
INPUTS = jnp.asarray(
    RNG.normal(size=(200, 6)) * [3.0, 2.0, 1.5, 0.5, 0.3, 0.2] @ np.linalg.qr(RNG.normal(size=(6, 6)))[0] + 2.0,
    jnp.float32,
)


def setting(hidden=(), latent_dim=3, features=6) -> Setting:
    model = ModelConfig(hidden=hidden, latent_dim=latent_dim, output="linear")
    return Setting(model, ObjectiveConfig(reconstruction="mse"), features=features, classes=4)


@functools.cache
def trained_linear_autoencoder():
    method = METHODS["undercomplete"](setting())
    optimizer = optax.adam(optax.cosine_decay_schedule(0.05, 8000))
    step = make_step(method.objective, optimizer)
    batch, key = Batch(INPUTS, jnp.zeros(200, jnp.int32)), jax.random.key(1)

    @jax.jit
    def train(variables):
        last, _ = jax.lax.scan(lambda s, _: step(s, batch, key), init_state(variables, optimizer), length=8000)
        return last.variables

    return method, train(method.start(jax.random.key(0), INPUTS))


def test_a_trained_linear_autoencoder_spans_the_pca_subspace():
    _, variables = trained_linear_autoencoder()
    decoder = np.asarray(variables["params"]["decoder"]["output"]["kernel"])  # (latent, d)
    principal = PCA(3).fit(INPUTS).components_
    assert np.degrees(subspace_angles(decoder.T, principal.T)).max() < 0.5
    assert np.degrees(subspace_angles(decoder.T, PCA(6).fit(INPUTS).components_[3:].T)).min() > 89


def test_a_trained_linear_autoencoder_reconstructs_as_well_as_pca_and_no_better():
    method, variables = trained_linear_autoencoder()
    closed = METHODS["pca"](setting())
    by_pca = closed.reconstruct(closed.start(jax.random.key(0), INPUTS), INPUTS)
    errors = [np.mean((recon - INPUTS) ** 2) for recon in (method.reconstruct(variables, INPUTS), by_pca)]
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-3)
    assert errors[0] >= errors[1] * (1 - 1e-5)


@pytest.mark.parametrize("dimension", [1, 3, 6])
def test_pca_is_scikit_learns(dimension):
    method = METHODS["pca"](setting(latent_dim=dimension))
    variables = method.start(jax.random.key(0), INPUTS)
    others = INPUTS[:20] * 1.5 - 1.0
    reference = PCA(dimension, svd_solver="full").fit(np.asarray(INPUTS, np.float64))
    codes, expected = np.asarray(method.encode(variables, others)), reference.transform(np.asarray(others))
    np.testing.assert_allclose(np.abs(codes), np.abs(expected), atol=1e-4)  # an axis may point either way
    np.testing.assert_allclose(method.reconstruct(variables, others), reference.inverse_transform(expected), atol=1e-4)


def test_pca_has_at_most_as_many_features_as_inputs_and_then_loses_nothing():
    method = METHODS["pca"](setting(latent_dim=10))
    variables = method.start(jax.random.key(0), INPUTS)
    assert method.encode(variables, INPUTS).shape == (200, 6)
    np.testing.assert_allclose(method.reconstruct(variables, INPUTS), INPUTS, atol=1e-4)


def test_pca_of_thirty_components_leaves_the_published_error_on_mnist(mnist_folder):
    # Hinton and Salakhutdinov (2006): 13.87 squared error per test image.
    dataset = load_mnist(mnist_folder)
    train = np.setdiff1d(np.arange(dataset.n), dataset.test_rows)
    flat = dataset.inputs.reshape(dataset.n, -1)
    scaler = jax.tree.map(lambda leaf: leaf[0], fit_scalers("range", dataset, train[None]))
    method = METHODS["pca"](setting(latent_dim=30, features=784))
    test = scale(scaler, flat[dataset.test_rows])
    recon = method.reconstruct(method.start(jax.random.key(0), scale(scaler, flat[train])), test)
    np.testing.assert_allclose(784 * np.mean(np.asarray(recon - test, np.float64) ** 2), 13.87, atol=0.01)


@pytest.mark.parametrize("hidden", [(), (5, 4)], ids=["linear", "deep"])
def test_the_random_encoder_has_the_very_weights_from_which_every_learner_of_its_seed_starts(hidden):
    own = setting(hidden=hidden)
    starts = {name: METHODS[name](own).start(jax.random.key(7), INPUTS) for name in ("random", "supervised", *KINDS)}
    random = starts.pop("random")
    for variables in starts.values():
        jax.tree.map(np.testing.assert_array_equal, variables["params"]["encoder"], random["params"]["encoder"])
    codes = METHODS["random"](own).encode(random, INPUTS)
    for name, variables in starts.items():
        np.testing.assert_array_equal(METHODS[name](own).encode(variables, INPUTS), codes)
    assert METHODS["random"](own).objective is None


def test_raw_is_the_identity():
    method = METHODS["raw"](setting())
    np.testing.assert_array_equal(method.encode(method.start(jax.random.key(0), INPUTS), INPUTS), INPUTS)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_encodes_each_example_by_itself(name):
    method = METHODS[name](setting(hidden=(5, 4)))
    variables = method.start(jax.random.key(0), INPUTS)
    codes = method.encode(variables, INPUTS)
    assert codes.shape == (200, 6 if name == "raw" else 3)
    np.testing.assert_allclose(method.encode(variables, INPUTS[5:6]), codes[5:6], rtol=1e-4, atol=1e-5)


def test_only_the_seedless_method_ignores_its_variables():
    assert [name for name in METHODS if METHODS[name](setting()).seedless] == ["raw"]


def test_components_are_orthonormal_and_ordered_by_variance():
    variables = pca_components(INPUTS, 6)["pca"]
    np.testing.assert_allclose(variables["axes"].T @ variables["axes"], np.eye(6), atol=1e-5)
    codes = (INPUTS - variables["mean"][None]) @ variables["axes"]
    assert np.all(np.diff(np.var(codes, axis=0)) < 0)
