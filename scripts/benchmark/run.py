"""A whole benchmark: flags in, a folder of results out."""

import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.errors import require, require_known_names
from aejax.experiments.environment import command_line
from aejax.report.style import save_figure
from aejax.storage.atomic_io import write_atomically, write_json
from benchmark.args import Args
from benchmark.curves import CURVE_PEER, CURVES, measure_curve
from benchmark.measure import measure
from benchmark.peers import PEERS, check_peers, peer_contenders
from benchmark.plots import curves_figure, ratios_figure, relative_times
from benchmark.report import render_markdown
from benchmark.workloads import WORKLOADS


def run_benchmark(args: Args, console: Console) -> dict[str, Any]:
    """Times aejax and its peers; writes `results.json`, `table.md` and figures; returns the results.

    Results are written after each workload, so that a failure does not lose the workloads before it. Earlier results
    in `out` are replaced.

    Raises:
        InputError: something cannot be timed; nothing has been.
    """
    began, out = time.perf_counter(), args.out
    _check_names(args)
    check_peers(args.peers)

    def log(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    jobs = {name: WORKLOADS[name].prepare(args.data_dir) for name in args.workloads}
    _check_peers_take_part(args, jobs)
    out.mkdir(parents=True, exist_ok=True)
    workloads, curves = list[dict[str, Any]](), list[dict[str, Any]]()

    def write() -> dict[str, Any]:
        environment = _describe_environment([*workloads, *curves], args.peers)
        environment["seconds"] = time.perf_counter() - began
        results = {"schema": 1, "kind": "benchmark", "environment": environment}
        results |= {"workloads": list(workloads), "curves": list(curves)}
        _write_outputs(out, results)
        return results

    for name, job in jobs.items():
        workloads.append(measure(name, WORKLOADS[name], job, args, log))
        results = write()
    for name in args.curve:
        curves.append(measure_curve(name, CURVES[name], args, log))
        results = write()
    return results


def _check_names(args: Args) -> None:
    """Rejects unknown names and numbers below one."""
    for flag, number in (("--seeds", args.seeds), ("--epochs", args.epochs), ("--repeats", args.repeats)):
        require(number is None or number >= 1, f"{flag} {number}: expected at least 1")
    before = args.before
    require(before is None or (before / "scripts").is_dir(), f"--before {before}: is not a checkout of this project")
    require([*args.workloads, *args.curve], f"--workload: name at least one of {', '.join(WORKLOADS)}")
    require_known_names("--workload", "workload", args.workloads, WORKLOADS)
    require_known_names("--curve", "curve", args.curve, CURVES)


def _check_peers_take_part(args: Args, jobs: Mapping[str, Any]) -> None:
    for peer in args.peers:
        contenders = [peer_contenders([peer], WORKLOADS[name].kind, job, 1, 1) for name, job in jobs.items()]
        require(
            any(contenders) or (args.curve and peer == CURVE_PEER),
            f"--peers {peer}: takes no part in these workloads; leave it out, or add a workload that it can do",
        )


def _write_outputs(out: Path, results: dict[str, Any]) -> None:
    write_json(out / "results.json", results)
    write_atomically(out / "table.md", render_markdown(results).encode())
    if any(relative_times(workload) for workload in results["workloads"]):
        save_figure(ratios_figure(results), out / "ratios.png")
    if results["curves"]:
        save_figure(curves_figure(results["curves"]), out / "curves.png")


def _describe_environment(entries: Sequence[dict[str, Any]], peers: Sequence[str]) -> dict[str, Any]:
    """Returns machine, versions and command; the devices of each workload are in its own entry."""
    environment = entries[0]["environment"]
    libraries = {name: environment[name] for name in ("python", "jax", "flax", "optax")}
    distributions = [PEERS[name].distribution for name in peers]
    return {
        "machine": environment["machine"],
        "backend": environment["backend"],
        "versions": libraries | {name: version(name) for name in distributions},
        "command": command_line(),
    }
