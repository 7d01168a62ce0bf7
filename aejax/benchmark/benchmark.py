"""The whole of a benchmark: names in, a folder of results out."""

import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.benchmark.path.measure import measure_path
from aejax.benchmark.path.workloads import PATHS, PathWorkload, prepare_path
from aejax.benchmark.peers import PEERS, Peer, check_names, check_peers
from aejax.benchmark.report import markdown
from aejax.benchmark.training.measure import Effort, measure
from aejax.benchmark.training.workloads import WORKLOADS, Workload, prepare_job
from aejax.config import PretrainConfig
from aejax.errors import InputError, require
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
    workloads: dict[str, Workload] = WORKLOADS,
    paths: dict[str, PathWorkload] = PATHS,
) -> dict[str, Any]:
    """Time this project and its peers; write `results.json` and `table.md`; return the former.

    Args:
        names: of `workloads` and `paths`.
        peers: of `PEERS`; each takes part where it has something to do.
        out: the folder; earlier results in it are replaced.
        console: where progress goes.
        seeds: how many models.
        epochs: in one repetition; default: the workload's own number.
        repeats: timed repetitions.
        data_dir: where MNIST is looked for, or downloaded to.
        workloads: the registry of trainings.
        paths: the registry of the probe's paths, whose seeds and work are their own.

    Raises:
        InputError: what is asked for cannot be timed; nothing has been.
    """
    began = time.perf_counter()
    for flag, number in (("--seeds", seeds), ("--epochs", epochs), ("--repeats", repeats)):
        require(number is None or number >= 1, f"{flag} {number}: expected at least 1")
    known = [*workloads, *paths]
    require(names, f"--workload: name at least one of {', '.join(known)}")
    check_names("--workload", names, known)

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    for line in check_peers(peers):
        say(line)
    jobs = {name: prepare_job(workloads[name], data_dir) for name in names if name in workloads}
    _refuse_idle(peers, [job.config for job in jobs.values()], fits=any(name in paths for name in names))
    _make_folder(out)
    path_jobs = {name: prepare_path(paths[name], data_dir) for name in names if name in paths}
    entries = [
        measure(name, jobs[name], peers, Effort(seeds, epochs or workloads[name].epochs, repeats), say)
        if name in jobs
        else measure_path(name, path_jobs[name], peers, paths[name].seeds, repeats, say)
        for name in names
    ]
    results = {
        "schema": 1,
        "kind": "benchmark",
        "environment": {**_environment(entries, peers), "seconds": time.perf_counter() - began},
        "workloads": entries,
    }
    write_json(out / "results.json", results)
    write_atomically(out / "table.md", markdown(results).encode())
    return results


def _refuse_idle(peers: Sequence[str], trainings: Sequence[PretrainConfig], *, fits: bool) -> None:
    """Refuse a peer for which nothing that is timed has work."""
    for name in peers:
        peer = PEERS[name]
        busy = any(peer.trains(config, 1, 1) for config in trainings) or (fits and peer.fits(1))
        require(busy, f"--peers {name}: takes no part in these workloads; leave it out, or add one that it knows")


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
