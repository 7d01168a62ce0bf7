"""What a plan rests on: rates that results in a folder have measured, and an accelerator's published figures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from aejax.errors import require
from aejax.store.files import read_json

RECIPE, WORKLOAD = "tutorial-deep", "deep"  # the recipe that is planned, and the benchmark's name of it
STREAMS = ("array_record", "npy")  # of encoded images, of arrays
HOST = "planning/host.json"  # what `--measure` writes


class Accelerator(NamedTuple):
    """Published figures: declared, and not measured here. Rates are per second and per GPU."""

    name: str
    source: str  # of the figures, and when they were looked up
    flops: float  # float32
    bfloat16: float  # the same, on tensor cores
    bandwidth: float  # bytes, device memory
    memory: float  # bytes
    share: float  # of it that JAX takes
    host_link: float  # bytes, each way
    peer_link: float  # bytes, each way, to GPUs of the same host
    network: float  # bytes, to other hosts
    per_host: int
    host_memory: float  # bytes, of a host


H100 = Accelerator(
    name="NVIDIA H100 SXM",
    source="NVIDIA's figures for the H100 SXM5 (2022) as https://glennklockwood.com/garden/processors/h100 has them, "
    "half of both ways' 128 GB/s (PCIe 5.0) and 900 GB/s (NVLink) each way; a host as MLPerf Inference 3.1 describes "
    "Dell's XE9680: eight GPUs, eight ports of 400 Gb/s, 2 TB of memory; JAX's share of a GPU by "
    "https://docs.jax.dev/en/latest/gpu_memory_allocation.html. Looked up in November 2026.",
    flops=67e12,
    bfloat16=989e12,
    bandwidth=3.35e12,
    memory=80e9,
    share=0.75,
    host_link=64e9,
    peer_link=450e9,
    network=50e9,
    per_host=8,
    host_memory=2e12,
)
PESSIMISTIC = 0.1  # of the arithmetic's peak: a guess, and called so


class Training(NamedTuple):
    """The recipe on the machine that was measured."""

    source: str
    machine: str
    contender: str
    n_train: int
    seconds: float  # per epoch and seed
    gflop: float  # per epoch and seed
    product_gflop_per_second: float
    compile_seconds: float
    peak_memory: int


class Probing(NamedTuple):
    """The probe's whole path of strengths."""

    source: str
    machine: str
    contender: str
    features: int
    seconds: float  # per seed


class Saving(NamedTuple):
    """A checkpoint."""

    source: str
    machine: str
    bytes_per_seed: float
    bytes_per_second: float  # by what a save added to an epoch


class Host(NamedTuple):
    """What is done on the host before each epoch."""

    source: str
    machine: str
    order_seconds: float  # to shuffle for one seed
    laid_seconds: float  # to copy one run's order
    inodes: int  # of a saved folder


class Streaming(NamedTuple):
    """A large set read while it was trained on."""

    source: str
    machine: str
    examples: float  # a second, of the set, as training took them
    bytes: float  # a second
    extra_decoding: float | None  # seconds for each example, of encoded images beside arrays


class Measured(NamedTuple):
    """Everything that is taken from results."""

    training: Training
    probing: Probing
    saving: Saving
    host: Host | None
    streaming: Streaming | None


def read_measured(results: Path) -> Measured:
    """The constants of a folder of results; what is optional is None where there is no file of it.

    Raises:
        InputError: a benchmark of the recipe, of the probe's path, or `saves/saves.json` is missing.
    """
    saves = read_json(results / "saves" / "saves.json")
    per_save = saves["median"]["without"] * saves["share"]
    require(per_save > 0, f"{results}/saves: a save took no time; measure again with faults.py --saves")
    size, machine = saves["checkpoint_bytes"], saves["environment"]["machine"]
    saving = Saving("saves/saves.json", machine, size / saves["seeds"], size / per_save)
    return Measured(_training(results), _probing(results), saving, _host(results), _streaming(results))


def _workloads(results: Path) -> Iterator[tuple[str, Any, Any]]:
    """Every benchmark's workloads: that of all of them first, then by name."""
    for path in (folder / "results.json" for folder in sorted(results.glob("benchmark*"))):
        if path.is_file():
            found = read_json(path)
            yield from ((str(path.relative_to(results)), found, workload) for workload in found.get("workloads", ()))


def _own(workload: Any, prefix: str) -> list[Any]:
    """This project's contenders by their number of seeds, the most last; others of its settings are left out."""
    named = {f"{prefix}, {n} seed{'' if n == 1 else 's'}": n for n in range(1, 1 + 64)}
    own = [one for one in workload["contenders"] if one["name"] in named]
    return sorted(own, key=lambda one: named[one["name"]])


def _training(results: Path) -> Training:
    for source, found, workload in _workloads(results):
        own = _own(workload, "aejax") if workload["name"] == WORKLOAD else []
        if own and "gflop_per_epoch_and_seed" in workload:
            fastest = min(own, key=lambda one: one["seconds_per_epoch_and_seed"]["median"])
            return Training(
                source,
                found["environment"]["machine"],
                fastest["name"],
                workload["dataset"]["n_train"],
                fastest["seconds_per_epoch_and_seed"]["median"],
                workload["gflop_per_epoch_and_seed"],
                workload["product_gflop_per_second"]["median"],
                sum(fastest["compile_seconds"].values()),
                fastest["peak_memory_bytes"],
            )
    require(False, f"{results}: no benchmark of {WORKLOAD}; run scripts/benchmark.py --workload {WORKLOAD}")
    raise AssertionError


def _probing(results: Path) -> Probing:
    paths = [
        (workload["features"], -own[-1]["seeds"], source, found["environment"]["machine"], own[-1])
        for source, found, workload in _workloads(results)
        if workload.get("kind") == "path" and (own := _own(workload, "aejax, path"))
    ]
    require(paths, f"{results}: no benchmark of the probe's path; run scripts/benchmark.py --workload probe-path-64")
    features, _, source, machine, own = min(paths, key=lambda one: one[:2])
    return Probing(source, machine, own["name"], features, own["seconds"]["median"] / own["seeds"])


def _host(results: Path) -> Host | None:
    if not (results / HOST).is_file():
        return None
    found = read_json(results / HOST)
    machine = found["environment"]["machine"]
    order, laid = (found[name]["median"] for name in ("order_seconds", "laid_seconds"))
    return Host(HOST, machine, order, laid, found["inodes_per_folder"])


def _streaming(results: Path) -> Streaming | None:
    source = "stream/stream.json"
    if not (results / source).is_file():
        return None
    found = read_json(results / source)
    large, entries = found["large"], found["mnist"]["entries"]
    rate = large["stream"]["n_train"] / large["seconds"]["pretrain"]
    encoded, arrays = ([e["rate"] for name, e in entries.items() if name.startswith(f"{k}, windows")] for k in STREAMS)
    extra = None
    if encoded and arrays:
        extra = max(0.0, found["mnist"]["seeds"] * (1 / encoded[0] - 1 / arrays[0]))
    return Streaming(source, found["environment"]["machine"], rate, rate * large["bytes"] / large["n"], extra)
