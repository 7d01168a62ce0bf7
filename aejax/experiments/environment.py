"""Where a run ran."""

import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from aejax.errors import escape_unprintable
from aejax.train.plan import Plan


def usable_cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_machine() -> str:
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


def command_line() -> str:
    """The command line, as a user would type it; bytes that are no UTF-8 stand as their escapes."""
    return escape_unprintable(shlex.join(["python", os.path.relpath(sys.argv[0]), *sys.argv[1:]]))


def provenance() -> dict[str, Any]:
    """What is written down of every attempt at a run: command, versions, and this code's commit, if it is known."""
    packages = ("aejax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
    versions = {"python": platform.python_version(), **{package: version(package) for package in packages}}
    return {"command": command_line(), "versions": versions, "commit": _git_commit()}


def _git_commit() -> str | None:
    """The git commit of the checkout that this package lies in, marked if it has changed since; None for an install."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None

    def git(*words: str) -> str:
        asked = ["git", "-C", str(root), *words]
        return subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def describe_environment(plan: Plan) -> dict[str, Any]:
    """The `environment` of a `results.json`."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in ("jax", "flax", "optax")},
        "backend": jax.default_backend(),
        "devices": plan.mesh.size,
        "plan": plan.describe(),
        "machine": describe_machine(),
        "command": command_line(),
    }
