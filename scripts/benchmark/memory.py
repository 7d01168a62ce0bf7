"""Memory of this process, and processor time of this process and of the machine."""

import resource
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

SAMPLING_INTERVAL = 0.05  # seconds between two readings of `track_memory`
IDLE_TIMES = ("idle", "iowait", "guest", "guest_nice")  # the guest times are contained in user and nice


def peak_memory_bytes() -> int:
    """Returns the largest resident set of this process in bytes.

    On Linux `getrusage` includes what the parent held when it started this process; the kernel's own high-water mark
    does not.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return maxrss_bytes(resource.getrusage(resource.RUSAGE_SELF))
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def maxrss_bytes(usage: resource.struct_rusage) -> int:
    """Returns the largest resident set of a resource usage in bytes."""
    return usage.ru_maxrss * (1 if psutil.MACOS else 1024)


def process_cpu_seconds() -> float:
    """Returns the processor time of this process and of its children that have ended, in seconds."""
    times = psutil.Process().cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def machine_cpu_seconds() -> float:
    """Returns the busy processor time of all cores of the machine since it started, in seconds."""
    return sum(seconds for name, seconds in psutil.cpu_times()._asdict().items() if name not in IDLE_TIMES)


def _anonymous_memory() -> int:
    """Returns the resident memory of this process without the pages of files, in bytes."""
    memory = psutil.Process().memory_info()
    return memory.rss - memory.shared


def track_memory(function: Callable[[], Any]) -> tuple[Any, dict[str, int]]:
    """Returns the result of a function, and this process's resident memory before the call and at its peak, in bytes.

    The resident memory is anonymous memory, without the pages of files; `high_water` includes them.
    """
    readings, finished = [_anonymous_memory()], threading.Event()

    def sample() -> None:
        while not finished.wait(SAMPLING_INTERVAL):
            readings.append(_anonymous_memory())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        result = function()
    finally:
        finished.set()
        thread.join()
    peak = max(*readings, _anonymous_memory())
    return result, {"resident_before": readings[0], "resident_peak": peak, "high_water": peak_memory_bytes()}
