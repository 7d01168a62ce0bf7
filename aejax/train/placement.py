"""Moves arrays between the hosts and the devices of a mesh, which may belong to several processes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding


def put(array: Any, sharding: NamedSharding) -> jax.Array:
    """Returns an array with the given sharding; every process holds all of `array` and puts its own part."""
    if sharding.is_fully_addressable:
        return jax.device_put(array, sharding)
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        return _wrap_key_data(put(jax.random.key_data(array), sharding))
    values = np.asarray(array)
    return jax.make_array_from_callback(values.shape, sharding, lambda index: values[index])


def to_numpy(array: Any) -> np.ndarray:
    """Returns all of an array on the host of every process, which must all call this together."""
    if isinstance(array, jax.Array) and not array.is_fully_addressable:
        if array.is_fully_replicated:
            return np.asarray(array.addressable_data(0))
        return np.asarray(multihost_utils.process_allgather(array, tiled=True))
    if not isinstance(array, jax.Array) or len(array.addressable_shards) == 1 or array.is_fully_replicated:
        return np.asarray(array)
    if array.size == 0:  # without jit, the shards of an empty array have its whole shape
        return np.empty(array.shape, array.dtype)
    host = np.empty(array.shape, array.dtype)  # a jax.Array would keep the copy that np.asarray makes of its shards
    for shard in array.addressable_shards:
        host[shard.index] = shard.data
    return host


def repeat_last(array: Any, times: int) -> Any:
    """Returns an array with its last entry repeated `times` more times."""
    if times == 0:
        return array
    array = jnp.asarray(array)
    return jnp.concatenate([array, jnp.repeat(array[-1:], times, axis=0)])


@jax.jit
def _wrap_key_data(data: jax.Array) -> jax.Array:
    return jax.random.wrap_key_data(data)
