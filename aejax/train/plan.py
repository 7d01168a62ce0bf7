"""How seeds are laid over devices, on one machine or many: write for one seed, add the axis here."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Int

from aejax.config import PlanConfig
from aejax.data.batching import DATA_AXIS
from aejax.errors import require

SEED_AXIS = "seed"


@dataclasses.dataclass(frozen=True)
class Plan:
    """Seeds along one axis of a mesh, the examples of each batch along the other.

    Several seeds on one device are vmapped or taken one after the other. The mesh may span processes: each then holds
    its own part of every seeded array, and `fetch` gives all of them the whole.
    """

    mesh: Mesh  # (seed, data)
    seeds: int
    within_device: Literal["vmap", "serial"]

    @property
    def n_padded_seeds(self) -> int:
        """Seeds after the last one is repeated until the devices divide them."""
        rows = self.mesh.shape[SEED_AXIS]
        return math.ceil(self.seeds / rows) * rows

    def chunks(self) -> list["SeedChunk"]:
        """The seeds in turns of as many as are at work at a time: all under vmap, else one on each row of devices.

        What a turn leaves on the devices can be dropped before the next. Turns are of one size, so that one program
        serves them all.
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
        """What was fetched turn after turn, as one `fetch` would have given it."""
        return jax.tree.map(lambda *leaves: np.concatenate(leaves)[: self.seeds], *parts)

    def describe(self) -> str:
        """One phrase for the results."""
        rows, columns = self.mesh.shape[SEED_AXIS], self.mesh.shape[DATA_AXIS]
        platform = self.mesh.devices.flat[0].platform
        together = f", {columns} of them to a batch" if columns > 1 else ""
        processes = len({device.process_index for device in self.mesh.devices.flat})
        where = f" of {processes} processes" if processes > 1 else ""
        seeds = f"{self.seeds} seeds over {rows * columns} {platform} device(s){where}{together}"
        return f"{seeds}, {self.within_device} within a device"

    def shard(self, tree: Any) -> Any:
        """Arrays with a leading seed axis, padded and laid over the devices."""
        pad = self.n_padded_seeds - self.seeds
        return jax.tree.map(lambda x: self._put(_pad_last(x, pad), PartitionSpec(SEED_AXIS)), tree)

    def replicate(self, tree: Any) -> Any:
        """Arrays that all seeds read: one copy on each device."""
        return jax.tree.map(lambda x: self._put(x, PartitionSpec()), tree)

    def _put(self, array: Any, spec: PartitionSpec) -> jax.Array:
        """Every process holds the whole on its host, and puts its own part on its devices."""
        sharding = NamedSharding(self.mesh, spec)
        if sharding.is_fully_addressable:
            return jax.device_put(array, sharding)
        if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
            return _wrap_keys(self._put(jax.random.key_data(array), spec))
        whole = np.asarray(array)
        return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])

    def local_slice(self, batch: int) -> slice:
        """Which places of every batch this process's devices need: all, unless processes share batches."""
        if batch % self.mesh.shape[DATA_AXIS]:
            return slice(0, batch)
        sharding = NamedSharding(self.mesh, PartitionSpec(DATA_AXIS))
        needed = sharding.addressable_devices_indices_map((batch,)).values()
        spans = [index[0].indices(batch) for index in needed if index is not None]
        return slice(min(span[0] for span in spans), max(span[1] for span in spans))

    def shard_batches(self, local_batches: np.ndarray, batch: int) -> jax.Array:
        """A chunk of batches `(steps, batch, ...)` that all seeds share, of which `own` has this process's `places`."""
        spread = PartitionSpec(None, DATA_AXIS) if batch % self.mesh.shape[DATA_AXIS] == 0 else PartitionSpec()
        sharding = NamedSharding(self.mesh, spread)
        if sharding.is_fully_addressable:
            return jax.device_put(local_batches, sharding)
        return jax.make_array_from_process_local_data(
            sharding, local_batches, (local_batches.shape[0], batch, *local_batches.shape[2:])
        )

    def to_host(self, tree: Any) -> Any:
        """Seeded arrays back on the host as NumPy, without the padding; on the hosts of all processes."""
        return jax.tree.map(lambda x: _to_numpy(x)[: self.seeds], tree)

    def seed_to_host(self, tree: Any, seed: int) -> Any:
        """One seed's part of seeded arrays, on the hosts of all processes."""
        return jax.tree.map(lambda x: _to_numpy(x[seed]), tree)

    def replicated_to_host(self, tree: Any) -> Any:
        """Arrays that all seeds share, on the host as NumPy."""
        return jax.tree.map(_to_numpy, tree)

    def host_shapes(self, tree: Any) -> Any:
        """The shapes and dtypes that `fetch` gives, of seeded arrays or of descriptions of them."""
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((self.seeds, *x.shape[1:]), x.dtype), tree)

    def map_seeds(
        self,
        function: Callable[..., Any],
        *,
        replicated_argnums: tuple[int, ...] = (),
        donate_argnums: tuple[int, ...] = (),
    ) -> Callable[..., Any]:
        """`function` of one seed as a jitted function of all seeds.

        Args:
            function: pure; its arguments and results are pytrees of arrays.
            shared: positions of the arguments that have no seed axis.
            donate: positions of the arguments whose memory the result may take.
        """

        def on_device(*args: Any) -> Any:
            if self.within_device == "vmap":
                return jax.vmap(
                    function, in_axes=tuple(None if i in replicated_argnums else 0 for i in range(len(args)))
                )(*args)
            seeded = [arg for i, arg in enumerate(args) if i not in replicated_argnums]

            def one(own: list[Any]) -> Any:
                remaining = iter(own)
                return function(*(args[i] if i in replicated_argnums else next(remaining) for i in range(len(args))))

            return jax.lax.map(one, seeded)

        def everywhere(*args: Any) -> Any:
            specs = tuple(
                PartitionSpec() if i in replicated_argnums else PartitionSpec(SEED_AXIS) for i in range(len(args))
            )
            return jax.shard_map(
                on_device,
                mesh=self.mesh,
                in_specs=specs,
                out_specs=PartitionSpec(SEED_AXIS),
                axis_names=self._manual_axes,
                check_vma=False,
            )(*args)

        return jax.jit(everywhere, donate_argnums=donate_argnums)

    @property
    def _manual_axes(self) -> set[str]:
        """The axes that a seed's program knows nothing of.

        A batch that is spread over devices is the compiler's work: it puts sums and gathers where an objective looks at
        the whole batch, so that every objective means the same on any number of devices.
        """
        return {SEED_AXIS} if self.mesh.shape[DATA_AXIS] > 1 else {SEED_AXIS, DATA_AXIS}


