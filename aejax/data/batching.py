"""Examples as they lie on the device, and how a few or all of them are taken up."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float, Int, Shaped

from aejax.data.scalers import Scaler, apply_scaler

Result = TypeVar("Result")
EVALUATION_BATCH_SIZE = 1024  # examples evaluated at once; bounds the activations kept
DATA_AXIS = "data"  # of a mesh: the devices that share each batch


class Examples(NamedTuple):
    """A whole dataset on the device, the same for every seed."""

    inputs: Shaped[Array, "n d"]  # flat, in storage dtype
    labels: Int[Array, " n"]


class Batch(NamedTuple):
    """Examples of one step."""

    inputs: Float[Array, "batch d"]  # scaled
    labels: Int[Array, " batch"]  # autoencoders do not look


def gather_batch(examples: Examples, scaler: Scaler, rows: Int[Array, " batch"]) -> Batch:
    """The examples at `rows`, gathered in storage dtype and then scaled, so that only they are widened."""
    rows = shard_batch(rows)
    inputs = apply_scaler(scaler, jnp.take(examples.inputs, rows, axis=0, mode="clip"))
    return Batch(inputs, jnp.take(examples.labels, rows, mode="clip"))


def shard_batch(batch: Shaped[Array, "batch *rest"]) -> Shaped[Array, "batch *rest"]:
    """A batch laid over the devices that share it, where the mesh around has several for that and they divide it."""
    devices = jax.sharding.get_abstract_mesh().shape.get(DATA_AXIS, 1)
    if devices == 1 or batch.shape[0] % devices:
        return batch
    return jax.lax.with_sharding_constraint(batch, PartitionSpec(DATA_AXIS))


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
        return jax.tree.map(lambda leaf: leaf[0], function(gather_batch(examples, scaler, row[None])))

    return jax.lax.map(of_one, rows, batch_size=min(EVALUATION_BATCH_SIZE, rows.shape[0]))
