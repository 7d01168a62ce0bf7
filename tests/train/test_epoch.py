"""A step is gradient and update; an epoch is its steps; a seed that diverges is stopped, marked, and harms no other."""

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
from aejax.objectives.reconstruction import squared_error
from aejax.train.epoch import SeedData, make_train_epochs, make_train_step
from aejax.train.state import init_progress, init_state

POISONED = 48  # the row that no ordinary order holds


def of_seed(tree, seed: int):
    return jax.tree.map(lambda leaf: leaf[seed], tree)


def assert_equal(here, there) -> None:
    jax.tree.map(np.testing.assert_array_equal, here, there)


@functools.cache
def one_epoch(objective, optimizer):
    """An epoch of every seed, one after the other, so that seeds are bit-comparable between runs."""
    epochs = make_train_epochs(objective, optimizer)
    return jax.jit(
        lambda fits, orders, data, examples: jax.lax.map(lambda own: epochs(*own, examples), (fits, orders, data))
    )


def run(tiny, orders, data=None, examples=None, optimizer=None):
    """Every seed's fit and history `(seeds, epochs)` after `orders`."""
    optimizer = tiny.optimizer if optimizer is None else optimizer
    fits, histories = jax.vmap(lambda own: init_progress(own, optimizer))(tiny.variables), []
    for epoch in range(orders.shape[1]):
        order = orders[:, epoch : epoch + 1]
        fits, history = one_epoch(tiny.objective, optimizer)(
            fits, order, tiny.data if data is None else data, tiny.examples if examples is None else examples
        )
        histories.append(history)
    return fits, {name: np.concatenate([h[name] for h in histories], axis=1) for name in histories[0]}


def test_one_sgd_step_is_the_weights_minus_rate_times_the_gradient_worked_out_by_hand():
    model = dense_autoencoder(ModelConfig(hidden=(), latent_dim=2, output="linear"), 3)
    objective = autoencoder_objective(model, squared_error)
    inputs = np.random.default_rng(0).normal(size=(5, 3))
    optimizer = optax.sgd(0.5)
    state = init_state(jax.jit(model.init)(jax.random.key(0)), optimizer)
    after, metrics = jax.jit(make_train_step(objective, optimizer))(
        state, Batch(jnp.asarray(inputs), jnp.zeros(5, jnp.int32)), jax.random.key(1)
    )

    def weights(variables):
        parts = variables["params"]
        layers = (parts["encoder"]["code"], parts["decoder"]["output"])
        return [np.asarray(layer[name], np.float64) for layer in layers for name in ("kernel", "bias")]

    encode, encode_bias, decode, decode_bias = weights(state.variables)
    latents = inputs @ encode + encode_bias
    errors = latents @ decode + decode_bias - inputs
    of_recon = 2 * errors / errors.size
    of_latents = of_recon @ decode.T
    gradients = [inputs.T @ of_latents, of_latents.sum(axis=0), latents.T @ of_recon, of_recon.sum(axis=0)]
    for new, old, gradient in zip(weights(after.variables), weights(state.variables), gradients, strict=True):
        np.testing.assert_allclose(new, old - 0.5 * gradient, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(metrics["loss"], np.mean(errors**2), rtol=1e-6)
    assert after.step == 1


def test_an_epoch_is_its_steps_one_after_the_other_and_reports_their_mean(tiny):
    order, data, own = tiny.orders[0], of_seed(tiny.data, 0), of_seed(tiny.variables, 0)
    fits, histories = run(tiny, tiny.orders)
    fit, history = of_seed((fits, histories), 0)
    state, step = init_state(own, tiny.optimizer), jax.jit(make_train_step(tiny.objective, tiny.optimizer))
    evaluate = jax.jit(tiny.objective.evaluate)
    for epoch, batches in enumerate(order):
        losses = []
        for rows in batches:
            key = jax.random.fold_in(data.key, state.step)
            state, metrics = step(state, gather_batch(tiny.examples, data.scaler, jnp.asarray(rows)), key)
            losses.append(float(metrics["loss"]))
        np.testing.assert_allclose(history["train_loss"][epoch], np.mean(losses), rtol=1e-5)
        valid = evaluate(state.variables, gather_batch(tiny.examples, data.scaler, jnp.asarray(data.validation_rows)))
        np.testing.assert_allclose(history["valid_loss"][epoch], valid["loss"].mean(), rtol=1e-4)
        np.testing.assert_allclose(history["valid_mse"][epoch], valid["mse"].mean(), rtol=1e-4)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), fit.state.variables, state.variables
    )
    assert fit.state.step == order.shape[0] * order.shape[1] == state.step


def test_training_in_portions_is_training_at_once(tiny):
    epochs, order, data = (
        jax.jit(make_train_epochs(tiny.objective, tiny.optimizer)),
        tiny.orders[0],
        of_seed(tiny.data, 0),
    )
    first = init_progress(of_seed(tiny.variables, 0), tiny.optimizer)
    whole, history = epochs(first, order, data, tiny.examples)
    half, early = epochs(first, order[:2], data, tiny.examples)
    rest, late = epochs(half, order[2:], data, tiny.examples)
    assert_equal(rest, whole)
    assert_equal({name: np.concatenate([early[name], late[name]]) for name in early}, history)


def test_the_noise_differs_from_step_to_step_and_from_key_to_key(tiny):
    # At a rate of zero nothing else could change the loss of the same batch.
    still = optax.sgd(0.0)
    state, step = init_state(of_seed(tiny.variables, 0), still), jax.jit(make_train_step(tiny.objective, still))
    batch = gather_batch(tiny.examples, of_seed(tiny.data.scaler, 0), jnp.arange(16))
    keys = [jax.random.fold_in(tiny.data.key[seed], index) for seed in range(2) for index in range(3)]
    losses = [float(step(state, batch, key)[1]["loss"]) for key in keys]
    assert len(set(losses)) == 6


