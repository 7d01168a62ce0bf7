"""The objective of deterministic autoencoders is the sum in its docstring and nothing else."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.config import ModelConfig
from aejax.data.batching import Batch
from aejax.models.architectures import dense_autoencoder
from aejax.objectives.corruption import CorruptedInputs, gaussian_noise, masking_noise, patch_mask, with_noise_seed
from aejax.objectives.deterministic import autoencoder_objective, masked_mean, weighted_mean
from aejax.objectives.objective import per_example_mse, sigmoid_binary_cross_entropy, squared_error
from aejax.objectives.penalties import kl_sparsity

FEATURES = 6
MODELS = {
    "mse": ModelConfig(hidden=(5,), latent_dim=3, batch_norm=True, output="linear"),
    "bce": ModelConfig(hidden=(5,), latent_dim=3, activation="tanh", output="sigmoid"),
}
ERRORS = {"mse": squared_error, "bce": sigmoid_binary_cross_entropy}
BATCH = Batch(jax.random.uniform(jax.random.key(0), (64, FEATURES)), jnp.zeros(64, jnp.int32))
either = pytest.mark.parametrize("reconstruction", MODELS)


def l1_penalty(weight):
    """Returns a penalty of each example: the weighted L1 norm of its code."""
    return lambda passed: weight * jnp.sum(jnp.abs(passed.latents), axis=1)


@functools.cache
def started(reconstruction: str):
    model = dense_autoencoder(MODELS[reconstruction], FEATURES)
    return model, jax.jit(model.init)(jax.random.key(1))


def made(reconstruction: str, **parts):
    model, variables = started(reconstruction)
    return model, variables, autoencoder_objective(model, ERRORS[reconstruction], **parts)


def the_identity(**parts):
    """The objective of an autoencoder that gives back what it is given, and its variables."""
    model = dense_autoencoder(ModelConfig(hidden=(), latent_dim=FEATURES, output="linear"), FEATURES)
    variables = model.init(jax.random.key(1))
    identity = jax.tree.map(lambda p: jnp.eye(FEATURES) if p.ndim == 2 else p, variables["params"])
    return autoencoder_objective(model, squared_error, **parts), {**variables, "params": identity}


WITHOUT_WEIGHT = {
    "no noise": {"corrupt": gaussian_noise(0.0)},
    "no charge": {"penalties": [l1_penalty(0.0)]},
    "no charge on the batch": {"batch_penalties": [kl_sparsity(0.0, 0.1)]},
    "weights of one": {"corrupt": gaussian_noise(0.0), "reduce": weighted_mean(1.0, 1.0)},
}
WITH_WEIGHT = {
    "noise": {"corrupt": gaussian_noise(1.0)},
    "charge": {"penalties": [l1_penalty(0.1)]},
    "charge on the batch": {"batch_penalties": [kl_sparsity(0.1, 0.1)]},
    "weights": {"corrupt": gaussian_noise(0.0), "reduce": weighted_mean(2.0, 1.0)},
}


@functools.cache
def losses_and_gradients(reconstruction: str):
    """Of the plain objective and of each with one part more."""
    _, variables, plain = made(reconstruction)
    parts = WITHOUT_WEIGHT | WITH_WEIGHT
    objectives = {"plain": plain} | {name: made(reconstruction, **own)[2] for name, own in parts.items()}

    def of_params(params, objective):
        return objective.loss({**variables, "params": params}, BATCH, jax.random.key(2))[0]

    def every(params):
        return {name: jax.value_and_grad(of_params)(params, objective) for name, objective in objectives.items()}

    return jax.jit(every)(variables["params"])


@either
@pytest.mark.parametrize("part", WITHOUT_WEIGHT)
def test_a_part_with_its_weight_at_zero_leaves_the_plain_objective_exactly(part, reconstruction):
    actual = losses_and_gradients(reconstruction)
    jax.tree.map(np.testing.assert_array_equal, actual[part], actual["plain"])


@either
@pytest.mark.parametrize("part", WITH_WEIGHT)
def test_a_part_with_its_weight_above_zero_does_not(part, reconstruction):
    actual = losses_and_gradients(reconstruction)
    assert abs(actual[part][0] - actual["plain"][0]) > 1e-5 * abs(actual["plain"][0])


@either
def test_the_target_stays_clean(reconstruction):
    # A model that ignores its input reconstructs the same from clean and from noisy inputs, so only a noisy target
    # could change the loss.
    _, variables, plain = made(reconstruction)
    _, _, denoising = made(reconstruction, corrupt=gaussian_noise(5.0))
    blind = {**variables, "params": jax.tree.map(jnp.zeros_like, variables["params"])}
    assert denoising.loss(blind, BATCH, jax.random.key(2))[0] == plain.loss(blind, BATCH, jax.random.key(2))[0]


def test_the_noise_does_reach_the_encoder():
    # The identity returns the noisy input, whose squared distance from the clean target is the noise's variance.
    objective, identity = the_identity(corrupt=gaussian_noise(0.3))
    batch = Batch(jnp.zeros((5000, FEATURES)) + 0.7, jnp.zeros(5000, jnp.int32))
    value, _ = objective.loss(identity, batch, jax.random.key(2))
    np.testing.assert_allclose(value, 0.3**2, rtol=4 * np.sqrt(2 / batch.inputs.size))


@either
def test_evaluation_is_on_clean_inputs_and_mse_is_that_of_the_reconstructions(reconstruction):
    model, variables, plain = made(reconstruction)
    _, _, denoising = made(reconstruction, corrupt=gaussian_noise(5.0), reduce=weighted_mean(3.0, 2.0))
    expected, actual = plain.evaluate(variables, BATCH), denoising.evaluate(variables, BATCH)
    jax.tree.map(np.testing.assert_array_equal, actual, expected)
    recon = model.reconstruct(variables, BATCH.inputs)
    np.testing.assert_allclose(actual["mse"], per_example_mse(recon, BATCH.inputs), rtol=1e-6)
    if reconstruction == "mse":
        np.testing.assert_array_equal(actual["loss"], actual["mse"])


@either
def test_the_loss_is_the_plain_one_plus_the_mean_charge_by_example_plus_the_batchs(reconstruction):
    # The charges see the codes of training mode, which a batch normalisation makes others than those of evaluation.
    model, variables, plain = made(reconstruction)
    charges = {"penalties": [l1_penalty(0.1), l1_penalty(0.02)], "batch_penalties": [kl_sparsity(0.3, 0.1)]}
    _, _, charged = made(reconstruction, **charges)
    key = jax.random.key(2)
    codes = np.asarray(model.train_encode(variables, BATCH.inputs)[0])
    activity = np.clip(codes.mean(axis=0), 1e-6, 1 - 1e-6)
    by_batch = 0.3 * np.sum(0.1 * np.log(0.1 / activity) + 0.9 * np.log(0.9 / (1 - activity)))
    expected = plain.loss(variables, BATCH, key)[0] + 0.12 * np.abs(codes).sum(axis=1).mean() + by_batch
    np.testing.assert_allclose(charged.loss(variables, BATCH, key)[0], expected, rtol=1e-5)


def test_charges_by_example_are_evaluated_by_example_and_those_on_a_batch_are_not():
    model, variables, plain = made("mse")
    _, _, charged = made("mse", penalties=[l1_penalty(0.1)], batch_penalties=[kl_sparsity(0.3, 0.1)])
    charge = 0.1 * np.abs(model.encode(variables, BATCH.inputs)).sum(axis=1)
    expected = plain.evaluate(variables, BATCH)["loss"] + charge
    np.testing.assert_allclose(charged.evaluate(variables, BATCH)["loss"], expected, rtol=1e-5)


ENTRIES = np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0], [9.0, 10.0, 11.0, 12.0]])
TOUCHED = np.array([[True, False, False, True], [False, False, False, False], [True, True, True, True]])


@pytest.mark.parametrize(("corrupted", "clean"), [(1.0, 1.0), (2.0, 0.5), (1.0, 0.0), (0.0, 3.0)])
def test_emphasis_weighs_corrupted_entries_and_others_and_divides_by_their_number(corrupted, clean):
    expected = [
        (corrupted * (1 + 4) + clean * (2 + 3)) / 4,
        clean * (5 + 6 + 7 + 8) / 4,
        corrupted * (9 + 10 + 11 + 12) / 4,
    ]
    actual = weighted_mean(corrupted, clean)(jnp.asarray(ENTRIES), jnp.asarray(TOUCHED))
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_only_hidden_is_the_mean_over_the_hidden_entries_and_nothing_where_none_is():
    actual = masked_mean(jnp.asarray(ENTRIES), jnp.asarray(TOUCHED))
    np.testing.assert_allclose(actual, [(1 + 4) / 2, 0, (9 + 10 + 11 + 12) / 4], rtol=1e-6)


@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_the_weights_fall_on_the_entries_that_were_corrupted_in_training(weight):
    # The identity is wrong by one on exactly the entries that masking takes from inputs of one.
    corrupt = masking_noise(0.3)
    batch = Batch(jnp.ones((50, FEATURES)), jnp.zeros(50, jnp.int32))
    share = float(jnp.mean(corrupt(jax.random.key(2), batch.inputs).mask))
    objective, identity = the_identity(corrupt=corrupt, reduce=weighted_mean(weight, 5.0))
    np.testing.assert_allclose(objective.loss(identity, batch, jax.random.key(2))[0], weight * share, rtol=1e-6)
    hidden_alone, identity = the_identity(corrupt=patch_mask(0.3, (FEATURES,), 1), reduce=masked_mean)
    np.testing.assert_allclose(hidden_alone.loss(identity, batch, jax.random.key(2))[0], 1.0, rtol=1e-6)


HALF_HIDDEN = {
    "corrupt": with_noise_seed(patch_mask(0.5, (FEATURES,), 1), 0),
    "reduce": masked_mean,
    "evaluate_corrupted": True,
}


class TestJudgedOnCorruptedInputs:
    def test_only_what_was_hidden_is_scored_and_mse_stays_that_of_clean_inputs(self):
        objective, identity = the_identity(**HALF_HIDDEN)
        actual = jax.jit(objective.evaluate)(identity, BATCH)
        hidden = np.asarray(jnp.square(BATCH.inputs))  # the identity gives zero where a zero was put
        lowest, highest = np.sort(hidden, axis=1)[:, :3].mean(axis=1), np.sort(hidden, axis=1)[:, 3:].mean(axis=1)
        assert np.all((actual["loss"] > lowest - 1e-6) & (actual["loss"] < highest + 1e-6))
        assert len(np.unique(actual["loss"])) == 64
        np.testing.assert_allclose(actual["mse"], 0, atol=1e-12)

    def test_the_loss_of_an_example_is_independent_of_its_batch_and_reproducible(self):
        _, variables, objective = made("bce", **HALF_HIDDEN)
        evaluate = jax.jit(objective.evaluate)
        whole = evaluate(variables, BATCH)["loss"]
        np.testing.assert_array_equal(evaluate(variables, BATCH)["loss"], whole)
        backwards = evaluate(variables, Batch(BATCH.inputs[::-1], BATCH.labels))["loss"]
        np.testing.assert_allclose(backwards[::-1], whole, rtol=1e-5)

        def alone(example):
            return objective.evaluate(variables, Batch(example[None], jnp.zeros(1, jnp.int32)))["loss"][0]

        np.testing.assert_allclose(alone(BATCH.inputs[5]), whole[5], rtol=1e-5)
        np.testing.assert_allclose(jax.jit(jax.vmap(alone))(BATCH.inputs), whole, rtol=1e-5)

    def test_training_hides_other_entries_with_every_key(self):
        _, variables, objective = made("bce", **HALF_HIDDEN)
        losses = [float(objective.loss(variables, BATCH, jax.random.key(seed))[0]) for seed in range(4)]
        assert len(set(losses)) == 4


def test_penalties_see_the_corrupted_inputs_and_a_key_that_is_not_the_corruptions():
    seen = []

    def look(passed):
        seen.append(passed)
        return jnp.zeros(len(passed.inputs))

    def moved(key, inputs):
        seen.append(key)
        return CorruptedInputs(inputs + 1.0, jnp.ones(inputs.shape, bool))

    model, variables, objective = made("mse", corrupt=moved, penalties=[look])
    objective.loss(variables, BATCH, jax.random.key(2))
    noise_key, passed = seen
    np.testing.assert_array_equal(passed.inputs, BATCH.inputs + 1.0)
    np.testing.assert_array_equal(passed.latents, model.train_encode(variables, BATCH.inputs + 1.0)[0])
    assert np.any(jax.random.key_data(passed.key) != jax.random.key_data(noise_key))
