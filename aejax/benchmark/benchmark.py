"""The whole of a benchmark: names in, a folder of results out."""

import time
from collections.abc import Callable, Collection, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.benchmark.curves.measure import ON_CURVES, measure_curve
from aejax.benchmark.curves.points import CURVES, Curve
from aejax.benchmark.curves.report import curves_figure
from aejax.benchmark.figures import ratios_figure, relative
from aejax.benchmark.kinds import EVERYTHING, KINDS
from aejax.benchmark.peers import PEERS, Peer, check_peers
from aejax.benchmark.report import markdown
from aejax.benchmark.targets import verdicts
from aejax.benchmark.turns import Effort
from aejax.errors import InputError, require, require_known
from aejax.report.style import save
from aejax.run.environment import command
from aejax.store.files import write_atomically, write_json


def benchmark(
    names: Sequence[str],
    peers: Sequence[str],
    out: Path,
    console: Console,
    *,
    seeds: int,
    epochs: int | None,
    repeats: int,
    data_dir: Path | None,
    workloads: dict[str, Any] = EVERYTHING,
    curves: Sequence[str] = (),
    known_curves: dict[str, Callable[[], Curve]] = CURVES,
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
    effort = Effort(seeds, epochs, repeats)
    _check(names, workloads, curves, known_curves, effort)

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    for line in check_peers(peers):
        say(line)
    kinds = {name: KINDS[type(workloads[name])] for name in names}
    works = {name: kind.prepare(workloads[name], data_dir) for name, kind in kinds.items()}
    occupied = {peer for peer in peers for name in names if kinds[name].occupies(PEERS[peer], works[name])}
    _require_all_at_work(peers, occupied | ({ON_CURVES} if curves else set()))
    _make_folder(out)
    timed, drawn = list[dict[str, Any]](), list[dict[str, Any]]()

    def write() -> dict[str, Any]:  # after each: what was timed is not lost with what comes after it
        results = _results(timed, drawn, peers, time.perf_counter() - began)
        _write(out, results)
        return results

    for name, kind in kinds.items():
        timed.append(kind.measure(name, workloads[name], works[name], peers, effort, say))
        results = write()
    for name in curves:
        drawn.append(measure_curve(name, known_curves[name](), peers, effort, data_dir, say))
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


def _check(
    names: Sequence[str],
    workloads: dict[str, Any],
    curves: Sequence[str],
    known_curves: dict[str, Callable[[], Curve]],
    effort: Effort,
) -> None:
    """Refuse what is not there, and less than one of anything."""
    for flag, number in zip(("--seeds", "--epochs", "--repeats"), effort, strict=True):
        require(number is None or number >= 1, f"{flag} {number}: expected at least 1")
    require([*names, *curves], f"--workload: name at least one of {', '.join(workloads)}")
    require_known("--workload", "workload", names, workloads)
    require_known("--curve", "curve", curves, known_curves)


def _write(out: Path, results: dict[str, Any]) -> None:
    write_json(out / "results.json", results)
    write_atomically(out / "table.md", markdown(results).encode())
    if any(relative(workload) for workload in results["workloads"]):
        save(ratios_figure(results), out / "ratios.png")
    if results["curves"]:
        save(curves_figure(results["curves"]), out / "curves.png")


def _make_folder(out: Path) -> None:
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
        "command": command(),
    }


def _version(peer: Peer) -> tuple[str, str]:
    distribution = peer.distribution or peer.package
    return distribution, version(distribution)
