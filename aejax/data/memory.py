"""Checks that data fit into memory before anything of their size is read, decoded or copied to a device."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from aejax.errors import require

if TYPE_CHECKING:
    import jax

try:
    import resource
except ImportError:  # not POSIX
    resource = None  # type: ignore[assignment]

PROC_CGROUP = Path("/proc/self/cgroup")  # Linux: the control groups of this process
CGROUP_ROOT = Path("/sys/fs/cgroup")  # and their limits
CGROUP_V1_FILES = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
CGROUP_V2_FILES = ("memory.max", "memory.current", "inactive_file")
REDUCE_MEMORY_HINT = "use fewer or smaller examples (images: --image-size), or a machine with more memory"


def format_bytes(size: int) -> str:
    """Returns a number of bytes with a binary unit: `999 B`, `1.5 KiB`, `12.0 GiB`."""
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB"):
        if round(amount, 1) < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"


def available_host_memory() -> int:
    """Bytes that this process can still allocate, limited by the system, its control groups, and `ulimit`."""
    system = psutil.virtual_memory().available
    return min([system, *_available_in_cgroups(), *_available_in_limits()])


def _available_in_limits() -> Iterator[int]:
    """Yields what `RLIMIT_AS` and `RLIMIT_DATA` (`ulimit -v` and `-d`) leave."""
    if resource is None:
        return
    used = psutil.Process().memory_info()
    for limit, size in ((resource.RLIMIT_AS, used.vms), (resource.RLIMIT_DATA, getattr(used, "data", 0))):
        soft, _ = resource.getrlimit(limit)
        if soft != resource.RLIM_INFINITY:
            yield max(0, soft - size)


@contextlib.contextmanager
def limit_to_available() -> Iterator[None]:
    """Makes allocations beyond the available memory fail in the block, where the system would kill the process.

    Files can announce less than they become: the block raises `MemoryError` for them. Without effect where the system
    has no `RLIMIT_DATA`, or not for all that a process allocates.
    """
    if resource is None or not hasattr(used := psutil.Process().memory_info(), "data"):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = used.data + available_host_memory()
    resource.setrlimit(resource.RLIMIT_DATA, (limit if soft == resource.RLIM_INFINITY else min(soft, limit), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _available_in_cgroups() -> Iterator[int]:
    """Yields the available bytes of every control group with a limit that contains this process."""
    try:
        lines = PROC_CGROUP.read_text().splitlines()
    except OSError:
        return  # not Linux
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root, files = (CGROUP_ROOT / "memory", CGROUP_V1_FILES) if controllers else (CGROUP_ROOT, CGROUP_V2_FILES)
        folder = root / group.lstrip("/")
        for ancestor in (folder, *folder.parents):
            if ancestor.is_relative_to(root):
                yield from _available_in_cgroup(ancestor, *files)


def _available_in_cgroup(folder: Path, limit_file: str, usage_file: str, reclaimable: str) -> Iterator[int]:
    """Yields limit minus usage, not counting file caches; nothing if the group has no limit."""
    try:
        limit, usage = (folder / limit_file).read_text().strip(), int((folder / usage_file).read_text())
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return  # inside a container, its group is not visible under its own path
    if limit != "max":
        yield max(0, int(limit) - usage + int(statistics.get(reclaimable, 0)))


def require_host_memory(size: int, description: str) -> None:
    """Raises InputError if `size` bytes are not available; `description` names in the plural what needs them."""
    _require_available(size, available_host_memory(), description, "memory")


def require_device_memory(name: str, example_bytes: int, other_bytes: int, devices: "Iterable[jax.Device]") -> None:
    """Checks that data fit on every device of this process; devices that do not report their memory are skipped.

    Args:
        name: the dataset's name, for the message.
        example_bytes: size of examples and labels.
        other_bytes: size of everything else that each device holds before training starts.
        devices: the devices that will each hold a copy. CPU devices share the host's memory.

    Raises:
        InputError: gives the bytes that are needed and available.
    """
    import jax  # here, because reports read archives without it

    local = [device for device in devices if device.process_index == jax.process_index()]
    n_cpu = sum(device.platform == "cpu" for device in local)
    needed = example_bytes + other_bytes
    parts = f"{name}: {format_bytes(example_bytes)} of examples and {format_bytes(other_bytes)} of other data"
    if n_cpu:
        available = available_host_memory()
        fewer = "use fewer CPU devices (--devices 1), " if needed <= available else ""
        _require_available(
            needed * n_cpu, available, f"{parts}, once for each of {n_cpu} CPU device(s),", "memory", fewer
        )
    for device in local:
        limits = {} if device.platform == "cpu" else device.memory_stats() or {}
        if "bytes_limit" in limits:
            available = limits["bytes_limit"] - limits.get("bytes_in_use", 0)
            place = f"{device.device_kind} {device.id} of {format_bytes(limits['bytes_limit'])}"
            _require_available(needed, available, f"{parts}, on each device,", place)


def _require_available(size: int, available: int, description: str, place: str, hint: str = "") -> None:
    require(
        size <= available,
        f"{description} take {format_bytes(size)}, and {place} has {format_bytes(available)} left; "
        f"{hint}{REDUCE_MEMORY_HINT}",
    )
