"""Examples as they lie on the device, and how a few or all of them are taken up."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from aejax.data.scalers import Scaler, scale

Result = TypeVar("Result")
EVALUATION_BATCH = 1024  # examples evaluated at once; bounds the activations kept


class Examples(NamedTuple):
    """A whole dataset on the device, the same for every seed."""

    inputs: Shaped[Array, "n d"]  # flat, in storage dtype
    labels: Int[Array, " n"]


class Batch(NamedTuple):
    """Examples of one step."""

    inputs: Float[Array, "batch d"]  # scaled
    labels: Int[Array, " batch"]  # autoencoders do not look


def take(examples: Examples, scaler: Scaler, rows: Int[Array, " batch"]) -> Batch:
    """The examples at `rows`, gathered in storage dtype and then scaled, so that only they are widened."""
    inputs = scale(scaler, jnp.take(examples.inputs, rows, axis=0, mode="clip"))
    return Batch(inputs, jnp.take(examples.labels, rows, mode="clip"))


def map_rows(function: Callable[[Batch], Result], examples: Examples, scaler: Scaler, rows: Int[Array, " m"]) -> Result:
    """`function` of all of `rows`, `EVALUATION_BATCH` at a time.

    Args:
        function: of a batch, treating its examples independently; every result has a leading batch axis.
        examples: the dataset.
        scaler: one seed's.
        rows: which examples; at least one.

    Returns:
        The results with a leading axis of `m`.
    """

    def of_one(row: Int[Array, ""]) -> Result:
        return jax.tree.map(lambda leaf: leaf[0], function(take(examples, scaler, row[None])))

    return jax.lax.map(of_one, rows, batch_size=min(EVALUATION_BATCH, rows.shape[0]))
