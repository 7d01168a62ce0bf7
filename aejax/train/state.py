"""What a training carries from step to step.

Shapes are those of one seed; a plan puts a seed axis in front of every leaf. Their constructors are not checked at
run time: JAX also builds these classes around things that are no arrays, such as argument descriptions.
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
    """Everything the next step depends on, beside its batch and its key."""

    variables: Variables
    opt_state: optax.OptState
    step: Int[Array, ""]  # steps taken


@no_type_check
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainProgress:
    """A training between two epochs."""

    state: TrainState  # after the last epoch that ended finite
    best: Variables  # after the epoch of lowest validation loss; the latest where there are no validation rows
    best_loss: Float[Array, ""]  # that loss; infinite before the first epoch
    diverged_epoch: Int[Array, ""]  # the first epoch, from 1, that ended with a loss or weight not finite; 0: none


def init_state(variables: Variables, optimizer: optax.GradientTransformation, step: int = 0) -> TrainState:
    """A state whose optimizer has taken no step; `step` counts those of trainings before this one."""
    opt_state = optimizer.init(variables["params"])
    return TrainState(variables=variables, opt_state=opt_state, step=jnp.asarray(step, jnp.int32))


def init_progress(
    variables: Variables,
    optimizer: optax.GradientTransformation,
    step: int = 0,
    diverged_epoch: Int[Array, ""] | None = None,
) -> TrainProgress:
    """A training before its first epoch; after one that diverged, it stays where that one stopped."""
    return TrainProgress(
        state=init_state(variables, optimizer, step),
        best=variables,
        best_loss=jnp.asarray(jnp.inf),
        diverged_epoch=jnp.zeros((), jnp.int32) if diverged_epoch is None else diverged_epoch,
    )