class SeedChunk(NamedTuple):
    """Some of a plan's seeds, and the plan for just these."""

    plan: Plan
    seed_indices: Int[np.ndarray, " rows"]  # the last seed is repeated where no other is left

    def shard(self, per_seed: Any) -> Any:
        """Of arrays on the host with one leading entry for each of all seeds, those of the turn, on the devices."""
        return self.plan.shard(jax.tree.map(lambda leaf: leaf[self.seed_indices], per_seed))


def _pad_last(array: Any, times: int) -> Any:
    if times == 0:
        return array
    array = jnp.asarray(array)
    return jnp.concatenate([array, jnp.repeat(array[-1:], times, axis=0)])


@jax.jit
def _wrap_keys(data: jax.Array) -> jax.Array:
    return jax.random.wrap_key_data(data)


def _to_numpy(array: Any) -> np.ndarray:
    """An array as NumPy. Where other processes hold parts of it, all take part."""
    if isinstance(array, jax.Array) and not array.is_fully_addressable:
        if array.is_fully_replicated:
            return np.asarray(array.addressable_data(0))
        return np.asarray(multihost_utils.process_allgather(array, tiled=True))
    return np.asarray(array)


def make_plan(config: PlanConfig, seeds: int) -> Plan:
    """The plan for `seeds` on the devices that JAX finds.

    On CPU seeds run one after the other within a device, because XLA's batched products loop over the batch there;
    elsewhere they are vmapped. Of several processes each lends equally many devices, and no more than have work.

    Raises:
        InputError: more devices asked for than there are, or too few for a batch.
    """
    found = len(jax.devices())
    wanted, columns = config.devices or found, config.batch_devices
    require(wanted <= found, f"--devices {wanted}: JAX finds {found}; ask for at most that many")
    require(
        columns <= wanted and wanted % columns == 0,
        f"--batch-devices {columns}: does not divide the {wanted} device(s) that there are; give a number that does",
    )
    useful = min(wanted, seeds * columns)
    devices = np.array(list(_balanced_devices(useful, columns))).reshape(-1, columns)
    serial = devices.flat[0].platform == "cpu"
    within_device = config.within_device or ("serial" if serial else "vmap")
    mesh = Mesh(devices, (SEED_AXIS, DATA_AXIS), axis_types=(AxisType.Auto, AxisType.Auto))
    return Plan(mesh, seeds, within_device)


def _balanced_devices(wanted: int, columns: int) -> Iterator[jax.Device]:
    """The first devices of each process, as many of each, so that all have a part in every program."""
    processes = jax.process_count()
    rows = math.ceil(wanted / columns)
    each = math.ceil(rows * columns / processes)
    while each * processes % columns:
        each += 1
    for process in range(processes):
        own = [device for device in jax.devices() if device.process_index == process]
        require(
            each <= len(own),
            f"--devices {wanted}: process {process} has {len(own)} device(s), {each} of it are asked",
        )
        yield from own[:each]
