"""Runs one of this project's scripts in a fresh process and says what it took. Imports no JAX."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from aejax.storage.atomic_io import read_json
from benchmark.command.workloads import CommandWorkload
from benchmark.training.job import Runner, UnsupportedJobError


def make_runner(command: CommandWorkload) -> Runner:
    """Each "epoch" runs the command once, into a folder that goes with it."""
    runs: list[CommandResult] = []

    def run(times: int) -> dict[str, Any]:
        for _ in range(times):
            with tempfile.TemporaryDirectory(prefix="aejax-benchmark-") as folder:
                runs.append(run_command(command, Path(folder)))
        return {}

    def facts() -> dict[str, Any]:
        return {
            "environment": runs[-1].environment,
            "peak_memory_of_the_command": max(one.peak_memory_bytes for one in runs),
        }

    return Runner(run, facts)


class CommandResult(NamedTuple):
    """What a finished command left."""

    peak_memory_bytes: int  # largest resident set of its process, in bytes
    environment: dict[str, Any]  # of its `results.json`


def run_command(command: CommandWorkload, folder: Path) -> CommandResult:
    """Run it into a folder.

    Raises:
        CannotTrainError: it ended with another status than 0.
    """
    root = Path(__file__).resolve().parents[3]
    data_dir = [] if command.data_dir is None else ["--data-dir", command.data_dir]
    words = [sys.executable, *command.words, *data_dir, "--out", str(folder / "run")]
    with (folder / "log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(words, cwd=root, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            last = log.read().strip().splitlines()[-1:]
            raise UnsupportedJobError(f"status {process.returncode}: {' '.join(last)}")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return CommandResult(peak, read_json(folder / "run" / "results.json")["environment"])
