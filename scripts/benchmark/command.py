"""Whole commands, timed as a user runs them: in a fresh process, into an empty folder. Imports no JAX."""

import dataclasses
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aejax.errors import require
from aejax.storage.atomic_io import read_json, write_json
from benchmark.contenders import Contender
from benchmark.entries import Entry, format_memory, format_other_cores, format_spread, summarize
from benchmark.interleaved import Log, TimedTask, TimingBudget, time_interleaved
from benchmark.memory import maxrss_bytes
from benchmark.training_job import Runner, UnsupportedJobError

ROOT = Path(__file__).resolve().parents[2]
COMPARE_SCRIPT = "scripts/compare.py"
COLUMN_NAMES = ("contender", "seconds", "range", "peak MB", "others")
NOTES = (
    "Commands: wall time of a fresh process with every import, compilation, figure and file, one repetition after the "
    "other; peak memory is the largest resident set of the process itself."
)


@dataclasses.dataclass(frozen=True)
class CommandWorkload:
    """A script of this project with its flags; `--out` is added."""

    words: tuple[str, ...]
    repeats: int | None = None  # maximum number of repetitions, for a long command
    data_dir: str | None = None

    def save(self, folder: Path) -> None:
        """Writes `command.json`."""
        write_json(folder / "command.json", dataclasses.asdict(self))


COMMAND_WORKLOADS: dict[str, CommandWorkload] = {
    "cold-start": CommandWorkload((COMPARE_SCRIPT, "--dataset", "digits", "--seeds", "10"), repeats=2),
    # One epoch is enough: the peak memory does not grow with the epochs.
    "memory-mnist": CommandWorkload(
        (COMPARE_SCRIPT, "--dataset", "mnist", "--seeds", "10", "--epochs", "1"), repeats=1
    ),
}


def load_command(folder: Path) -> CommandWorkload:
    """Reads what `CommandWorkload.save` wrote."""
    written = read_json(folder / "command.json")
    return CommandWorkload(tuple(written["words"]), written["repeats"], written["data_dir"])


def prepare_command(workload: CommandWorkload, data_dir: Path | None) -> CommandWorkload:
    """Returns the command with the folder of its data."""
    return dataclasses.replace(workload, data_dir=None if data_dir is None else str(data_dir.absolute()))


class CommandResult(NamedTuple):
    """What a finished command left."""

    peak_memory_bytes: int  # largest resident set of its process
    environment: dict[str, Any]  # of its `results.json`


def run_command(command: CommandWorkload, folder: Path) -> CommandResult:
    """Runs a command into a folder.

    Raises:
        UnsupportedJobError: it ended with a status other than 0.
    """
    data_dir = [] if command.data_dir is None else ["--data-dir", command.data_dir]
    words = [sys.executable, *command.words, *data_dir, "--out", str(folder / "run")]
    with (folder / "log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            last_line = log.read().strip().splitlines()[-1:]
            raise UnsupportedJobError(f"status {process.returncode}: {' '.join(last_line)}")
    return CommandResult(maxrss_bytes(usage), read_json(folder / "run" / "results.json")["environment"])


def make_command_runner(command: CommandWorkload, seeds: Sequence[int], threads: int) -> Runner:
    """Returns a runner whose "epoch" runs the command once, into a temporary folder."""
    results: list[CommandResult] = []

    def run(times: int) -> dict[str, Any]:
        for _ in range(times):
            with tempfile.TemporaryDirectory(prefix="aejax-benchmark-") as folder:
                results.append(run_command(command, Path(folder)))
        return {}

    def facts() -> dict[str, Any]:
        peak = max(one.peak_memory_bytes for one in results)
        return {"environment": results[-1].environment, "peak_memory_of_the_command": peak}

    return Runner(run, facts)


def measure_command(
    name: str, workload: CommandWorkload, command: CommandWorkload, peers: Sequence[str], budget: TimingBudget, log: Log
) -> dict[str, Any]:
    """Times a command; returns an entry of `workloads`. No peer takes part.

    Raises:
        InputError: the command failed.
    """
    shown = " ".join(["python", *command.words])
    one = Contender(shown, "aejax", "command", ((0,),), budget.cores)
    repeats = min(budget.repeats, command.repeats or budget.repeats)
    (timing,) = time_interleaved(name, [TimedTask(one, command)], repeats, log, warm_up=False)
    require(timing.unsupported_reason is None, f"--workload {name}: {shown} failed: {timing.unsupported_reason}")
    contender = {
        "name": one.name,
        "library": one.peer,
        "seconds": summarize(timing.wall_seconds),
        "peak_memory_bytes": timing.facts[0]["peak_memory_of_the_command"],
        "cores_used_by_others": timing.other_cores,
        "compile_seconds": None,
    }
    environment = timing.facts[0]["environment"]
    return {"name": name, "kind": "command", "environment": environment, "contenders": [contender], "ratios": []}


def format_title(workload: Entry) -> str:
    """Returns the heading of the table."""
    return f"{workload['name']}: a fresh process each time"


def format_cells(contender: Entry) -> list[str]:
    """Returns the row under `COLUMN_NAMES`."""
    return [
        contender["name"],
        *format_spread(contender["seconds"]),
        format_memory(contender),
        format_other_cores(contender),
    ]
