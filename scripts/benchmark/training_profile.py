"""Where the time of a training goes: seconds of its operations, from JAX's profiler.

    python scripts/benchmark/training_profile.py [--workload deep single dense64 tabular conv vae k-sparse-1000]
                                                 [--seeds 2] [--data-dir DIR] [--out DIR]

Traces one repetition of each workload of `benchmark.py`, after one that is not traced, and sums the time of every
operation without those that it calls. An operation belongs to matrix products or random numbers by what it computes,
and to the optimizer or to the fetching of a batch by its scope; a fused one to the first of these that holds for a part
of it. Writes `profile.json` and `profile.md`.
"""

import dataclasses
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
from rich.console import Console

if not __package__:  # run as a script: `benchmark` is imported from the folder above
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from aejax.cli import configure_cpu_devices, make_console, parse_args, run_main
from aejax.errors import require, require_known_names
from aejax.experiments.environment import describe_environment
from aejax.report.tables import Column, Table, to_markdown
from aejax.storage.atomic_io import write_atomically, write_json
from benchmark.aejax_runner import prepare_training
from benchmark.training_job import TrainingJob
from benchmark.workloads import WORKLOADS, TrainingWorkload

TRAININGS = {
    name: one for name, one in WORKLOADS.items() if isinstance(one, TrainingWorkload) and one.kind == "training"
}
PARTS = {  # of an operation by its place in the program, the first that matches
    "products": r"dot_general|conv_general_dilated",
    "optimizer": r"/optimizer/",
    "batch": r"/batch/",
    "random numbers": r"threefry|random_bits|erf_inv|_normal|_uniform|bernoulli",
    "loss and activations": r"jvp|transpose|loss",
}
OTHER = "other"
NOTES = (
    "Shares of the time of all operations, summed over the devices' threads. Products: matrix products and "
    "convolutions with what is fused into them. Busy: that time as a share of wall time times devices; the rest is the "
    "start of operations and waiting."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of training_profile.py."""

    workload: tuple[str, ...] = tuple(TRAININGS)  # trainings of benchmark.py
    seeds: int = 2  # models trained, one for each device of a CPU
    data_dir: Path | None = None  # where MNIST is found, or downloaded to; default AEJAX_DATA
    out: Path = Path("runs/benchmark")  # results folder; earlier results in it are replaced


class Operation(NamedTuple):
    """One operation of one thread, in nanoseconds."""

    name: str  # of its instruction
    start: float
    duration: float


def self_times(operations: Iterable[Operation]) -> dict[str, float]:
    """Returns the time of each instruction of one thread without the operations within it."""
    times: defaultdict[str, float] = defaultdict(float)
    open_ones: list[Operation] = []
    for one in sorted(operations, key=lambda one: (one.start, -one.duration)):
        while open_ones and one.start >= open_ones[-1].start + open_ones[-1].duration:
            open_ones.pop()
        if open_ones:
            times[open_ones[-1].name] -= one.duration
        times[one.name] += one.duration
        open_ones.append(one)
    return times


def instruction_scopes(program: str) -> dict[str, str]:
    """Returns where in the Python program each instruction comes from; for a fused one, all its parts."""
    scopes: dict[str, str] = {}
    within: dict[str, list[str]] = {}  # by computation
    called: dict[str, str] = {}
    computation = ""
    for line in program.splitlines():
        if header := re.match(r"%?([\w.-]+) .*\{$", line.removeprefix("ENTRY ")):
            computation = header[1]
        elif instruction := re.match(r" *(?:ROOT )?%?([\w.-]+) = ", line):
            name, scope = instruction[1], re.search(r"op_name=\"([^\"]*)\"", line)
            scopes[name] = scope[1] if scope else ""
            within.setdefault(computation, []).append(scopes[name])
            if " fusion(" in line and (target := re.search(r"calls=%?([\w.-]+)", line)):
                called[name] = target[1]
    return scopes | {name: " ".join([scopes[name], *within.get(target, ())]) for name, target in called.items()}


def part_of(scope: str) -> str:
    """Returns the key in `PARTS` of an operation, or `OTHER`."""
    return next((part for part, pattern in PARTS.items() if re.search(pattern, scope)), OTHER)


def profile_training(job: TrainingJob, epochs: int, seeds: int) -> dict[str, Any]:
    """Trains for some epochs under the profiler; returns the seconds of each part, and wall seconds."""
    training = prepare_training(job, range(seeds))
    arguments = training.data, training.experiment.examples
    order = training.shuffle(0, epochs)
    program = training.program.lower(training.progress, order, *arguments).compile()  # type: ignore[attr-defined]
    progress, metrics = program(training.progress, order, *arguments)
    jax.block_until_ready(metrics)
    order = jax.block_until_ready(training.shuffle(epochs, epochs))
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            began = time.perf_counter()
            jax.block_until_ready(program(progress, order, *arguments))
            seconds = time.perf_counter() - began
        (path,) = Path(folder).rglob("*.xplane.pb")
        times = read_times(path)
    scopes = instruction_scopes(program.as_text())
    parts: defaultdict[str, float] = defaultdict(float)
    for name, nanoseconds in times.items():
        parts[part_of(scopes.get(name, ""))] += nanoseconds / 1e9
    environment = describe_environment(training.experiment.plan)
    return {"seconds": seconds, "devices": environment["devices"], "parts": dict(parts), "environment": environment}


def read_times(path: Path) -> dict[str, float]:
    """Returns the nanoseconds of every instruction of a trace, summed over its threads."""
    times: defaultdict[str, float] = defaultdict(float)
    for plane in jax.profiler.ProfileData.from_file(str(path)).planes:
        for line in plane.lines:
            operations = [
                Operation(event.name, event.start_ns, event.duration_ns)
                for event in line.events
                if any(key == "hlo_op" for key, _ in event.stats)
            ]
            for name, nanoseconds in self_times(operations).items():
                times[name] += nanoseconds
    return times


def profile_table(workloads: Sequence[dict[str, Any]]) -> str:
    """Returns a row for each training: its seconds, the share of each part, and how busy the devices are."""

    def share(part: str) -> Column:
        return Column(part, lambda one: f"{one['parts'].get(part, 0) / sum(one['parts'].values()):.0%}")

    columns = [
        Column("workload", lambda one: one["name"], align="left"),
        Column("s", lambda one: f"{one['seconds']:.3g}"),
        *map(share, (*PARTS, OTHER)),
        Column("busy", lambda one: f"{sum(one['parts'].values()) / one['seconds'] / one['devices']:.0%}"),
    ]
    return to_markdown(Table(columns, workloads))


def render_markdown(results: dict[str, Any]) -> str:
    """Returns `profile.md`."""
    environment = results["environment"]
    made = f"`{environment['command']}`, {environment['machine']}, jax {environment['jax']}."
    return f"# Where the time of a training goes\n\n{made}\n\n{profile_table(results['workloads'])}\n\n{NOTES}\n"


def run_profiles(args: Args, console: Console) -> dict[str, Any]:
    """Profiles every workload; writes `profile.json` and `profile.md`, after each; returns the results."""
    require_known_names("--workload", "workload", args.workload, TRAININGS)
    require(args.seeds >= 1, f"--seeds {args.seeds}: expected at least 1")
    jobs = {name: TRAININGS[name].prepare(args.data_dir) for name in args.workload}
    args.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"schema": 1, "kind": "profile", "workloads": []}
    for name, job in jobs.items():
        profile = profile_training(job, TRAININGS[name].units, args.seeds)
        results["environment"] = profile.pop("environment")
        results["workloads"].append({"name": name, **profile})
        write_json(args.out / "profile.json", results)
        write_atomically(args.out / "profile.md", render_markdown(results).encode())
        console.print(f"{name}: {profile['seconds']:.2f} s", highlight=False)
    return results


def main(argv: Sequence[str]) -> None:
    args = parse_args(Args(), argv, __doc__ or "")
    configure_cpu_devices(args.seeds)
    run_profiles(args, make_console())


if __name__ == "__main__":
    run_main(main)
