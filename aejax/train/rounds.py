"""Rounds of a streamed training: like epochs, but batches arrive in chunks and are shared by all seeds."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, Shaped

from aejax.data.batching import Batch, Examples, shard_batch
from aejax.data.scalers import apply_scaler
from aejax.objectives.objective import Objective
from aejax.train.epoch import EpochSteps, Metrics, SeedData, end_epoch, make_train_step
from aejax.train.state import TrainProgress, TrainState


class RoundState(NamedTuple):
    """One seed within a round."""

    state: TrainState
    metric_sums: Metrics  # over the steps of the round


class RoundFunctions(NamedTuple):
    """The pure functions of one seed that make up a round; a plan maps them over seeds."""

    begin: Callable[..., RoundState]
    advance: Callable[..., RoundState]
    end: Callable[..., tuple[TrainProgress, Metrics]]


def make_round_functions(objective: Objective, optimizer: optax.GradientTransformation) -> RoundFunctions:
    """Returns the counterpart of `make_train_epochs` for batches that arrive in chunks `(steps, batch, d)`.

    Returns:
        `begin(progress, chunk, data)`, which uses the shape of a chunk only;
        `advance(round_state, chunk, n_steps, data)`, which trains on the first `n_steps` batches of a chunk;
        `end(progress, round_state, n_steps, epoch, data, examples)`, with the progress from before the round, its
        number of steps, and its number, from 1. Metrics count a round as an epoch.
    """
    train_step = make_train_step(objective, optimizer)

    def step_on_inputs(
        state: TrainState, inputs: Shaped[Array, "batch d"], data: SeedData
    ) -> tuple[TrainState, Metrics]:
        batch = Batch(apply_scaler(data.scaler, shard_batch(inputs)), jnp.zeros(inputs.shape[0], jnp.int32))
        return train_step(state, batch, jax.random.fold_in(data.key, state.step))

    def begin(progress: TrainProgress, chunk: Shaped[Array, "steps batch d"], data: SeedData) -> RoundState:
        _, metrics = jax.eval_shape(step_on_inputs, progress.state, chunk[0], data)
        return RoundState(
            progress.state, {name: jnp.zeros(value.shape, value.dtype) for name, value in metrics.items()}
        )

    def advance(
        round_state: RoundState, chunk: Shaped[Array, "steps batch d"], n_steps: Int[Array, ""], data: SeedData
    ) -> RoundState:
        def body(index: Int[Array, ""], carry: RoundState) -> RoundState:
            inputs = jax.lax.dynamic_index_in_dim(chunk, index, keepdims=False)
            state, metrics = step_on_inputs(carry.state, inputs, data)
            return RoundState(state, jax.tree.map(jnp.add, carry.metric_sums, metrics))

        return jax.lax.fori_loop(0, n_steps, body, round_state)

    def end(
        progress: TrainProgress,
        round_state: RoundState,
        n_steps: Int[Array, ""],
        epoch: Int[Array, ""],
        data: SeedData,
        examples: Examples,
    ) -> tuple[TrainProgress, Metrics]:
        means = jax.tree.map(lambda total: total / n_steps, round_state.metric_sums)
        return end_epoch(objective, progress, EpochSteps(round_state.state, means, epoch), data, examples)

    return RoundFunctions(begin, advance, end)
