"""An epoch is its steps in order; a seed that diverges is stopped and marked, and the others are unaffected."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.config import ModelConfig
from aejax.data.batching import Batch, Examples, gather_batch, map_rows
from aejax.data.scalers import Scaler
from aejax.models.architectures import dense_autoencoder
from aejax.objectives.deterministic import autoencoder_objective
from aejax.objectives.objective import squared_error
from aejax.train.epoch import SeedData, make_train_epochs, make_train_step
from aejax.train.state import init_progress, init_state
from tests.train.conftest import assert_close, assert_equal, of_seed

UNUSED_ROW = 48


@functools.cache
def epoch_of_every_seed(objective, optimizer):
    """Trains seeds one after the other, so that they are bit-comparable between runs."""
    epochs = make_train_epochs(objective, optimizer)
    return jax.jit(
        lambda progress, orders, data, examples: jax.lax.map(
            lambda seed: epochs(*seed, examples), (progress, orders, data)
        )
    )


def train_all(tiny, orders, data=None, examples=None):
    """Every seed's progress and metrics `(seeds, epochs)` after `orders`, epoch by epoch."""
    data, examples = data or tiny.data, examples or tiny.examples
    progress, metrics = jax.vmap(lambda variables: init_progress(variables, tiny.optimizer))(tiny.variables), []
    train = epoch_of_every_seed(tiny.objective, tiny.optimizer)
    for epoch in range(orders.shape[1]):
        progress, epoch_metrics = train(progress, orders[:, epoch : epoch + 1], data, examples)
        metrics.append(epoch_metrics)
    return progress, {name: np.concatenate([m[name] for m in metrics], axis=1) for name in metrics[0]}


