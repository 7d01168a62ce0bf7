"""Whole commands as a user runs them, into an empty folder. Imports no JAX."""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aejax.storage.atomic_io import read_json
from benchmark.memory import maxrss_bytes
from benchmark.training_job import MakeRunner, Runner, UnsupportedJobError

ROOT = Path(__file__).resolve().parents[2]
TWICE = Path(__file__).with_name("twice.py")


class CommandResult(NamedTuple):
    """What a finished command took and left."""

    seconds: float
    cpu_seconds: float
    peak_memory_bytes: int  # largest resident set of its process
    environment: dict[str, Any]  # of its `results.json`
    phases: dict[str, float]  # seconds of all its methods, by phase: compile, pretrain, probe; empty for a sweep


def run_command(words: Sequence[str], folder: Path, checkout: Path = ROOT) -> CommandResult:
    """Runs a script of a checkout of this project with its flags into a folder.

    Raises:
        UnsupportedJobError: it ended with a status other than 0.
    """
    began = time.perf_counter()
    with (folder / "log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, *words, "--out", str(folder / "run")],
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            stdout=log,
            stderr=log,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            last_line = " ".join(log.read().strip().splitlines()[-1:]).replace(tempfile.gettempdir(), "TMP")
            raise UnsupportedJobError(f"status {process.returncode}: {last_line}")
    results = read_json(folder / "run" / "results.json")
    seconds, cpu_seconds = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
    return CommandResult(seconds, cpu_seconds, maxrss_bytes(usage), results["environment"], _sum_phases(results))


def _sum_phases(results: dict[str, Any]) -> dict[str, float]:
    phases: Counter[str] = Counter()
    for method in results.get("methods", ()):
        phases.update(method["seconds"])
    return dict(phases)


def _run_cached(words: Sequence[str], folder: Path, checkout: Path) -> CommandResult:
    """Runs the command with a compilation cache that the same command has filled; the second run counts."""
    words = (*words, "--compilation-cache", str(folder / "cache"))
    for name in ("first", "second"):
        (folder / name).mkdir()
        result = run_command(words, folder / name, checkout)
    return result


def _run_again(words: Sequence[str], folder: Path, checkout: Path) -> CommandResult:
    """Runs the command twice in one process; the second run counts, with the peak memory of both."""
    result = run_command((str(TWICE), *words), folder, checkout)
    again = read_json(folder / "run" / "twice.json")
    return result._replace(seconds=again["seconds"], cpu_seconds=again["cpu_seconds"])


MODES = {"fresh": run_command, "cached": _run_cached, "again": _run_again}


def make_command_runner(
    words: Sequence[str], seeds: Sequence[int], threads: int, *, mode: str = "fresh", checkout: str = str(ROOT)
) -> Runner:
    """Returns a runner that runs the command once per unit, into a temporary folder.

    Args:
        words: the script, from the root of the project, and its flags.
        seeds: not used.
        threads: not used; the command takes all cores.
        mode: a name in `MODES`.
        checkout: root of the version of the project that is run.
    """
    results: list[CommandResult] = []

    def run(times: int) -> dict[str, Any]:
        for _ in range(times):
            with tempfile.TemporaryDirectory(prefix="aejax-benchmark-") as folder:
                results.append(MODES[mode](words, Path(folder), Path(checkout)))
        return {"seconds": sum(one.seconds for one in results[-times:])}

    def facts() -> dict[str, Any]:
        return {
            "environment": results[-1].environment,
            "peak_memory_bytes": max(one.peak_memory_bytes for one in results),
            "cpu_seconds": [one.cpu_seconds for one in results],
            "phases": [one.phases for one in results],
            "commit": _commit_of(Path(checkout)),
        }

    return Runner(run, facts)


def _commit_of(checkout: Path) -> str | None:
    """Returns the commit of a checkout; None if it has none."""
    words = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    try:
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


RUNNERS: dict[str, MakeRunner] = {"command": make_command_runner}
