"""Train on a dataset larger than memory, and measure what streaming costs.

    python scripts/benchmark/stream.py [--gigabytes 20] [--limit GB] [--scratch DIR] [--data-dir DIR] [--out DIR]

Makes a dataset of that size in the scratch folder, trains one pass over it in a separate process and deletes it; then
trains on MNIST from memory and streamed, interleaved. Writes `stream.json` and `stream.md`.
"""

import dataclasses
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

if not __package__:  # run as a script: `benchmark` is imported from the folder above
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from aejax.cli import configure_cpu_devices, make_console, parse_args, run_main
from aejax.config import DataConfig
from aejax.data.memory import format_bytes
from aejax.data.registry import load_dataset
from aejax.data.stream.loader import import_grain
from aejax.errors import require
from aejax.experiments.preemption import call_before_exit
from aejax.report.tables import format_markdown_table
from aejax.storage.atomic_io import to_jsonable, write_atomically, write_json
from benchmark.memory import SAMPLING_INTERVAL
from benchmark.streaming import measure_streaming, train_on_large_dataset, write_synthetic_dataset

N_SEEDS = 4  # of every training here


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of stream.py."""

    gigabytes: float = 20.0  # size of the large dataset, 1e9 bytes each
    limit: float | None = None  # gigabytes that training on it may allocate (RLIMIT_DATA); default: no limit
    scratch: Path = Path("runs/stream-scratch")  # folder of the datasets, which are deleted afterwards
    data_dir: Path | None = None  # where MNIST is found; default AEJAX_DATA
    out: Path = Path("runs/stream")  # results folder; earlier results in it are replaced


def run_streaming_benchmark(args: Args, console: Console) -> dict[str, Any]:
    """Trains on a large dataset and on MNIST; writes `stream.json` and `stream.md`; returns the results.

    Raises:
        InputError: the disk is too small for the dataset, or MNIST is missing.
    """
    began = time.perf_counter()
    for flag, value in (("--gigabytes", args.gigabytes), ("--limit", args.limit)):
        require(value is None or 0 < value < math.inf, f"{flag} {value}: expected a finite size above 0")
    import_grain()
    load_dataset(DataConfig(dataset="mnist", data_dir=args.data_dir))  # before gigabytes are written, not after
    args.out.mkdir(parents=True, exist_ok=True)
    args.scratch.mkdir(parents=True, exist_ok=True)
    require(os.access(args.out, os.W_OK), f"--out {args.out}: cannot be written; give another --out")
    free, size = shutil.disk_usage(args.scratch).free, int(args.gigabytes * 1e9)
    require(size < 0.95 * free, f"--scratch {args.scratch}: has {format_bytes(free)} left; use fewer --gigabytes")
    with (
        tempfile.TemporaryDirectory(prefix="aejax-stream-", dir=args.scratch, ignore_cleanup_errors=True) as name,
        call_before_exit(lambda: shutil.rmtree(name, ignore_errors=True)),
    ):
        folder = Path(name)
        dataset = write_synthetic_dataset(folder / "large", size, seed=0)
        dataset["seconds_to_write"] = time.perf_counter() - began
        console.print(f"{format_bytes(dataset['bytes'])} written; training on them", highlight=False)
        limit = None if args.limit is None else int(args.limit * 1e9)
        large = dataset | train_on_large_dataset(folder / "large", limit, N_SEEDS)
        shutil.rmtree(folder / "large")
        console.print(f"{large['stream']['rounds']} rounds; training on MNIST", highlight=False)
        mnist = measure_streaming(N_SEEDS, args.data_dir, folder)
    environment = {**mnist.pop("environment"), "seconds": time.perf_counter() - began}
    results = to_jsonable({"schema": 1, "kind": "stream", "environment": environment, "large": large, "mnist": mnist})
    write_json(args.out / "stream.json", results)
    write_atomically(args.out / "stream.md", render_markdown(results).encode())
    return results


def render_markdown(results: dict[str, Any]) -> str:
    """Returns the results as Markdown."""
    large, mnist, environment = results["large"], results["mnist"], results["environment"]
    memory, stream, losses = large["memory"], large["stream"], large["losses"]
    shown = sorted({*np.linspace(0, len(losses["train_loss"]) - 1, 8).astype(int).tolist()})
    rounds = [[str(row + 1), *(f"{losses[name][row]:.4g}" for name in ("train_loss", "valid_loss"))] for row in shown]
    rates = [
        [
            name,
            f"{entry['first_pass_rate']:,.0f}",
            f"{entry['rate']:,.0f}",
            f"{100 * entry['ratio']:.1f} %",
            format_bytes(entry["memory"]["resident_before"]),
            format_bytes(entry["memory"]["resident_peak"]),
        ]
        for name, entry in mnist["entries"].items()
    ]
    limit = "" if memory["limit"] is None else f" (it may allocate {format_bytes(memory['limit'])})"
    headings = ["from", "first pass", "later passes", "relative to memory", "resident before", "peak"]
    return f"""# Data larger than memory

`{environment["command"]}`, {environment["machine"]}, {environment["seconds"]:.0f} s.

## A dataset of {large["bytes"] / 1e9:.1f} GB

{large["n"]:,} examples, {format_bytes(large["bytes"])}, written in {large["seconds_to_write"]:.0f} s.
One pass of {N_SEEDS} seeds of `{mnist["recipe"]}` over its {stream["n_train"]:,} training examples took
{large["seconds"]["pretrain"]:.0f} s in {stream["rounds"]} rounds, windows of {stream["window"]:,} examples.

The process{limit} had {format_bytes(memory["resident_before"])} of anonymous memory resident before it opened the
dataset and {format_bytes(memory["resident_peak"])} at its peak, sampled {1 / SAMPLING_INTERVAL:.0f} times a second;
{format_bytes(memory["high_water"])} at its peak with the pages of files.

{format_markdown_table(["round", "train loss", "valid loss"], "rrr", rounds)}

## MNIST, streamed and from memory

`{mnist["recipe"]}`, {mnist["seeds"]} seeds at once, {mnist["passes"]} passes, interleaved in one process: training
examples per second, of all seeds together, medians. The first pass of a stream includes opening it. A stream that fits
one window is read once for all passes; others are read, and decoded if they are encoded images, in every pass.

{format_markdown_table(headings, "lrrrrr", rates)}
"""


def main(argv: Sequence[str]) -> None:
    args = parse_args(Args(), argv, __doc__ or "")
    configure_cpu_devices(N_SEEDS)
    console = make_console()
    results = run_streaming_benchmark(args, console)
    for name, entry in results["mnist"]["entries"].items():
        console.print(f"{name}: {100 * entry['ratio']:.1f} % of the rate from memory", highlight=False)
    console.print(f"{args.out}: stream.md, stream.json", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run_main(main)