def test_an_sgd_step_subtracts_the_learning_rate_times_the_gradient_derived_by_hand():
    model = dense_autoencoder(ModelConfig(hidden=(), latent_dim=2, output="linear"), 3)
    objective = autoencoder_objective(model, squared_error)
    inputs = np.random.default_rng(0).normal(size=(5, 3))
    optimizer = optax.sgd(0.5)
    before = init_state(jax.jit(model.init)(jax.random.key(0)), optimizer)
    batch = Batch(jnp.asarray(inputs), jnp.zeros(5, jnp.int32))
    after, metrics = jax.jit(make_train_step(objective, optimizer))(before, batch, jax.random.key(1))

    def weights(variables):
        params = variables["params"]
        layers = (params["encoder"]["code"], params["decoder"]["output"])
        return [np.asarray(layer[name], np.float64) for layer in layers for name in ("kernel", "bias")]

    encode, encode_bias, decode, decode_bias = weights(before.variables)
    codes = inputs @ encode + encode_bias
    errors = codes @ decode + decode_bias - inputs
    d_output = 2 * errors / errors.size
    d_codes = d_output @ decode.T
    gradients = [inputs.T @ d_codes, d_codes.sum(axis=0), codes.T @ d_output, d_output.sum(axis=0)]
    for new, old, gradient in zip(weights(after.variables), weights(before.variables), gradients, strict=True):
        np.testing.assert_allclose(new, old - 0.5 * gradient, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(metrics["loss"], np.mean(errors**2), rtol=1e-6)
    assert after.step == 1


def test_an_epoch_takes_its_steps_in_order_and_reports_their_mean(tiny):
    orders, data = tiny.orders[0], of_seed(tiny.data, 0)
    progress, metrics = of_seed(train_all(tiny, tiny.orders), 0)
    state = init_state(of_seed(tiny.variables, 0), tiny.optimizer)
    step, evaluate = jax.jit(make_train_step(tiny.objective, tiny.optimizer)), jax.jit(tiny.objective.evaluate)
    for epoch, batches in enumerate(orders):
        losses = []
        for rows in batches:
            key = jax.random.fold_in(data.key, state.step)
            state, step_metrics = step(state, gather_batch(tiny.examples, data.scaler, jnp.asarray(rows)), key)
            losses.append(float(step_metrics["loss"]))
        np.testing.assert_allclose(metrics["train_loss"][epoch], np.mean(losses), rtol=1e-5)
        validation_batch = gather_batch(tiny.examples, data.scaler, jnp.asarray(data.validation_rows))
        valid = evaluate(state.variables, validation_batch)
        np.testing.assert_allclose(metrics["valid_loss"][epoch], valid["loss"].mean(), rtol=1e-4)
        np.testing.assert_allclose(metrics["valid_mse"][epoch], valid["mse"].mean(), rtol=1e-4)
    assert_close(progress.state.variables, state.variables)
    assert progress.state.step == orders.shape[0] * orders.shape[1] == state.step


def test_epochs_in_two_calls_equal_the_same_epochs_in_one_call(tiny):
    train = jax.jit(make_train_epochs(tiny.objective, tiny.optimizer))
    orders, data = tiny.orders[0], of_seed(tiny.data, 0)
    start = init_progress(of_seed(tiny.variables, 0), tiny.optimizer)
    at_once, metrics = train(start, orders, data, tiny.examples)
    halfway, first_metrics = train(start, orders[:2], data, tiny.examples)
    in_two_calls, last_metrics = train(halfway, orders[2:], data, tiny.examples)
    assert_equal(in_two_calls, at_once)
    assert_equal({name: np.concatenate([first_metrics[name], last_metrics[name]]) for name in metrics}, metrics)


def test_noise_differs_between_steps_and_keys(tiny):
    optimizer = optax.sgd(0.0)  # so that only the noise changes the loss of a batch
    state = init_state(of_seed(tiny.variables, 0), optimizer)
    step = jax.jit(make_train_step(tiny.objective, optimizer))
    batch = gather_batch(tiny.examples, of_seed(tiny.data.scaler, 0), jnp.arange(16))
    keys = [jax.random.fold_in(tiny.data.key[seed], index) for seed in range(2) for index in range(3)]
    losses = [float(step(state, batch, key)[1]["loss"]) for key in keys]
    assert len(set(losses)) == 6


def test_a_seed_keeps_the_state_of_its_last_epoch_and_reports_nothing_after_it(tiny):
    _, at_once = train_all(tiny, tiny.orders)
    first_two, _ = train_all(tiny, tiny.orders[:, :2])
    progress, metrics = train_all(tiny, tiny.orders, tiny.data._replace(last_epoch=np.int32([2, 4, 9, 2])))
    ended, whole = (np.isin(np.arange(4), seeds) for seeds in ([0, 3], [1, 2]))
    assert_equal(jax.tree.map(lambda leaf: leaf[ended], progress), jax.tree.map(lambda leaf: leaf[ended], first_two))
    for name, values in metrics.items():
        np.testing.assert_array_equal(values[ended, :2], at_once[name][ended, :2])
        np.testing.assert_array_equal(values[whole], at_once[name][whole])
        assert np.isnan(values[ended, 2:]).all()


def test_without_validation_rows_there_are_no_validation_metrics_and_the_best_is_the_latest(tiny):
    data = of_seed(tiny.data, 0)._replace(validation_rows=np.zeros(0, np.int32))
    train = jax.jit(make_train_epochs(tiny.objective, tiny.optimizer))
    start = init_progress(of_seed(tiny.variables, 0), tiny.optimizer)
    progress, metrics = train(start, tiny.orders[0], data, tiny.examples)
    assert set(metrics) == {"train_loss"}
    assert_equal(progress.best, progress.state.variables)


def test_best_holds_the_variables_after_the_epoch_of_lowest_validation_loss():
    # Overfits four examples: the validation loss falls and then rises.
    model = dense_autoencoder(ModelConfig(hidden=(32,), latent_dim=2, output="linear"), 6)
    objective = autoencoder_objective(model, squared_error)
    inputs = np.random.default_rng(3).normal(size=(40, 6)).astype(np.float32)
    examples = Examples(jnp.asarray(inputs), jnp.zeros(40, jnp.int32))
    identity = Scaler(np.zeros(1, np.float32), np.ones(1, np.float32))
    data = SeedData(jax.random.key(0), identity, np.arange(4, 40, dtype=np.int32))
    optimizer = optax.adam(0.03)
    train = jax.jit(make_train_epochs(objective, optimizer))
    progress, variables, losses = init_progress(jax.jit(model.init)(jax.random.key(1)), optimizer), [], []
    for _ in range(25):
        progress, metrics = train(progress, np.arange(4, dtype=np.int32)[None, None], data, examples)
        variables.append(progress.state.variables)
        losses.append(float(metrics["valid_loss"][0]))
    lowest = int(np.argmin(losses))
    assert 0 < lowest < 24
    assert_equal(progress.best, variables[lowest])
    assert progress.best_loss == np.float32(min(losses))


class TestDivergence:
    @staticmethod
    def train_with_bad_row(tiny, bad_epoch: int | None, value: float = np.nan, epochs: int = 4):
        """Seed 1 sees a row of `value` at the end of an epoch (from 1), or never."""
        orders = tiny.orders[:, :epochs].copy()
        if bad_epoch is not None:
            orders[1, bad_epoch - 1, -1, -1] = UNUSED_ROW
        inputs = tiny.examples.inputs.at[UNUSED_ROW].set(value)
        return train_all(tiny, orders, examples=tiny.examples._replace(inputs=inputs))

    @pytest.mark.parametrize(("epoch", "value"), [(1, np.nan), (3, np.inf), (3, 1e30), (4, np.nan)])
    def test_the_seed_is_marked_with_the_epoch_and_keeps_the_state_from_before(self, tiny, epoch, value):
        progress, metrics = self.train_with_bad_row(tiny, epoch, value)
        np.testing.assert_array_equal(progress.diverged_epoch, [0, epoch, 0, 0])
        expected = of_seed(tiny.variables, 1)
        if epoch > 1:
            before, _ = self.train_with_bad_row(tiny, None, epochs=epoch - 1)
            expected = of_seed(before.state.variables, 1)
            assert progress.state.step[1] == before.state.step[1]
            assert_equal(of_seed(progress.best, 1), of_seed(before.best, 1))
        assert_equal(of_seed(progress.state.variables, 1), expected)
        for values in metrics.values():
            np.testing.assert_array_equal(np.isfinite(values[1]), np.arange(1, 5) < epoch)

    def test_the_other_seeds_are_bit_equal_to_a_run_without_divergence(self, tiny):
        diverged, finite = self.train_with_bad_row(tiny, 2), self.train_with_bad_row(tiny, None)
        np.testing.assert_array_equal(finite[0].diverged_epoch, 0)
        assert np.isfinite(finite[1]["train_loss"]).all()
        for seed in (0, 2, 3):
            assert_equal(of_seed(diverged, seed), of_seed(finite, seed))

    def test_a_scaler_that_overflows_for_one_seed_stops_that_seed_in_its_first_epoch(self, tiny):
        scale = tiny.data.scaler.scale.copy()
        scale[1] = 1e38
        data = tiny.data._replace(scaler=tiny.data.scaler._replace(scale=scale))
        progress, _ = train_all(tiny, tiny.orders, data=data)
        np.testing.assert_array_equal(progress.diverged_epoch, [0, 1, 0, 0])
        assert np.isinf(progress.best_loss[1])
        assert_equal(of_seed(progress.state.variables, 1), of_seed(tiny.variables, 1))


def test_map_rows_evaluates_every_row_in_full_and_partial_blocks(tiny):
    scaler = of_seed(tiny.data.scaler, 0)
    rows = jnp.arange(1500, dtype=jnp.int32) % 49  # more than one block, and a remainder
    values = map_rows(lambda batch: 2.0 * batch.inputs, tiny.examples, scaler, rows)
    np.testing.assert_array_equal(values, 2 * tiny.examples.inputs[rows])
