"""A large set made, trained on and deleted, MNIST measured, and what came of it as a page."""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from aejax.data.memory import format_bytes
from aejax.errors import require
from aejax.experiments.preemption import call_before_exit
from aejax.report.comparison_table import format_markdown_table
from aejax.storage.atomic_io import to_jsonable, write_atomically, write_json
from benchmark.streaming import (
    MEMORY_SAMPLING_INTERVAL,
    measure_streaming,
    train_on_large_dataset,
    write_synthetic_dataset,
)

N_SEEDS = 4  # of every training here


def run_streaming_benchmark(
    gigabytes: float, limit: float | None, data_dir: Path | None, scratch: Path, out: Path, console: Console
) -> dict[str, Any]:
    """Make a large set in `scratch`, train on it, delete it; measure MNIST; write `stream.json` and `stream.md`.

    Args:
        gigabytes: of the large set, 1e9 bytes each.
        limit: gigabytes that training on it may allocate, if there is a limit.
        data_dir: where MNIST is looked for.
        scratch: where the sets lie meanwhile.
        out: where the two files go.
        console: where progress goes.

    Raises:
        InputError: the disk has no room for the set, or MNIST cannot be had.
    """
    began = time.perf_counter()
    scratch.mkdir(parents=True, exist_ok=True)
    room, wanted = shutil.disk_usage(scratch).free, int(gigabytes * 1e9)
    require(wanted < 0.95 * room, f"--scratch {scratch}: has {format_bytes(room)} left; ask for fewer --gigabytes")
    place = Path(tempfile.mkdtemp(prefix="aejax-stream-", dir=scratch))
    with call_before_exit(lambda: shutil.rmtree(place, ignore_errors=True)):
        try:
            written = write_synthetic_dataset(place / "large", wanted, seed=0)
            written["seconds_to_write"] = time.perf_counter() - began
            console.print(f"{format_bytes(written['bytes'])} written; training on them", highlight=False)
            large = train_on_large_dataset(place / "large", None if limit is None else int(limit * 1e9), N_SEEDS)
            shutil.rmtree(place / "large")
            console.print(f"{large['stream']['rounds']} rounds; MNIST beside its stream", highlight=False)
            mnist = measure_streaming(N_SEEDS, data_dir, place)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    environment = {**mnist.pop("environment"), "seconds": time.perf_counter() - began}
    large = {**written, **large}
    found = to_jsonable({"schema": 1, "kind": "stream", "environment": environment, "large": large, "mnist": mnist})
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "stream.json", found)
    write_atomically(out / "stream.md", render_markdown(found).encode())
    return found


def render_markdown(results: dict[str, Any]) -> str:
    """The results, as Markdown."""
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
    headings = ["from", "first pass", "later passes", "of memory's", "resident before", "at its highest"]
    return f"""# Data larger than memory

`{environment["command"]}`, {environment["machine"]}, {environment["seconds"]:.0f} s.

## A set of {large["bytes"] / 1e9:.1f} GB

{large["n"]:,} examples, {format_bytes(large["bytes"])}, written in {large["seconds_to_write"]:.0f} s, trained on, deleted.
One pass of {N_SEEDS} seeds of `{mnist["recipe"]}` over its {stream["n_train"]:,} training examples took
{large["seconds"]["pretrain"]:.0f} s in {stream["rounds"]} rounds, windows of {stream["window"]:,} examples.

The process{limit} had {format_bytes(memory["resident_before"])} of anonymous memory resident before it opened the set and
{format_bytes(memory["resident_peak"])} at its highest, looked at {1 / MEMORY_SAMPLING_INTERVAL:.0f} times a second;
{format_bytes(memory["high_water"])} at its highest with the pages of files.

{format_markdown_table(["round", "train loss", "valid loss"], "rrr", rounds)}

## MNIST, streamed and from memory

`{mnist["recipe"]}`, {mnist["seeds"]} seeds at once, {mnist["passes"]} passes, by turns in one process: training
examples a second, of all seeds together, medians. The first pass of a stream begins before anything is read. What fits
one window is read once for all passes; the rest is read, and decoded where it is encoded images, in every pass.

{format_markdown_table(headings, "lrrrrr", rates)}
"""
