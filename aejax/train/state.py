"""The state of a training, within an epoch and between epochs.

Shapes are those of one seed; a plan puts a seed axis in front of every leaf. Types are not checked at run time, because
JAX also constructs these classes with leaves that are no arrays, such as shapes. Checkpoints contain the field names.
"""

import dataclasses
from typing import no_type_check

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from aejax.models.submodules import Variables


@no_type_check
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainState:
    """Everything that the next step depends on, except its batch and key."""

    variables: Variables
    opt_state: optax.OptState
    step: Int[Array, ""]  # number of steps taken


@no_type_check
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainProgress:
    """A training between two epochs, with the best variables so far."""

    state: TrainState  # after the last epoch that ended with finite loss and weights
    best: Variables  # after the epoch of lowest validation loss; without validation rows, the latest
    best_loss: Float[Array, ""]  # the lowest validation loss; infinite before the first epoch
    diverged_epoch: Int[Array, ""]  # first epoch, from 1, that ended with a non-finite loss or weight; 0: none


def init_state(variables: Variables, optimizer: optax.GradientTransformation, step: int = 0) -> TrainState:
    """Returns a state with a fresh optimizer; `step` counts the steps of earlier stages."""
    opt_state = optimizer.init(variables["params"])
    return TrainState(variables=variables, opt_state=opt_state, step=jnp.asarray(step, jnp.int32))


def init_progress(
    variables: Variables,
    optimizer: optax.GradientTransformation,
    step: int = 0,
    diverged_epoch: Int[Array, ""] | None = None,
) -> TrainProgress:
    """Returns a training before its first epoch; a stage after one that diverged counts as diverged too."""
    return TrainProgress(
        state=init_state(variables, optimizer, step),
        best=variables,
        best_loss=jnp.asarray(jnp.inf, jnp.float32),
        diverged_epoch=jnp.zeros((), jnp.int32) if diverged_epoch is None else diverged_epoch,
    )
