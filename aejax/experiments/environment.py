"""The environment of a run: machine, versions, command line, commit."""

import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

import aejax
from aejax.errors import escape_unprintable
from aejax.train.plan import Plan


def usable_cores() -> int:
    """Returns the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_machine() -> str:
    """Returns the processor's name and cores, and the accelerators, if any."""
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
    """Returns the command line as a user would type it; bytes that are not UTF-8 are escaped."""
    program = Path(sys.argv[0])
    if program == Path(__file__).parents[1] / "__main__.py" or program.name in ("aejax", "aejax.exe"):
        words = ["aejax", *sys.argv[1:]]
    else:
        words = ["python", os.path.relpath(program), *sys.argv[1:]]
    return escape_unprintable(shlex.join(words))


def code_version() -> dict[str, Any]:
    """Returns `versions` of the packages and the `commit`, without starting JAX."""
    packages = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
    installed = {package: version(package) for package in packages}
    versions = {"python": platform.python_version(), "aejax": aejax.__version__, **installed}  # on PYTHONPATH, too
    return {"versions": versions, "commit": _git_commit()}


def provenance() -> dict[str, Any]:
    """Returns what is recorded of every attempt at a run: command, versions, commit, and what else changes numbers."""
    return {
        "command": command_line(),
        **code_version(),
        "backend": jax.default_backend(),
        "devices": jax.device_count(),
        "cores": usable_cores(),
        "x64": jax.numpy.asarray(0.0).dtype.itemsize == 8,
    }


def _git_commit() -> str | None:
    """Returns the git commit of this checkout, marked if files have changed; None for an installed package."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None

    def git(*words: str) -> str:
        command = ["git", "-C", str(root), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def describe_environment(plan: Plan) -> dict[str, Any]:
    """Returns `environment` of `results.json`."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in ("jax", "flax", "optax")},
        "backend": jax.default_backend(),
        "devices": plan.mesh.size,
        "plan": plan.describe(),
        "machine": describe_machine(),
        "command": command_line(),
    }
