"""The step and the epoch: pure functions of (state, data, key), written for one seed."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from aejax.data.batching import Batch, Examples, gather_batch, map_rows
from aejax.data.scalers import Scaler
from aejax.models.submodules import HYPERPARAMETERS
from aejax.objectives.objective import Aux, Objective
from aejax.train.state import TrainProgress, TrainState


class SeedData(NamedTuple):
    """What one seed brings to its training."""

    key: PRNGKeyArray  # of this seed's randomness within steps
    scaler: Scaler
    validation_rows: Int[Array, " n_monitor"]  # rows behind the validation metrics


Metrics = dict[str, Float[Array, "..."]]


def make_train_step(
    objective: Objective, optimizer: optax.GradientTransformation
) -> Callable[[TrainState, Batch, PRNGKeyArray], tuple[TrainState, Metrics]]:
    """One update: gradient, optimizer, apply. Settings that the variables carry reach the optimizer as `hyper`."""
    update = optax.with_extra_args_support(optimizer).update

    def step(state: TrainState, batch: Batch, key: PRNGKeyArray) -> tuple[TrainState, Metrics]:
        params = state.variables["params"]

        def loss_of(params: dict[str, Any]) -> tuple[Scalar, Aux]:
            return objective.loss({**state.variables, "params": params}, batch, key)

        gradient, aux = jax.grad(loss_of, has_aux=True)(params)
        updates, opt_state = update(gradient, state.opt_state, params, hyper=state.variables.get(HYPERPARAMETERS))
        updated = {"params": optax.apply_updates(params, updates), "batch_stats": aux.batch_stats}
        variables = {**state.variables, **updated}
        return TrainState(variables=variables, opt_state=opt_state, step=state.step + 1), aux.metrics

    return step


def mean_metrics(
    objective: Objective, state: TrainState, examples: Examples, scaler: Scaler, rows: Int[Array, " m"]
) -> Metrics:
    """Mean of each evaluation metric over `rows`; empty if there are no rows."""
    if rows.shape[0] == 0:
        return {}
    per_example = map_rows(lambda batch: objective.evaluate(state.variables, batch), examples, scaler, rows)
    return {name: jnp.mean(values) for name, values in per_example.items()}


def all_finite(tree: Any) -> Bool[Array, ""]:
    """Whether every number of every leaf is finite."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


def make_train_epochs(
    objective: Objective, optimizer: optax.GradientTransformation
) -> Callable[[TrainProgress, Int[Array, "epochs steps batch"], SeedData, Examples], tuple[TrainProgress, Metrics]]:
    """Several epochs of one seed as one pure function, to be laid over seeds by a plan.

    Returned metrics are `train_*` (mean over the epoch's steps) and `valid_*` (after the epoch), each `(epochs,)`.
    A seed whose loss or weights stop being finite keeps the state from before that epoch, trains no further, and
    reports NaN from then on.
    """
    step = make_train_step(objective, optimizer)

    def epoch(
        fit: TrainProgress, order: Int[Array, "steps batch"], data: SeedData, examples: Examples
    ) -> tuple[TrainProgress, Metrics]:
        def body(state: TrainState, rows: Int[Array, " batch"]) -> tuple[TrainState, Metrics]:
            return step(state, gather_batch(examples, data.scaler, rows), jax.random.fold_in(data.key, state.step))

        state, metrics = jax.lax.scan(body, fit.state, order)
        means = {name: jnp.mean(values) for name, values in metrics.items()}
        return end_epoch(objective, fit, state, means, state.step // order.shape[0], data, examples)

    def epochs(
        fit: TrainProgress, orders: Int[Array, "epochs steps batch"], data: SeedData, examples: Examples
    ) -> tuple[TrainProgress, Metrics]:
        return jax.lax.scan(lambda fit, order: epoch(fit, order, data, examples), fit, orders)

    return epochs


def end_epoch(
    objective: Objective,
    progress: TrainProgress,
    state: TrainState,
    means: Metrics,
    epoch: Int[Array, ""],
    data: SeedData,
    examples: Examples,
) -> tuple[TrainProgress, Metrics]:
    """The fit after an epoch's steps, and what is reported of it; see `make_epochs`.

    Args:
        objective: whose metrics of the monitored rows are reported.
        fit: before the epoch.
        state: after its steps.
        means: each metric's mean over the steps.
        epoch: its number, from 1.
        data: what the seed brings.
        examples: of the monitored rows.
    """
    trained = {f"train_{name}": value for name, value in means.items()}
    valid = mean_metrics(objective, state, examples, data.scaler, data.validation_rows)
    healthy = (progress.diverged_epoch == 0) & all_finite((trained, state))
    history = {**trained, **{f"valid_{name}": value for name, value in valid.items()}}
    return _update_progress(progress, state, valid.get("loss"), healthy, epoch), {
        name: jnp.where(healthy, value, jnp.nan) for name, value in history.items()
    }


def _update_progress(
    progress: TrainProgress,
    state: TrainState,
    valid_loss: Scalar | None,
    is_finite: Bool[Array, ""],
    epoch: Int[Array, ""],
) -> TrainProgress:
    """The fit after an epoch: forward if it was healthy, else as it was, and marked."""
    loss = jnp.zeros(()) if valid_loss is None else valid_loss
    better = is_finite & (True if valid_loss is None else loss < progress.best_loss)

    def keep(condition: Bool[Array, ""], new: Any, old: Any) -> Any:
        return jax.lax.cond(condition, lambda: new, lambda: old)

    first_failure = (progress.diverged_epoch == 0) & ~is_finite
    return TrainProgress(
        state=keep(is_finite, state, progress.state),
        best=keep(better, state.variables, progress.best),
        best_loss=jnp.where(better, loss, progress.best_loss),
        diverged_epoch=jnp.where(first_failure, epoch, progress.diverged_epoch),
    )
