"""Rounds of a stream: the epoch's steps with its batches in hand, chunk by chunk; all seeds see the same batches."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, Shaped

from aejax.data.batching import Batch, Examples, shard_batch
from aejax.data.scalers import apply_scaler
from aejax.objectives.objective import Objective
from aejax.train.epoch import Metrics, SeedData, end_epoch, make_train_step
from aejax.train.state import TrainProgress, TrainState


class RoundState(NamedTuple):
    """A seed within a round."""

    state: TrainState
    metric_sums: Metrics  # of each step's metrics since the round began


class RoundFunctions(NamedTuple):
    """A round of one seed in three pure functions, to be laid over seeds by a plan."""

    begin: Callable[..., RoundState]
    advance: Callable[..., RoundState]
    end: Callable[..., tuple[TrainProgress, Metrics]]


def make_round_functions(objective: Objective, optimizer: optax.GradientTransformation) -> RoundFunctions:
    """What `make_epochs` does of rows that are all on the device, of chunks as they come.

    Returns:
        `begin(fit, chunk, data)`, with a chunk for its shape only;
        `advance(running, chunk, steps, data)`, the first `steps` batches of a chunk `(steps, batch, d)`, one after the
        other; and `end(fit, running, steps, number, data, examples)`, with the fit from before the round, its steps
        and its number, from 1. A round counts as an epoch in all that is reported: see `make_epochs`.
    """
    step = make_train_step(objective, optimizer)

    def one(state: TrainState, inputs: Shaped[Array, "batch d"], data: SeedData) -> tuple[TrainState, Metrics]:
        batch = Batch(apply_scaler(data.scaler, shard_batch(inputs)), jnp.zeros(inputs.shape[0], jnp.int32))
        return step(state, batch, jax.random.fold_in(data.key, state.step))

    def begin(fit: TrainProgress, chunk: Shaped[Array, "steps batch d"], data: SeedData) -> RoundState:
        _, metrics = jax.eval_shape(one, fit.state, chunk[0], data)
        return RoundState(fit.state, {name: jnp.zeros(like.shape, like.dtype) for name, like in metrics.items()})

    def advance(
        running: RoundState, chunk: Shaped[Array, "steps batch d"], steps: Int[Array, ""], data: SeedData
    ) -> RoundState:
        def body(index: Int[Array, ""], before: RoundState) -> RoundState:
            state, metrics = one(before.state, jax.lax.dynamic_index_in_dim(chunk, index, keepdims=False), data)
            return RoundState(state, jax.tree.map(jnp.add, before.metric_sums, metrics))

        return jax.lax.fori_loop(0, steps, body, running)

    def end(
        fit: TrainProgress,
        running: RoundState,
        steps: Int[Array, ""],
        number: Int[Array, ""],
        data: SeedData,
        examples: Examples,
    ) -> tuple[TrainProgress, Metrics]:
        means = jax.tree.map(lambda total: total / steps, running.metric_sums)
        return end_epoch(objective, fit, running.state, means, number, data, examples)

    return RoundFunctions(begin, advance, end)
