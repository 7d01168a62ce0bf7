"""The kinds of autoencoder differ from the plain one by exactly what their names say."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.config import ModelConfig, ObjectiveConfig
from aejax.data.examples import Batch
from aejax.models.autoencoder import dense_autoencoder
from aejax.objectives.corruption import gaussian
from aejax.objectives.kinds import KINDS
from aejax.objectives.penalties import l1_activity
from aejax.objectives.reconstruction import per_example_mse

FEATURES = 6
MODELS = {
    "mse": ModelConfig(hidden=(5,), latent_dim=3, batch_norm=True, output="linear"),
    "bce": ModelConfig(hidden=(5,), latent_dim=3, activation="tanh", output="sigmoid"),
}
BATCH = Batch(jax.random.uniform(jax.random.key(0), (64, FEATURES)), jnp.zeros(64, jnp.int32))
either = pytest.mark.parametrize("reconstruction", MODELS)


@functools.cache
def started(reconstruction: str):
    model = dense_autoencoder(MODELS[reconstruction], FEATURES)
    return model, model.init(jax.random.key(1))


def made(kind: str, reconstruction: str, **settings):
    model, variables = started(reconstruction)
    return model, variables, KINDS[kind](model, ObjectiveConfig(reconstruction=reconstruction, **settings))


def loss_and_gradient(objective, variables, key):
    def of_params(params):
        return objective.loss({**variables, "params": params}, BATCH, key)

    (value, _), gradient = jax.jit(jax.value_and_grad(of_params, has_aux=True))(variables["params"])
    return value, gradient


@either
@pytest.mark.parametrize(
    ("kind", "setting"), [("denoising", {"noise_std": 0}), ("sparse-l1", {"l1": 0})], ids=["no noise", "no charge"]
)
def test_a_kind_with_its_weight_at_zero_is_the_undercomplete_one_exactly(kind, setting, reconstruction):
    _, variables, plain = made("undercomplete", reconstruction)
    _, _, objective = made(kind, reconstruction, **setting)
    expected, found = (loss_and_gradient(o, variables, jax.random.key(2)) for o in (plain, objective))
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@either
@pytest.mark.parametrize("kind", ["denoising", "sparse-l1"])
def test_a_kind_with_its_weight_above_zero_is_not_the_undercomplete_one(kind, reconstruction):
    _, variables, plain = made("undercomplete", reconstruction)
    _, _, objective = made(kind, reconstruction, noise_std=1.0, l1=0.1)
    values = [objective.loss(variables, BATCH, jax.random.key(2))[0] for objective in (plain, objective)]
    assert abs(values[0] - values[1]) > 1e-5 * abs(values[0])


@pytest.mark.parametrize("noise_std", [0.1, 0.3, 2.0])
def test_noise_has_the_asked_deviation_no_mean_and_is_independent_of_the_inputs(noise_std):
    inputs = jax.random.normal(jax.random.key(0), (2000, 50))
    noise = np.asarray(gaussian(noise_std)(jax.random.key(3), inputs) - inputs)
    np.testing.assert_allclose(noise.std(), noise_std, rtol=0.01)  # four standard errors
    assert abs(noise.mean()) < 4 * noise_std / np.sqrt(noise.size)
    assert abs(np.corrcoef(noise.ravel(), np.asarray(inputs).ravel())[0, 1]) < 4 / np.sqrt(noise.size)
    assert abs(np.corrcoef(noise[0], noise[1])[0, 1]) < 0.6  # not one draw for all examples
    kurtosis = np.mean((noise / noise.std()) ** 4)
    np.testing.assert_allclose(kurtosis, 3, atol=0.1)


@either
def test_the_denoising_target_stays_clean(reconstruction):
    # A model that ignores its input reconstructs the same from clean and from noisy inputs, so only a noisy target
    # could change the loss.
    _, variables, plain = made("undercomplete", reconstruction)
    _, _, denoising = made("denoising", reconstruction, noise_std=5.0)
    blind = {**variables, "params": jax.tree.map(jnp.zeros_like, variables["params"])}
    assert denoising.loss(blind, BATCH, jax.random.key(2))[0] == plain.loss(blind, BATCH, jax.random.key(2))[0]


def test_the_denoising_noise_does_reach_the_encoder():
    # The identity returns the noisy input, whose squared distance from the clean target is the noise's variance.
    config = ModelConfig(hidden=(), latent_dim=FEATURES, output="linear")
    model = dense_autoencoder(config, FEATURES)
    objective = KINDS["denoising"](model, ObjectiveConfig(reconstruction="mse", noise_std=0.3))
    variables = model.init(jax.random.key(1))
    identity = jax.tree.map(lambda p: jnp.eye(FEATURES) if p.ndim == 2 else p, variables["params"])
    batch = Batch(jnp.zeros((5000, FEATURES)) + 0.7, jnp.zeros(5000, jnp.int32))
    value, _ = objective.loss({**variables, "params": identity}, batch, jax.random.key(2))
    np.testing.assert_allclose(value, 0.3**2, rtol=4 * np.sqrt(2 / batch.inputs.size))


@either
def test_evaluation_is_on_clean_inputs_and_mse_is_that_of_the_reconstructions(reconstruction):
    model, variables, plain = made("undercomplete", reconstruction)
    _, _, denoising = made("denoising", reconstruction, noise_std=5.0)
    expected, found = plain.evaluate(variables, BATCH), denoising.evaluate(variables, BATCH)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    recon = model.reconstruct(variables, BATCH.inputs)
    np.testing.assert_allclose(found["mse"], per_example_mse(recon, BATCH.inputs), rtol=1e-6)
    if reconstruction == "mse":
        np.testing.assert_array_equal(found["loss"], found["mse"])


@pytest.mark.parametrize("weight", [0.0, 1e-3, 2.0])
def test_the_l1_charge_is_the_weighted_sum_of_magnitudes_and_pulls_with_weight_times_sign(weight):
    latents = jnp.array([[1.5, -2.0, 0.25], [-1.0, 3.0, -0.5]])
    penalty = l1_activity(weight)
    np.testing.assert_allclose(penalty(latents), weight * np.array([3.75, 4.5]), rtol=1e-6)
    gradient = jax.grad(lambda z: jnp.sum(penalty(z)))(latents)
    np.testing.assert_allclose(gradient, weight * np.sign(latents), rtol=1e-6)


def test_the_sparse_loss_is_the_plain_one_plus_the_mean_charge_of_the_codes():
    model, variables, plain = made("undercomplete", "bce")
    _, _, sparse = made("sparse-l1", "bce", l1=0.1)
    key = jax.random.key(2)
    charge = 0.1 * np.abs(model.encode(variables, BATCH.inputs)).sum(axis=1).mean()
    np.testing.assert_allclose(
        sparse.loss(variables, BATCH, key)[0], plain.loss(variables, BATCH, key)[0] + charge, rtol=1e-5
    )
