"""Examples on a device, and how batches are gathered from them."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float, Int, Shaped

from aejax.data.scalers import Scaler, apply_scaler

Result = TypeVar("Result")
EVALUATION_BATCH_SIZE = 1024  # limits the memory that activations take
DATA_AXIS = "data"  # mesh axis of the devices that share each batch


class Examples(NamedTuple):
    """A dataset on the device, shared by all seeds."""

    inputs: Shaped[Array, "n d"]  # flat, in storage dtype
    labels: Int[Array, " n"]


class Batch(NamedTuple):
    """The examples of one step."""

    inputs: Float[Array, "batch d"]  # scaled
    labels: Int[Array, " batch"]  # unused by autoencoders


def gather_batch(examples: Examples, scaler: Scaler, rows: Int[Array, " batch"]) -> Batch:
    """Gathers the examples at `rows` in storage dtype and then scales them, so that only the batch is float32."""
    rows = shard_batch(rows)
    inputs = apply_scaler(scaler, jnp.take(examples.inputs, rows, axis=0, mode="clip"))
    return Batch(inputs, jnp.take(examples.labels, rows, mode="clip"))


def shard_batch(batch: Shaped[Array, "batch *rest"]) -> Shaped[Array, "batch *rest"]:
    """Shards a batch over the data axis of the current mesh if the number of devices divides its size."""
    devices = jax.sharding.get_abstract_mesh().shape.get(DATA_AXIS, 1)
    if devices == 1 or batch.shape[0] % devices:
        return batch
    return jax.lax.with_sharding_constraint(batch, PartitionSpec(DATA_AXIS))


def map_rows(function: Callable[[Batch], Result], examples: Examples, scaler: Scaler, rows: Int[Array, " m"]) -> Result:
    """Applies `function` to the examples at `rows` (at least one), in batches of `EVALUATION_BATCH_SIZE`.

    `function` maps a batch to results with a leading batch axis and treats its examples independently; `scaler` is that
    of one seed. The returned results have a leading axis of size `m`.
    """

    def apply_to_row(row: Int[Array, ""]) -> Result:
        return jax.tree.map(lambda leaf: leaf[0], function(gather_batch(examples, scaler, row[None])))

    return jax.lax.map(apply_to_row, rows, batch_size=min(EVALUATION_BATCH_SIZE, rows.shape[0]))
