"""Rounds of a stream: the epoch's steps with its batches in hand, chunk by chunk; all seeds see the same batches."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, Shaped

from aejax.data.examples import Batch, Examples, spread
from aejax.data.scalers import scale
from aejax.objectives.objective import Objective
from aejax.train.epoch import Metrics, SeedData, end_epoch, make_step
from aejax.train.state import Fit, TrainState


class Running(NamedTuple):
    """A seed within a round."""

    state: TrainState
    sums: Metrics  # of each step's metrics since the round began


class Rounds(NamedTuple):
    """A round of one seed in three pure functions, to be laid over seeds by a plan."""

    begin: Callable[..., Running]
    advance: Callable[..., Running]
    end: Callable[..., tuple[Fit, Metrics]]


def make_rounds(objective: Objective, optimizer: optax.GradientTransformation) -> Rounds:
    """What `make_epochs` does of rows that are all on the device, of chunks as they come.

    Returns:
        `begin(fit, chunk, data)`, with a chunk for its shape only;
        `advance(running, chunk, steps, data)`, the first `steps` batches of a chunk `(steps, batch, d)`, one after the
        other; and `end(fit, running, steps, number, data, examples)`, with the fit from before the round, its steps
        and its number, from 1. A round counts as an epoch in all that is reported: see `make_epochs`.
    """
    step = make_step(objective, optimizer)

    def one(state: TrainState, inputs: Shaped[Array, "batch d"], data: SeedData) -> tuple[TrainState, Metrics]:
        batch = Batch(scale(data.scaler, spread(inputs)), jnp.zeros(inputs.shape[0], jnp.int32))
        return step(state, batch, jax.random.fold_in(data.key, state.step))

    def begin(fit: Fit, chunk: Shaped[Array, "steps batch d"], data: SeedData) -> Running:
        _, metrics = jax.eval_shape(one, fit.state, chunk[0], data)
        return Running(fit.state, {name: jnp.zeros(like.shape, like.dtype) for name, like in metrics.items()})

    def advance(
        running: Running, chunk: Shaped[Array, "steps batch d"], steps: Int[Array, ""], data: SeedData
    ) -> Running:
        def body(index: Int[Array, ""], before: Running) -> Running:
            state, metrics = one(before.state, jax.lax.dynamic_index_in_dim(chunk, index, keepdims=False), data)
            return Running(state, jax.tree.map(jnp.add, before.sums, metrics))

        return jax.lax.fori_loop(0, steps, body, running)

    def end(
        fit: Fit,
        running: Running,
        steps: Int[Array, ""],
        number: Int[Array, ""],
        data: SeedData,
        examples: Examples,
    ) -> tuple[Fit, Metrics]:
        means = jax.tree.map(lambda total: total / steps, running.sums)
        return end_epoch(objective, fit, running.state, means, number, data, examples)

    return Rounds(begin, advance, end)
