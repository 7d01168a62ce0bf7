"""What a large sweep and a large set take on some GPUs: memory, bytes moved, and seconds by each resource.

A second here is a bound: the resource's work by its rate, as if it were all that there is to wait for. Nothing is
simulated.
"""

import math
from typing import NamedTuple

from aejax.benchmark.planning.constants import Accelerator, Measured
from aejax.benchmark.planning.sizes import FLOAT, Sizes
from aejax.data.stream.loader import READ_AHEAD
from aejax.data.stream.pace import CHUNK_BYTES
from aejax.data.stream.sample import SAMPLE, WINDOW, WINDOW_BYTES
from aejax.run.streaming import QUEUED

GPUS = (1, 8, 64)
ARITHMETIC, MEMORY = "arithmetic", "device memory"
LINK, SUMS, GATHER = "host link", "gradient sums", "gathering the states"
LAYING, SAVING, PROBING = "laying out orders", "one save of all runs", "probing"
READING, DECODING = "reading the set", "decoding images"
AROUND = (GATHER, SAVING, PROBING)  # now and then, or after a training


class SweepTask(NamedTuple):
    """Runs that one program trains together."""

    settings: int = 1000
    seeds: int = 10
    epochs: int = 100
    n_train: int = 60_000
    n_test: int = 10_000

    @property
    def runs(self) -> int:
        """All seeds of all settings."""
        return self.settings * self.seeds


class StreamTask(NamedTuple):
    """A set that is read while it is trained on; all seeds share the batches."""

    examples: int = 1_000_000_000
    passes: int = 1
    seeds: int = 10


class Plan(NamedTuple):
    """A task on so many GPUs; bytes and seconds."""

    gpus: int
    hosts: int
    held: int  # most on one GPU
    room: float  # that JAX takes of one
    groups: int  # one after the other, so that each fits; 0: none would
    host_held: int  # most in one process' memory
    moved: dict[str, float]  # bytes of an epoch or a pass, by where, all GPUs together
    seconds: dict[str, float]  # of the whole task, by resource

    @property
    def fits(self) -> bool:
        """All at once."""
        return self.groups == 1

    @property
    def limit(self) -> str:
        """The resource that takes longest of those that a training has to do with while it runs."""
        return max((name for name in self.seconds if name not in AROUND), key=self.seconds.__getitem__)


def hosts_of(gpus: int, device: Accelerator) -> int:
    """As few as hold them."""
    return math.ceil(gpus / device.per_host)


