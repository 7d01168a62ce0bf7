"""The interface of training objectives."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from aejax.data.batching import Batch
from aejax.models.submodules import Variables


class Aux(NamedTuple):
    """Auxiliary outputs of a loss."""

    metrics: dict[str, Scalar]  # batch means by lower-case name
    batch_stats: dict[str, Any]  # of every submodule, updated by this batch


ScalarLike = float | Scalar  # a constant, or a traced hyperparameter
LossFn = Callable[[Variables, Batch, PRNGKeyArray], tuple[Scalar, Aux]]
EvaluateFn = Callable[[Variables, Batch], dict[str, Float[Array, " batch"]]]


class Objective(NamedTuple):
    """A training loss and its evaluation.

    `loss` is minimised, in training mode. `evaluate` returns metrics of each example in evaluation mode (clean inputs,
    stored batch statistics, no randomness), among them `loss` in the unit of the training loss.
    """

    loss: LossFn
    evaluate: EvaluateFn
