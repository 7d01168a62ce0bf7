"""The plan of seeds and batches over devices: a function of one seed becomes a function of all seeds.

Devices form a mesh, which may belong to several processes; arrays are moved between it and the hosts.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int

from aejax.config import PlanConfig
from aejax.data.batching import DATA_AXIS
from aejax.errors import require

SEED_AXIS = "seed"


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


@dataclasses.dataclass(frozen=True)
class Plan:
    """Seeds along one axis of a device mesh, the examples of each batch along the other.

    Several seeds on one device are vmapped, or trained one after the other. The mesh may span processes: each process
    then holds a part of every seeded array, and `to_host` returns all of it to all of them.
    """

    mesh: Mesh  # (seed, data)
    seeds: int
    within_device: Literal["vmap", "serial"]

    @property
    def n_padded_seeds(self) -> int:
        """Number of seeds, with the last one repeated until the devices divide them."""
        rows = self.mesh.shape[SEED_AXIS]
        return math.ceil(self.seeds / rows) * rows

    def describe(self) -> str:
        """Returns one phrase for the results."""
        rows, columns = self.mesh.shape[SEED_AXIS], self.mesh.shape[DATA_AXIS]
        platform = self.mesh.devices.flat[0].platform
        together = f", {columns} of them to a batch" if columns > 1 else ""
        processes = len({device.process_index for device in self.mesh.devices.flat})
        where = f" of {processes} processes" if processes > 1 else ""
        seeds = f"{self.seeds} seeds over {rows * columns} {platform} device(s){where}{together}"
        return f"{seeds}, {self.within_device} within a device"

    def chunks(self) -> list["SeedChunk"]:
        """Returns the seeds in groups that are computed together: all under vmap, else one per row of devices.

        A caller can free what a chunk left on the devices before the next. All chunks have one size, so that one
        compiled function serves them all.
        """
        if self.within_device == "vmap":
            return [SeedChunk(self, np.arange(self.seeds))]
        rows = self.mesh.shape[SEED_AXIS]
        plan = dataclasses.replace(self, seeds=rows)
        return [
            SeedChunk(plan, np.minimum(np.arange(first, first + rows), self.seeds - 1))
            for first in range(0, self.seeds, rows)
        ]

    def concatenate(self, parts: Sequence[Any]) -> Any:
        """Joins what `to_host` returned for each chunk."""
        return jax.tree.map(lambda *leaves: np.concatenate(leaves)[: self.seeds], *parts)

    def shard(self, tree: Any) -> Any:
        """Puts arrays with a leading seed axis on the devices, padded and divided by seeds."""
        sharding, pad = NamedSharding(self.mesh, PartitionSpec(SEED_AXIS)), self.n_padded_seeds - self.seeds
        return jax.tree.map(lambda x: put(repeat_last(x, pad), sharding), tree)

    def replicate(self, tree: Any) -> Any:
        """Puts a copy of arrays without a seed axis on every device."""
        sharding = NamedSharding(self.mesh, PartitionSpec())
        return jax.tree.map(lambda x: put(x, sharding), tree)

    def local_slice(self, batch: int) -> slice:
        """Returns the part of each batch that this process's devices need: all, unless processes share batches."""
        if batch % self.mesh.shape[DATA_AXIS]:
            return slice(0, batch)
        sharding = NamedSharding(self.mesh, PartitionSpec(DATA_AXIS))
        needed = sharding.addressable_devices_indices_map((batch,)).values()
        spans = [index[0].indices(batch) for index in needed if index is not None]
        return slice(min(span[0] for span in spans), max(span[1] for span in spans))

    def shard_batches(self, local_batches: np.ndarray, batch: int) -> jax.Array:
        """Puts batches `(steps, batch, ...)` that all seeds share on the devices.

        Args:
            local_batches: `(steps, local batch, ...)`, this process's `local_slice` of each batch.
            batch: examples in a batch, over all processes.
        """
        divides = batch % self.mesh.shape[DATA_AXIS] == 0
        sharding = NamedSharding(self.mesh, PartitionSpec(None, DATA_AXIS) if divides else PartitionSpec())
        if sharding.is_fully_addressable:
            return jax.device_put(local_batches, sharding)
        shape = (local_batches.shape[0], batch, *local_batches.shape[2:])
        return jax.make_array_from_process_local_data(sharding, local_batches, shape)

    def to_host(self, tree: Any) -> Any:
        """Returns seeded arrays as NumPy, without padding, on the hosts of all processes."""
        return jax.tree.map(lambda x: to_numpy(x)[: self.seeds], tree)

    def host_shapes(self, tree: Any) -> Any:
        """Returns the shapes and dtypes that `to_host` returns for seeded arrays or `ShapeDtypeStruct`s."""
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((self.seeds, *x.shape[1:]), x.dtype), tree)

    def map_seeds(
        self,
        function: Callable[..., Any],
        *,
        replicated_argnums: tuple[int, ...] = (),
        donate_argnums: tuple[int, ...] = (),
    ) -> Callable[..., Any]:
        """Returns a jitted function of all seeds that applies a function of one seed to each.

        Args:
            function: pure; its arguments and results are pytrees of arrays.
            replicated_argnums: positions of the arguments that have no seed axis.
            donate_argnums: positions of the arguments whose memory the result may reuse; (0,) if the function returns
                a pair whose first part has the shapes of the first argument.
        """

        def on_one_device(*args: Any) -> Any:
            seeded = {i: arg for i, arg in enumerate(args) if i not in replicated_argnums}

            def of_one_seed(seed_args: dict[int, Any]) -> Any:
                return function(*(seed_args.get(i, arg) for i, arg in enumerate(args)))

            if self.within_device == "vmap":
                return jax.vmap(of_one_seed)(seeded)
            if donate_argnums == (0,):
                return _map_in_place(of_one_seed, seeded)
            return jax.lax.map(of_one_seed, seeded)

        # Without jit, shard_map compiles every operation each time.
        if jax.config.jax_disable_jit and self.mesh.size == 1:  # type: ignore[attr-defined]
            return on_one_device

        def on_all_devices(*args: Any) -> Any:
            specs = [PartitionSpec() if i in replicated_argnums else PartitionSpec(SEED_AXIS) for i in range(len(args))]
            return jax.shard_map(
                on_one_device,
                mesh=self.mesh,
                in_specs=tuple(specs),
                out_specs=PartitionSpec(SEED_AXIS),
                axis_names=self._manual_axes,
                check_vma=False,
            )(*args)

        on_all_devices.__name__ = getattr(function, "__name__", "on_all_devices")  # in profiles and logs of compilation
        return jax.jit(on_all_devices, donate_argnums=donate_argnums)

    @property
    def _manual_axes(self) -> set[str]:
        """Mesh axes that the function of one seed does not see.

        Where a batch is divided over devices, the compiler inserts the collectives, so that an objective that looks at
        the whole batch means the same on any number of devices.
        """
        return {SEED_AXIS} if self.mesh.shape[DATA_AXIS] > 1 else {SEED_AXIS, DATA_AXIS}


