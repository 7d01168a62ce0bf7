"""How seeds are laid over devices: write for one seed, add the axis here."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from aejax.config import PlanConfig
from aejax.errors import require


@dataclasses.dataclass(frozen=True)
class Plan:
    """Seeds sharded over a one-dimensional mesh; several on one device are vmapped or taken one after the other."""

    mesh: Mesh
    seeds: int
    within_device: Literal["vmap", "serial"]

    @property
    def padded(self) -> int:
        """Seeds after the last one is repeated until the devices divide them."""
        return math.ceil(self.seeds / self.mesh.size) * self.mesh.size

    def describe(self) -> str:
        """One phrase for the results."""
        platform = self.mesh.devices.flat[0].platform
        return f"{self.seeds} seeds over {self.mesh.size} {platform} device(s), {self.within_device} within a device"

    def put_seeded(self, tree: Any) -> Any:
        """Arrays with a leading seed axis, padded and laid over the devices."""
        sharding = NamedSharding(self.mesh, PartitionSpec("seed"))
        pad = self.padded - self.seeds
        return jax.tree.map(lambda x: jax.device_put(_repeat_last(x, pad), sharding), tree)

    def put_shared(self, tree: Any) -> Any:
        """Arrays that all seeds read: one copy on each device."""
        return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec()))

    def fetch(self, tree: Any) -> Any:
        """Seeded arrays back on the host as NumPy, without the padding."""
        return jax.tree.map(lambda x: np.asarray(x)[: self.seeds], tree)

    def shapes_of_fetched(self, tree: Any) -> Any:
        """The shapes and dtypes that `fetch` gives, of seeded arrays or of descriptions of them."""
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((self.seeds, *x.shape[1:]), x.dtype), tree)

    def over(
        self, function: Callable[..., Any], *, shared: tuple[int, ...] = (), donate: tuple[int, ...] = ()
    ) -> Callable[..., Any]:
        """`function` of one seed as a jitted function of all seeds.

        Args:
            function: pure; its arguments and results are pytrees of arrays.
            shared: positions of the arguments that have no seed axis.
            donate: positions of the arguments whose memory the result may take.
        """

        def on_device(*args: Any) -> Any:
            if self.within_device == "vmap":
                return jax.vmap(function, in_axes=tuple(None if i in shared else 0 for i in range(len(args))))(*args)
            seeded = [arg for i, arg in enumerate(args) if i not in shared]

            def one(own: list[Any]) -> Any:
                remaining = iter(own)
                return function(*(args[i] if i in shared else next(remaining) for i in range(len(args))))

            return jax.lax.map(one, seeded)

        def everywhere(*args: Any) -> Any:
            specs = tuple(PartitionSpec() if i in shared else PartitionSpec("seed") for i in range(len(args)))
            return jax.shard_map(
                on_device, mesh=self.mesh, in_specs=specs, out_specs=PartitionSpec("seed"), check_vma=False
            )(*args)

        return jax.jit(everywhere, donate_argnums=donate)


def _repeat_last(array: Any, times: int) -> Any:
    if times == 0:
        return array
    array = jnp.asarray(array)
    return jnp.concatenate([array, jnp.repeat(array[-1:], times, axis=0)])


def make_plan(config: PlanConfig, seeds: int) -> Plan:
    """The plan for `seeds` on the devices that JAX finds.

    On CPU seeds run one after the other within a device, because XLA's batched products loop over the batch there;
    elsewhere they are vmapped.

    Raises:
        InputError: more devices asked for than there are.
    """
    found = jax.devices()
    wanted = config.devices or len(found)
    require(wanted <= len(found), f"--devices {wanted}: JAX finds {len(found)}; ask for at most that many")
    devices = np.array(found[: min(wanted, seeds)])
    serial = devices.flat[0].platform == "cpu"
    within_device = config.within_device or ("serial" if serial else "vmap")
    return Plan(Mesh(devices, ("seed",), axis_types=(AxisType.Auto,)), seeds, within_device)
