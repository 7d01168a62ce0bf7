"""Where a run ran."""

import os
import platform
import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from aejax.train.plan import Plan


def usable_cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> str:
    """The processor's name and cores, and the accelerator's name where there is one."""
    cpu = platform.processor() or platform.machine()
    try:
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    except OSError:
        pass
    devices = jax.devices()
    accelerator = "" if devices[0].platform == "cpu" else f"; {len(devices)} x {devices[0].device_kind}"
    return f"{cpu}, {usable_cores()} cores{accelerator}"


def command() -> str:
    """The command line, as a user would type it; bytes that are no UTF-8 stand as their escapes."""
    return printable(shlex.join(["python", os.path.relpath(sys.argv[0]), *sys.argv[1:]]))


def describe(plan: Plan) -> dict[str, Any]:
    """The `environment` of a `results.json`."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in ("jax", "flax", "optax")},
        "backend": jax.default_backend(),
        "devices": plan.mesh.size,
        "plan": plan.describe(),
        "machine": machine(),
        "command": command(),
    }
