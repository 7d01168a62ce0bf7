"""A round of a stream is an epoch of the same batches, however it is cut into chunks."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from aejax.train.epoch import make_train_epochs
from aejax.train.rounds import make_round_functions
from aejax.train.state import init_progress


def of_seed(tree, seed: int):
    return jax.tree.map(lambda leaf: leaf[seed], tree)


def assert_close(here, there) -> None:
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6), here, there)


@functools.cache
def programs(objective, optimizer):
    return [
        jax.jit(function)
        for function in (lambda own: init_progress(own, optimizer), *make_round_functions(objective, optimizer))
    ]


def streamed(tiny, order, cuts, number, optimizer=None):
    """One seed's fit and metrics after a round of the examples at `order`, whose chunks end at `cuts`."""
    optimizer = optimizer or tiny.optimizer
    first, open_round, advance, end_round = programs(tiny.objective, optimizer)
    fit, data = first(of_seed(tiny.variables, 1)), of_seed(tiny.data, 1)
    inputs, running = tiny.examples.inputs[order], None
    for begin, end in zip([0, *cuts], cuts, strict=False):
        chunk = jnp.full(inputs.shape, 7, inputs.dtype).at[: end - begin].set(inputs[begin:end])
        running = open_round(fit, chunk, data) if running is None else running
        running = advance(running, chunk, jnp.asarray(end - begin), data)
    numbers = jnp.asarray(len(order)), jnp.asarray(number)
    return end_round(fit, running, *numbers, data, tiny.examples)


def test_a_round_is_an_epoch_of_the_same_batches(tiny):
    order, data = tiny.orders[1, 0], of_seed(tiny.data, 1)
    begin = jax.jit(lambda own: init_progress(own, tiny.optimizer))(of_seed(tiny.variables, 1))
    fit, metrics = jax.jit(make_train_epochs(tiny.objective, tiny.optimizer))(begin, order[None], data, tiny.examples)
    for cuts in ((3,), (2, 3), (1, 2, 3)):
        by_round, round_metrics = streamed(tiny, order, cuts, number=1)
        assert int(by_round.state.step) == len(order) == 3
        assert_close(by_round, fit)
        assert_close(round_metrics, {name: values[0] for name, values in metrics.items()})


def test_a_seed_that_diverges_keeps_the_state_from_before_the_round_and_names_the_round(tiny):
    fit, metrics = streamed(tiny, tiny.orders[1, 0], (2, 3), number=9, optimizer=optax.sgd(jnp.inf))
    assert int(fit.diverged_epoch) == 9
    assert int(fit.state.step) == 0
    assert all(np.isnan(value) for value in metrics.values())
