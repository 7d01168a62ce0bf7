"""A large set made, trained on and deleted, MNIST measured, and what came of it as a page."""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from aejax.benchmark.streamed import SAMPLING_SECONDS, measure_stream, train_large, write_large
from aejax.data.memory import in_units
from aejax.errors import require
from aejax.report.table import markdown_rows
from aejax.run.signals import last_words
from aejax.store.files import plain, write_atomically, write_json

SEEDS = 4  # of every training here


def show(
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
    require(wanted < 0.95 * room, f"--scratch {scratch}: has {in_units(room)} left; ask for fewer --gigabytes")
    place = Path(tempfile.mkdtemp(prefix="aejax-stream-", dir=scratch))
    with last_words(lambda: shutil.rmtree(place, ignore_errors=True)):
        try:
            written = write_large(place / "large", wanted, seed=0)
            written["seconds_to_write"] = time.perf_counter() - began
            console.print(f"{in_units(written['bytes'])} written; training on them", highlight=False)
            large = train_large(place / "large", None if limit is None else int(limit * 1e9), SEEDS)
            shutil.rmtree(place / "large")
            console.print(f"{large['stream']['rounds']} rounds; MNIST beside its stream", highlight=False)
            mnist = measure_stream(SEEDS, data_dir, place)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    environment = {**mnist.pop("environment"), "seconds": time.perf_counter() - began}
    large = {**written, **large}
    found = plain({"schema": 1, "kind": "stream", "environment": environment, "large": large, "mnist": mnist})
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "stream.json", found)
    write_atomically(out / "stream.md", page(found).encode())
    return found


def page(found: dict[str, Any]) -> str:
    """The results, as Markdown."""
    large, mnist, environment = found["large"], found["mnist"], found["environment"]
    memory, stream, losses = large["memory"], large["stream"], large["losses"]
    shown = sorted({*np.linspace(0, len(losses["train_loss"]) - 1, 8).astype(int).tolist()})
    rounds = [[str(row + 1), *(f"{losses[name][row]:.4g}" for name in ("train_loss", "valid_loss"))] for row in shown]
    rates = [
        [
            name,
            f"{entry['first_pass_rate']:,.0f}",
            f"{entry['rate']:,.0f}",
            f"{100 * entry['ratio']:.1f} %",
            in_units(entry["memory"]["resident_before"]),
            in_units(entry["memory"]["resident_peak"]),
        ]
        for name, entry in mnist["entries"].items()
    ]
    limit = "" if memory["limit"] is None else f" (it may allocate {in_units(memory['limit'])})"
    headings = ["from", "first pass", "later passes", "of memory's", "resident before", "at its highest"]
    return f"""# Data larger than memory

`{environment["command"]}`, {environment["machine"]}, {environment["seconds"]:.0f} s.

## A set of {large["bytes"] / 1e9:.1f} GB

{large["n"]:,} examples, {in_units(large["bytes"])}, written in {large["seconds_to_write"]:.0f} s, trained on, deleted.
One pass of {SEEDS} seeds of `{mnist["recipe"]}` over its {stream["n_train"]:,} training examples took
{large["seconds"]["pretrain"]:.0f} s in {stream["rounds"]} rounds, windows of {stream["window"]:,} examples.

The process{limit} had {in_units(memory["resident_before"])} of anonymous memory resident before it opened the set and
{in_units(memory["resident_peak"])} at its highest, looked at {1 / SAMPLING_SECONDS:.0f} times a second;
{in_units(memory["high_water"])} at its highest with the pages of files.

{markdown_rows(["round", "train loss", "valid loss"], "rrr", rounds)}

## MNIST, streamed and from memory

`{mnist["recipe"]}`, {mnist["seeds"]} seeds at once, {mnist["passes"]} passes, by turns in one process: training
examples a second, of all seeds together, medians. The first pass of a stream begins before anything is read. What fits
one window is read once for all passes; the rest is read, and decoded where it is encoded images, in every pass.

{markdown_rows(headings, "lrrrrr", rates)}
"""
