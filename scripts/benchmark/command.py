"""Whole commands as a user runs them: in a fresh process, into an empty folder. Imports no JAX."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aejax.storage.atomic_io import read_json
from benchmark.memory import maxrss_bytes
from benchmark.training_job import MakeRunner, Runner, UnsupportedJobError

ROOT = Path(__file__).resolve().parents[2]


class CommandResult(NamedTuple):
    """What a finished command left."""

    peak_memory_bytes: int  # largest resident set of its process
    environment: dict[str, Any]  # of its `results.json`


def run_command(words: Sequence[str], folder: Path) -> CommandResult:
    """Runs a script of this project with its flags into a folder.

    Raises:
        UnsupportedJobError: it ended with a status other than 0.
    """
    with (folder / "log").open("w+", encoding="utf-8") as log:
        command = [sys.executable, *words, "--out", str(folder / "run")]
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            last_line = log.read().strip().splitlines()[-1:]
            raise UnsupportedJobError(f"status {process.returncode}: {' '.join(last_line)}")
    return CommandResult(maxrss_bytes(usage), read_json(folder / "run" / "results.json")["environment"])


def make_command_runner(words: Sequence[str], seeds: Sequence[int], threads: int) -> Runner:
    """Returns a runner that runs the command once per unit, into a temporary folder."""
    results: list[CommandResult] = []

    def run(times: int) -> dict[str, Any]:
        for _ in range(times):
            with tempfile.TemporaryDirectory(prefix="aejax-benchmark-") as folder:
                results.append(run_command(words, Path(folder)))
        return {}

    def facts() -> dict[str, Any]:
        peak = max(one.peak_memory_bytes for one in results)
        return {"environment": results[-1].environment, "peak_memory_bytes": peak}

    return Runner(run, facts)


RUNNERS: dict[str, MakeRunner] = {"command": make_command_runner}
