"""The training step and epoch of one seed: pure functions of state, data and key."""

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
    """The data of a training that differ between seeds."""

    key: PRNGKeyArray  # of the randomness within steps
    scaler: Scaler
    validation_rows: Int[Array, " n_valid"]  # of the examples; rows of the validation metrics
    last_epoch: Int[Array, ""] | None = None  # the state stays as it is after this epoch; None: it never does


Metrics = dict[str, Float[Array, "..."]]


class EpochSteps(NamedTuple):
    """The outcome of an epoch's steps."""

    state: TrainState  # after the last step
    mean_metrics: Metrics  # each metric's mean over the steps
    epoch: Int[Array, ""]  # counted from 1


def make_train_step(
    objective: Objective, optimizer: optax.GradientTransformation
) -> Callable[[TrainState, Batch, PRNGKeyArray], tuple[TrainState, Metrics]]:
    """Returns the update of one batch: gradient, optimizer, apply.

    Hyperparameters among the variables are passed to the optimizer as `hyper`.
    """
    update = optax.with_extra_args_support(optimizer).update

    def step(state: TrainState, batch: Batch, key: PRNGKeyArray) -> tuple[TrainState, Metrics]:
        params = state.variables["params"]

        def loss_fn(params: dict[str, Any]) -> tuple[Scalar, Aux]:
            return objective.loss({**state.variables, "params": params}, batch, key)

        gradient, aux = jax.grad(loss_fn, has_aux=True)(params)
        with jax.named_scope("optimizer"):
            updates, opt_state = update(gradient, state.opt_state, params, hyper=state.variables.get(HYPERPARAMETERS))
            new_params = optax.apply_updates(params, updates)
        variables = {**state.variables, "params": new_params, "batch_stats": aux.batch_stats}
        return TrainState(variables=variables, opt_state=opt_state, step=state.step + 1), aux.metrics

    return step


def mean_metrics(
    objective: Objective, state: TrainState, examples: Examples, scaler: Scaler, rows: Int[Array, " m"]
) -> Metrics:
    """Returns the mean of each evaluation metric over `rows`, in float32; empty if there are no rows."""
    if rows.shape[0] == 0:
        return {}
    per_example = map_rows(lambda batch: objective.evaluate(state.variables, batch), examples, scaler, rows)
    return {name: jnp.mean(values).astype(jnp.float32) for name, values in per_example.items()}


def all_finite(tree: Any) -> Bool[Array, ""]:
    """Returns whether every number of every leaf is finite."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


def make_train_epochs(
    objective: Objective, optimizer: optax.GradientTransformation
) -> Callable[[TrainProgress, Int[Array, "epochs steps batch"], SeedData, Examples], tuple[TrainProgress, Metrics]]:
    """Returns a pure function that trains one seed for several epochs; a plan maps it over seeds.

    Its metrics are `train_*` (mean over the epoch's steps) and `valid_*` (after the epoch), each `(epochs,)`. A seed
    whose loss or weights become non-finite keeps the state from before that epoch, is not trained any further, and
    reports NaN from then on, as does one after its last epoch.
    """
    step = make_train_step(objective, optimizer)

    def epoch(
        progress: TrainProgress, order: Int[Array, "steps batch"], data: SeedData, examples: Examples
    ) -> tuple[TrainProgress, Metrics]:
        def step_on_rows(state: TrainState, rows: Int[Array, " batch"]) -> tuple[TrainState, Metrics]:
            with jax.named_scope("batch"):
                batch = gather_batch(examples, data.scaler, rows)
            return step(state, batch, jax.random.fold_in(data.key, state.step))

        state, metrics = jax.lax.scan(step_on_rows, progress.state, order)
        means = {name: jnp.mean(values) for name, values in metrics.items()}
        return end_epoch(objective, progress, EpochSteps(state, means, state.step // order.shape[0]), data, examples)

    def epochs(
        progress: TrainProgress, orders: Int[Array, "epochs steps batch"], data: SeedData, examples: Examples
    ) -> tuple[TrainProgress, Metrics]:
        return jax.lax.scan(lambda progress, order: epoch(progress, order, data, examples), progress, orders)

    return epochs


def end_epoch(
    objective: Objective, progress: TrainProgress, steps: EpochSteps, data: SeedData, examples: Examples
) -> tuple[TrainProgress, Metrics]:
    """Returns the progress after an epoch's steps, and its metrics; `progress` is that before the epoch.

    See `make_train_epochs`.
    """
    trained = {f"train_{name}": value.astype(jnp.float32) for name, value in steps.mean_metrics.items()}
    valid = mean_metrics(objective, steps.state, examples, data.scaler, data.validation_rows)
    is_trained = (progress.diverged_epoch == 0) & (True if data.last_epoch is None else steps.epoch <= data.last_epoch)
    is_finite = all_finite((trained, steps.state))
    is_new = is_trained & is_finite
    loss = valid.get("loss", jnp.zeros((), jnp.float32))
    is_best = is_new & (loss < progress.best_loss if "loss" in valid else True)

    def select(condition: Bool[Array, ""], new: Any, old: Any) -> Any:
        return jax.lax.cond(condition, lambda: new, lambda: old)

    metrics = {**trained, **{f"valid_{name}": value for name, value in valid.items()}}
    return TrainProgress(
        state=select(is_new, steps.state, progress.state),
        best=select(is_best, steps.state.variables, progress.best),
        best_loss=jnp.where(is_best, loss, progress.best_loss),
        diverged_epoch=jnp.where(is_trained & ~is_finite, steps.epoch, progress.diverged_epoch),
    ), {name: jnp.where(is_new, value, jnp.nan) for name, value in metrics.items()}