def test_without_rows_to_monitor_there_are_no_validation_metrics_and_the_latest_is_kept(tiny):
    data = of_seed(tiny.data, 0)._replace(validation_rows=np.zeros(0, np.int32))
    epochs = jax.jit(make_train_epochs(tiny.objective, tiny.optimizer))
    first = init_progress(of_seed(tiny.variables, 0), tiny.optimizer)
    fit, history = epochs(first, tiny.orders[0], data, tiny.examples)
    assert set(history) == {"train_loss"}
    assert_equal(fit.best, fit.state.variables)


def test_best_holds_the_variables_of_the_epoch_of_lowest_validation_loss():
    # Four examples learned by heart: the validation loss falls and then rises.
    model = dense_autoencoder(ModelConfig(hidden=(32,), latent_dim=2, output="linear"), 6)
    objective = autoencoder_objective(model, squared_error)
    inputs = np.random.default_rng(3).normal(size=(40, 6)).astype(np.float32)
    examples = Examples(jnp.asarray(inputs), jnp.zeros(40, jnp.int32))
    none = Scaler(np.zeros(1, np.float32), np.ones(1, np.float32))
    data = SeedData(jax.random.key(0), none, np.arange(4, 40, dtype=np.int32))
    optimizer = optax.adam(0.03)
    epochs = jax.jit(make_train_epochs(objective, optimizer))
    fit, passed, losses = init_progress(jax.jit(model.init)(jax.random.key(1)), optimizer), [], []
    for _ in range(25):
        fit, history = epochs(fit, np.arange(4, dtype=np.int32)[None, None], data, examples)
        passed.append(fit.state.variables)
        losses.append(float(history["valid_loss"][0]))
    lowest = int(np.argmin(losses))
    assert 0 < lowest < 24
    assert_equal(fit.best, passed[lowest])
    assert fit.best_loss == np.float32(min(losses))


class TestDivergence:
    @staticmethod
    def poisoned(tiny, poisoned_epoch: int | None, value: float = np.nan, epochs: int = 4):
        """Seed 1 meets the poisoned row at the end of an epoch (from 1), or never."""
        orders = tiny.orders[:, :epochs].copy()
        if poisoned_epoch is not None:
            orders[1, poisoned_epoch - 1, -1, -1] = POISONED
        inputs = tiny.examples.inputs.at[POISONED].set(value)
        return run(tiny, orders, examples=tiny.examples._replace(inputs=inputs))

    @pytest.mark.parametrize("value", [np.nan, np.inf, 1e30], ids=["nan", "infinite", "overflows"])
    @pytest.mark.parametrize("epoch", [1, 3, 4])
    def test_the_seed_is_marked_with_the_epoch_and_keeps_what_it_had_before_it(self, tiny, epoch, value):
        fit, history = self.poisoned(tiny, epoch, value)
        np.testing.assert_array_equal(fit.diverged_epoch, [0, epoch, 0, 0])
        expected = of_seed(tiny.variables, 1)
        if epoch > 1:
            before, _ = self.poisoned(tiny, None, epochs=epoch - 1)
            expected = of_seed(before.state.variables, 1)
            assert fit.state.step[1] == before.state.step[1]
            assert_equal(of_seed(fit.best, 1), of_seed(before.best, 1))
        assert_equal(of_seed(fit.state.variables, 1), expected)
        for values in history.values():
            np.testing.assert_array_equal(np.isfinite(values[1]), np.arange(1, 5) < epoch)

    def test_its_neighbours_are_bit_equal_to_a_run_in_which_it_did_not_diverge(self, tiny):
        (fit, history), (calm, calm_history) = self.poisoned(tiny, 2), self.poisoned(tiny, None)
        np.testing.assert_array_equal(calm.diverged_epoch, 0)
        for seed in (0, 2, 3):
            assert_equal(of_seed((fit, history), seed), of_seed((calm, calm_history), seed))
        assert np.isfinite(calm_history["train_loss"]).all()

    def test_a_scaler_that_overflows_for_one_seed_stops_that_seed_in_its_first_epoch(self, tiny):
        scale = tiny.data.scaler.scale.copy()
        scale[1] = 1e38
        data = tiny.data._replace(scaler=tiny.data.scaler._replace(scale=scale))
        fit, _ = run(tiny, tiny.orders, data=data)
        np.testing.assert_array_equal(fit.diverged_epoch, [0, 1, 0, 0])
        assert_equal(of_seed(fit.state.variables, 1), of_seed(tiny.variables, 1))

    def test_a_rate_far_too_high_is_caught_and_leaves_finite_weights(self, tiny):
        wild = optax.sgd(1e20)
        fit, history = run(tiny, tiny.orders, optimizer=wild)
        np.testing.assert_array_equal(fit.diverged_epoch, 1)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(fit.state.variables))
        assert np.isnan(history["train_loss"]).all()
        assert np.isinf(fit.best_loss).all()


def test_rows_are_evaluated_one_and_all_whatever_their_number(tiny):
    scaler = of_seed(tiny.data.scaler, 0)
    rows = jnp.arange(1500, dtype=jnp.int32) % 49  # more than one portion, and a remainder
    found = map_rows(lambda batch: 2.0 * batch.inputs, tiny.examples, scaler, rows)
    np.testing.assert_array_equal(found, 2 * tiny.examples.inputs[rows])