class SeedChunk(NamedTuple):
    """Some seeds of a plan, and the plan for these alone."""

    plan: Plan
    seed_indices: Int[np.ndarray, " rows"]  # the last seed is repeated to fill the chunk

    def shard(self, per_seed: Any) -> Any:
        """Puts the chunk's part of host arrays with one entry for each seed of the whole plan on the devices."""
        return self.plan.shard(jax.tree.map(lambda leaf: leaf[self.seed_indices], per_seed))


def _map_in_place(of_one_seed: Callable[[dict[int, Any]], Any], seeded: dict[int, Any]) -> Any:
    """Applies a function to one seed after the other; each one's first result overwrites its first argument.

    `jax.lax.map` would hold arguments and results of all seeds at once: twice the state of a training.
    """
    first, others = seeded[0], {i: arg for i, arg in seeded.items() if i != 0}

    def body(states: Any, item: tuple[Array, dict[int, Any]]) -> tuple[Any, Any]:
        row, args = item
        new, rest = of_one_seed({0: jax.tree.map(lambda leaf: leaf[row], states), **args})
        return jax.tree.map(lambda leaf, value: leaf.at[row].set(value), states, new), rest

    count = jax.tree.leaves(first)[0].shape[0]
    return jax.lax.scan(body, first, (jax.numpy.arange(count), others))


def make_plan(config: PlanConfig, seeds: int) -> Plan:
    """Returns the plan for `seeds` on the available devices.

    On CPU the seeds of a device run one after the other by default, because XLA's batched products loop over the batch
    there; on accelerators they are vmapped. Every process contributes equally many devices, at most what it can use.

    Raises:
        InputError: there are fewer devices than requested, or too few for a batch.
    """
    available = len(jax.devices())
    requested, columns = config.devices or available, config.batch_devices
    require(requested <= available, f"--devices {requested}: JAX finds {available}; ask for at most that many")
    require(
        columns <= requested and requested % columns == 0,
        f"--batch-devices {columns}: does not divide the {requested} device(s) in use; give a number that does",
    )
    devices = np.array(_balanced_devices(min(requested, seeds * columns), columns)).reshape(-1, columns)
    serial = devices.flat[0].platform == "cpu"
    within_device = config.within_device or ("serial" if serial else "vmap")
    mesh = Mesh(devices, (SEED_AXIS, DATA_AXIS), axis_types=(AxisType.Auto, AxisType.Auto))
    return Plan(mesh, seeds, within_device)


def _balanced_devices(n_devices: int, columns: int) -> list[jax.Device]:
    """Returns the first devices of each process, equally many of each, so that every process runs every program."""
    n_processes = jax.process_count()
    per_process = math.ceil(math.ceil(n_devices / columns) * columns / n_processes)
    while per_process * n_processes % columns:
        per_process += 1
    chosen: list[jax.Device] = []
    for process in range(n_processes):
        local = [device for device in jax.devices() if device.process_index == process]
        require(
            per_process <= len(local),
            f"--devices {n_devices}: process {process} has {len(local)} device(s) and needs {per_process}",
        )
        chosen += local[:per_process]
    return chosen