def groups_needed(items: int, each: int, shared: int, room: float) -> int:
    """Groups in which `items` of `each` bytes fit beside `shared` bytes; 0 where not even one does."""
    at_once = int((room - shared) // each)
    return math.ceil(items / at_once) if at_once > 0 else 0


def plan_sweep(task: SweepTask, sizes: Sizes, gpus: int, device: Accelerator, known: Measured) -> Plan:
    """All runs of a sweep, laid over the GPUs; each holds a copy of the data.

    Every process lays out the orders of all runs, and fetches the states of all runs for a save.
    """
    own = math.ceil(task.runs / gpus)
    hosts, room = hosts_of(gpus, device), device.share * device.memory
    data = (task.n_train + task.n_test) * (sizes.example + FLOAT)  # and an int32 label
    states, orders = task.runs * sizes.fit, task.runs * sizes.order
    steps, epochs = task.epochs * sizes.steps, task.epochs
    seconds = {
        ARITHMETIC: own * steps * sizes.batch * sizes.flops / device.flops,
        MEMORY: own * steps * sizes.moved(sizes.batch) / device.bandwidth,
        LINK: epochs * own * sizes.order / device.host_link,
        GATHER: states / (device.host_link if hosts == 1 else device.network),
        SAVING: task.runs * known.saving.bytes_per_seed / known.saving.bytes_per_second,
        PROBING: task.runs * known.probing.seconds,
    }
    if known.host is not None:
        seconds[LAYING] = epochs * (task.seeds * known.host.order_seconds + task.runs * known.host.laid_seconds)
    return Plan(
        gpus=gpus,
        hosts=hosts,
        held=own * sizes.held + data,
        room=room,
        groups=groups_needed(own, sizes.held, data, room),
        host_held=states + orders + task.runs * sizes.rows,
        moved={MEMORY: task.runs * sizes.steps * sizes.moved(sizes.batch), LINK: orders},
        seconds=seconds,
    )


def plan_stream(task: StreamTask, sizes: Sizes, gpus: int, device: Accelerator, known: Measured) -> Plan:
    """Passes over a set, each batch laid over all GPUs (`--batch-devices`), each host reading its own share.

    Every GPU holds all seeds' weights, and sums their gradients with all others in every step: a ring, which sends
    `2 (n - 1) / n` of their bytes through its slowest link.
    """
    hosts, room = hosts_of(gpus, device), device.share * device.memory
    steps, share = math.ceil(task.examples / sizes.batch), sizes.batch / gpus
    link = device.peer_link if hosts == 1 else device.network
    once, sample = task.examples * sizes.example, SAMPLE * (sizes.example + FLOAT)
    beside = (QUEUED + 1) * CHUNK_BYTES // gpus + sample  # a sample validates
    windows = 2 * min(WINDOW * sizes.example, WINDOW_BYTES)
    gradients = task.seeds * sizes.parameters * 2 * (gpus - 1) / gpus
    seconds = {
        ARITHMETIC: task.examples * task.seeds * sizes.flops / gpus / device.flops,
        MEMORY: steps * task.seeds * sizes.moved(share) / device.bandwidth,
        LINK: once / gpus / device.host_link,
        SUMS: steps * gradients / link,
    }
    if known.streaming is not None:
        seconds[READING] = task.examples / known.streaming.examples / hosts
        if known.streaming.extra_decoding is not None:
            seconds[DECODING] = task.examples * known.streaming.extra_decoding / hosts
    return Plan(
        gpus=gpus,
        hosts=hosts,
        held=task.seeds * sizes.held + beside,
        room=room,
        groups=groups_needed(task.seeds, sizes.held, beside, room),
        host_held=task.seeds * sizes.fit + windows + (READ_AHEAD + 1) * CHUNK_BYTES + sample,
        moved={MEMORY: gpus * steps * task.seeds * sizes.moved(share), LINK: once, SUMS: gpus * steps * gradients},
        seconds={resource: task.passes * value for resource, value in seconds.items()},
    )


def seeds_apart(task: StreamTask, sizes: Sizes, gpus: int, device: Accelerator) -> float:
    """Seconds of the same passes with whole seeds on each GPU, which sums nothing; GPUs beyond the seeds are idle."""
    each = math.ceil(task.seeds / gpus)
    arithmetic = task.examples * sizes.flops / device.flops
    memory = math.ceil(task.examples / sizes.batch) * sizes.moved(sizes.batch) / device.bandwidth
    return task.passes * each * max(arithmetic, memory)


class Break(NamedTuple):
    """A resource beside the arithmetic."""

    resource: str
    ratios: tuple[float, ...]  # its seconds by the arithmetic's, for each plan
    first: int | None  # the fewest GPUs of the plans at which it takes longer; None: it never does


def ranking(plans: list[Plan]) -> list[Break]:
    """What takes longer than the arithmetic, on the fewest GPUs first, then by how much on the most."""
    found = []
    for resource in plans[0].seconds:
        if resource == ARITHMETIC:
            continue
        ratios = tuple(plan.seconds[resource] / plan.seconds[ARITHMETIC] for plan in plans)
        first = next((plan.gpus for plan, ratio in zip(plans, ratios, strict=True) if ratio > 1), None)
        found.append(Break(resource, ratios, first))
    return sorted(found, key=lambda one: (math.inf if one.first is None else one.first, -one.ratios[-1]))
