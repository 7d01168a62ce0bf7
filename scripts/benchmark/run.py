"""The whole of a benchmark: names in, a folder of results out."""

import time
from collections.abc import Callable, Collection, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.errors import InputError, require, require_known_names
from aejax.experiments.environment import command_line
from aejax.report.style import save_figure
from aejax.storage.atomic_io import write_atomically, write_json
from benchmark.curves.measure import CURVE_PEER, measure_curve
from benchmark.curves.points import CURVES, Curve
from benchmark.curves.report import curves_figure
from benchmark.interleaved import TimingBudget
from benchmark.peers import PEERS, Peer, check_peers
from benchmark.plots import ratios_figure, relative_times
from benchmark.registry import ALL_WORKLOADS, WORKLOAD_TYPES
from benchmark.report import render_markdown
from benchmark.targets import verdicts


def run_benchmark(
    workload_names: Sequence[str],
    peers: Sequence[str],
    out: Path,
    console: Console,
    *,
    seeds: int,
    epochs: int | None,
    repeats: int,
    data_dir: Path | None,
    workload_registry: dict[str, Any] = ALL_WORKLOADS,
    curves: Sequence[str] = (),
    curve_registry: dict[str, Callable[[], Curve]] = CURVES,
) -> dict[str, Any]:
    """Time this project and its peers; write `results.json`, `table.md` and figures; return the first.

    Args:
        names: of `workloads`.
        peers: of `PEERS`; each takes part where it has something to do.
        out: the folder; earlier results in it are replaced.
        console: where progress goes.
        seeds: how many models; a path's seeds are its own.
        epochs: of a training in one repetition; default: the workload's own number.
        repeats: timed repetitions.
        data_dir: where MNIST is looked for, or downloaded to.
        workloads: the registry of all that can be timed, of the types in `kinds.KINDS`.
        curves: of `known_curves`.
        known_curves: the registry of what time is drawn against.

    Raises:
        InputError: what is asked for cannot be timed; nothing has been.
    """
    began = time.perf_counter()
    effort = TimingBudget(seeds, epochs, repeats)
    _check_arguments(workload_names, workload_registry, curves, curve_registry, effort)

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    for line in check_peers(peers):
        say(line)
    kinds = {name: WORKLOAD_TYPES[type(workload_registry[name])] for name in workload_names}
    works = {name: kind.prepare(workload_registry[name], data_dir) for name, kind in kinds.items()}
    occupied = {
        peer for peer in peers for name in workload_names if kinds[name].has_contenders(PEERS[peer], works[name])
    }
    _require_all_at_work(peers, occupied | ({CURVE_PEER} if curves else set()))
    _make_out_dir(out)
    timed, drawn = list[dict[str, Any]](), list[dict[str, Any]]()

    def write() -> dict[str, Any]:  # after each: what was timed is not lost with what comes after it
        results = _results(timed, drawn, peers, time.perf_counter() - began)
        _write_outputs(out, results)
        return results

    for name, kind in kinds.items():
        timed.append(kind.measure(name, workload_registry[name], works[name], peers, effort, say))
        results = write()
    for name in curves:
        drawn.append(measure_curve(name, curve_registry[name](), peers, effort, data_dir, say))
        results = write()
    return results


def _require_all_at_work(peers: Sequence[str], occupied: Collection[str]) -> None:
    for peer in peers:
        idle = f"--peers {peer}: takes no part in these workloads; leave it out, or add one that it knows"
        require(peer in occupied, idle)


def _results(
    timed: Sequence[dict[str, Any]], drawn: Sequence[dict[str, Any]], peers: Sequence[str], seconds: float
) -> dict[str, Any]:
    results: dict[str, Any] = {
        "schema": 1,
        "kind": "benchmark",
        "environment": {**_environment([*timed, *drawn], peers), "seconds": seconds},
        "workloads": list(timed),
        "curves": list(drawn),
    }
    results["targets"] = [verdict._asdict() for verdict in verdicts(results)]
    return results


def _check_arguments(
    names: Sequence[str],
    workloads: dict[str, Any],
    curves: Sequence[str],
    curve_registry: dict[str, Callable[[], Curve]],
    effort: TimingBudget,
) -> None:
    """Refuse what is not there, and less than one of anything."""
    for flag, number in zip(("--seeds", "--epochs", "--repeats"), effort, strict=True):
        require(number is None or number >= 1, f"{flag} {number}: expected at least 1")
    require([*names, *curves], f"--workload: name at least one of {', '.join(workloads)}")
    require_known_names("--workload", "workload", names, workloads)
    require_known_names("--curve", "curve", curves, curve_registry)


def _write_outputs(out: Path, results: dict[str, Any]) -> None:
    write_json(out / "results.json", results)
    write_atomically(out / "table.md", render_markdown(results).encode())
    if any(relative_times(workload) for workload in results["workloads"]):
        save_figure(ratios_figure(results), out / "ratios.png")
    if results["curves"]:
        save_figure(curves_figure(results["curves"]), out / "curves.png")


def _make_out_dir(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); give another --out") from None


def _environment(entries: Sequence[dict[str, Any]], peers: Sequence[str]) -> dict[str, Any]:
    """The machine and the versions; each workload's plan is in its own entry."""
    found = entries[0]["environment"]
    libraries = {name: found[name] for name in ("python", "jax", "flax", "optax")}
    return {
        "machine": found["machine"],
        "backend": found["backend"],
        "versions": libraries | dict(_version(PEERS[name]) for name in peers),
        "command": command_line(),
    }


def _version(peer: Peer) -> tuple[str, str]:
    distribution = peer.distribution or peer.package
    return distribution, version(distribution)
