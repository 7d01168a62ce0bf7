"""Memory and processor time of this process and of the machine."""

import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

SAMPLING_INTERVAL = 0.05  # seconds between two readings of `track_memory`
IDLE_TIMES = ("idle", "iowait", "guest", "guest_nice")  # the guest times are contained in user and nice


def read_proc_status(field: str) -> int:
    """Returns a size in bytes from `/proc/self/status`: VmHWM, VmRSS, RssAnon, ...; KeyError if it is missing."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise KeyError(field)


def peak_memory_bytes() -> int:
    """Returns the largest resident set of this process in bytes.

    On Linux `getrusage` includes what the parent held when it started this process; the kernel's own high-water mark
    does not.
    """
    try:
        return read_proc_status("VmHWM")
    except (OSError, KeyError):
        return maxrss_bytes(resource.getrusage(resource.RUSAGE_SELF))


def maxrss_bytes(usage: resource.struct_rusage) -> int:
    """Returns the largest resident set of a resource usage in bytes."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def process_cpu_seconds() -> float:
    """Returns the processor time of this process and of its children that have ended, in seconds."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def machine_cpu_seconds() -> float:
    """Returns the busy processor time of all cores of the machine since it started, in seconds."""
    return sum(seconds for name, seconds in psutil.cpu_times()._asdict().items() if name not in IDLE_TIMES)


def track_memory(function: Callable[[], Any]) -> tuple[Any, dict[str, int]]:
    """Returns the result of a function, and this process's resident memory before the call and at its peak, in bytes.

    The resident memory is anonymous memory, without the pages of files; `high_water` includes them.
    """
    before, peak, finished = read_proc_status("RssAnon"), 0, threading.Event()

    def sample() -> None:
        nonlocal peak
        while not finished.wait(SAMPLING_INTERVAL):
            peak = max(peak, read_proc_status("RssAnon"))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        result = function()
    finally:
        finished.set()
        thread.join()
    peak = max(peak, read_proc_status("RssAnon"))
    return result, {"resident_before": before, "resident_peak": peak, "high_water": read_proc_status("VmHWM")}
