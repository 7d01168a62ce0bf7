"""Whether data fit, asked before anything of their size is read, decoded or copied to a device."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import jax
import psutil

from aejax.errors import require

PROC_CGROUP = Path("/proc/self/cgroup")  # Linux: the control groups this process is in
CGROUP_ROOT = Path("/sys/fs/cgroup")  # and where their limits stand
CGROUP_V1_FILES = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
CGROUP_V2_FILES = ("memory.max", "memory.current", "inactive_file")
REDUCE_MEMORY_HINT = "take fewer examples or smaller ones (images: --image-size), or a machine with more memory"


def format_bytes(size: int) -> str:
    """A number of bytes as people say it: `999 B`, `1.5 KiB`, `12.0 GiB`."""
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB"):
        if round(amount, 1) < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"


def available_host_memory() -> int:
    """Bytes that this process may still take: what the system has left, or a control group of it if that is less."""
    return min([psutil.virtual_memory().available, *_available_in_cgroups(PROC_CGROUP, CGROUP_ROOT)])


def _available_in_cgroups(process_groups: Path, control_groups: Path) -> Iterator[int]:
    """What is left of the limit of each control group that holds this process, from its own up to the root."""
    try:
        lines = process_groups.read_text().splitlines()
    except OSError:
        return  # not Linux
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = control_groups / "memory" if controllers else control_groups
        own = root / group.lstrip("/")
        for folder in (own, *own.parents):
            if not folder.is_relative_to(root):
                break
            yield from _available_in_cgroup(folder, *(CGROUP_V1_FILES if controllers else CGROUP_V2_FILES))


def _available_in_cgroup(folder: Path, limit_file: str, usage_file: str, reclaimable: str) -> Iterator[int]:
    """One group's limit less its usage, file caches not counted; nothing where it has no limit."""
    try:
        limit, usage = (folder / limit_file).read_text().strip(), int((folder / usage_file).read_text())
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return  # the group of a container is not visible from inside it under its own path
    if limit != "max":
        yield max(0, int(limit) - usage + int(statistics.get(reclaimable, 0)))


def require_host_memory(size: int, what: str) -> None:
    """Refuse what memory cannot hold.

    Raises:
        InputError: `what` takes more than is left.
    """
    room = available_host_memory()
    require(
        size <= room,
        f"{what} take {format_bytes(size)}, and memory has {format_bytes(room)} left; {REDUCE_MEMORY_HINT}",
    )


def require_device_memory(name: str, example_bytes: int, other_bytes: int, devices: Iterable[jax.Device]) -> None:
    """Refuse data that do not fit every device of this process; devices that do not tell their memory pass.

    Args:
        name: the dataset's, for the message.
        examples: bytes of the examples and labels.
        beside: bytes of everything else that each device holds before a run starts.
        devices: those that will each hold a copy. CPU devices share the host's memory, where the examples are already.

    Raises:
        InputError: with the bytes that are needed and those that are left.
    """
    own = [device for device in devices if device.process_index == jax.process_index()]
    on_host = sum(device.platform == "cpu" for device in own)
    needed = example_bytes + other_bytes
    parts = f"{name}: {format_bytes(example_bytes)} of examples and {format_bytes(other_bytes)} beside them"
    if on_host:
        _require_cpu_device_memory(parts, needed, on_host)
    for device in own:
        limits = {} if device.platform == "cpu" else device.memory_stats() or {}
        if "bytes_limit" not in limits:
            continue
        room = limits["bytes_limit"] - limits.get("bytes_in_use", 0)
        require(
            needed <= room,
            f"{parts} take {format_bytes(needed)} on each device, and {device.device_kind} {device.id} has "
            f"{format_bytes(room)} left of {format_bytes(limits['bytes_limit'])}; {REDUCE_MEMORY_HINT}",
        )


def _require_cpu_device_memory(parts: str, needed: int, copies: int) -> None:
    total, room = needed * copies, available_host_memory()
    fewer = "use fewer CPU devices (--devices 1), " if needed <= room else ""
    require(
        total <= room,
        f"{parts}, once for each of {copies} CPU device(s), take {format_bytes(total)}, and memory has {format_bytes(room)} "
        f"left; {fewer}{REDUCE_MEMORY_HINT}",
    )
