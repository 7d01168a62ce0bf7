"""What a training minimises, and what is watched meanwhile."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from aejax.data.batching import Batch
from aejax.models.submodules import Variables


class Aux(NamedTuple):
    """What a loss returns beside its value."""

    metrics: dict[str, Scalar]  # batch means by lower-case name
    batch_stats: dict[str, Any]  # of every part, as they are after this batch


ScalarLike = float | Scalar  # a constant, or a number that each of many runs carries
LossFn = Callable[[Variables, Batch, PRNGKeyArray], tuple[Scalar, Aux]]
EvaluateFn = Callable[[Variables, Batch], dict[str, Float[Array, " batch"]]]


class Objective(NamedTuple):
    """One way to train a model.

    `loss` is minimised, in training mode. `evaluate` gives each example's metrics in evaluation mode: clean inputs,
    stored batch statistics, no randomness; it has at least `loss`, in the same unit as the training loss.
    """

    loss: LossFn
    evaluate: EvaluateFn
