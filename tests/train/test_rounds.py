"""A round of a stream equals an epoch of the same batches, however it is divided into chunks."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.train.epoch import make_train_epochs
from aejax.train.rounds import make_round_functions
from aejax.train.state import init_progress
from tests.train.conftest import assert_close, of_seed


@functools.cache
def compiled_functions(objective, optimizer):
    return [jax.jit(function) for function in make_round_functions(objective, optimizer)]


def train_round(tiny, inputs, chunk_ends, epoch, weight_factor=1.0):
    """Seed 1's progress and metrics after a round on batches of inputs; the last step multiplies the weights."""
    begin, advance, end = compiled_functions(tiny.objective, tiny.optimizer)
    progress, data = init_progress(of_seed(tiny.variables, 1), tiny.optimizer), of_seed(tiny.data, 1)
    state = None
    for first, last in zip([0, *chunk_ends], chunk_ends, strict=False):
        chunk = jnp.full(inputs.shape, 7, inputs.dtype).at[: last - first].set(inputs[first:last])
        state = begin(progress, chunk, data) if state is None else state
        state = advance(state, chunk, jnp.asarray(last - first), data)
    variables = jax.tree.map(lambda leaf: leaf * weight_factor, state.state.variables)
    state = state._replace(state=dataclasses.replace(state.state, variables=variables))
    return end(progress, state, jnp.asarray(len(inputs)), jnp.asarray(epoch), data, tiny.examples)


def test_a_round_equals_an_epoch_of_the_same_batches(tiny):
    order, data = tiny.orders[1, 0], of_seed(tiny.data, 1)
    start = init_progress(of_seed(tiny.variables, 1), tiny.optimizer)
    train = jax.jit(make_train_epochs(tiny.objective, tiny.optimizer))
    progress, metrics = train(start, order[None], data, tiny.examples)
    for chunk_ends in ((3,), (2, 3), (1, 2, 3)):
        round_progress, round_metrics = train_round(tiny, tiny.examples.inputs[order], chunk_ends, epoch=1)
        assert int(round_progress.state.step) == len(order) == 3
        assert_close(round_progress, progress, rtol=2e-5, atol=2e-6)
        assert_close(round_metrics, of_seed(metrics, 0), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("value", "weight_factor"), [(jnp.inf, 1.0), (0.5, jnp.inf)], ids=["loss", "weights alone"])
def test_a_seed_that_diverges_keeps_the_state_from_before_the_round(tiny, value, weight_factor):
    inputs = tiny.examples.inputs[tiny.orders[1, 0]].at[1, 0].set(value)
    progress, metrics = train_round(tiny, inputs, (2, 3), 9, weight_factor)
    assert int(progress.diverged_epoch) == 9
    assert int(progress.state.step) == 0
    assert all(np.isnan(value) for value in metrics.values())
