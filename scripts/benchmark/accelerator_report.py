"""The results of `accelerator.py` as Markdown and as a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from aejax.report.style import CLASS_COLORS, make_figure, save_figure, with_style
from aejax.report.tables import Column, Table, to_markdown

Record = Mapping[str, Any]
MANY_TIMES = 1.5  # an epoch of four times the seeds that takes less than this many times as long waits for the host
HALF = 0.5  # the share of shuffling, or of the product rate, above which it bounds an epoch
NOTES = (
    "Seconds are wall time of an epoch of all seeds (a path, a pass through all images), median of the repetitions "
    "after the first, which compiles. First result: until the first repetition ended, in a process that has imported "
    "everything. Of product: the share of the rate at which this device multiplies two large float32 matrices at "
    "JAX's default precision. Memory: the peak on the device since its process began, with the seeds of the rows "
    "above. Bound by: shuffling on the host, if that takes half of the epoch; launches, if four times the seeds take "
    "less than 1.5 times as long; arithmetic, from half of the product rate on; else memory."
)


def _format_failure(record: Record) -> str:
    return record.get("failed") or record.get("skipped") or ""


def _column(heading: str, key: str, form: str) -> Column:
    """Returns a column of numbers; an empty cell where a record has none."""
    return Column(heading, lambda one: "" if one.get(key) is None else format(one[key], form))


def _yes_column(heading: str, key: str) -> Column:
    """Returns a column of yes and no; no where a record has neither."""
    return Column(heading, lambda one: "yes" if one.get(key) else "no")


SECONDS = Column("seconds", lambda one: f"{one['seconds']['median']:.3g}" if "seconds" in one else _format_failure(one))
NAME, SEEDS = Column("name", lambda one: one["name"], align="left"), _column("seeds", "seeds", "d")
FIRST = _column("first result, s", "seconds_until_first_result", ".1f")
MEMORY = Column("device MB", lambda one: f"{peak / 1e6:.0f}" if (peak := one.get("peak_memory_bytes")) else "")
TRAINING = (
    NAME,
    SEEDS,
    SECONDS,
    _column("per seed", "seconds_per_seed", ".3g"),
    _column("GFLOP/s", "gflop_per_second", ",.0f"),
    _column("of product", "share_of_product", ".0%"),
    MEMORY,
    FIRST,
    Column("bound by", lambda one: one.get("bound", "")),
)
PARTS: dict[str, tuple[str, Sequence[Column]]] = {
    "agreement": (
        "Agreement of plans: seeds together, and each alone",
        (
            NAME,
            Column(
                "largest difference of a loss",
                lambda one: f"{max(one['differences'].values()):.1e}" if "agree" in one else _format_failure(one),
            ),
            _yes_column("repeats bit for bit", "repeats_bit_equal"),
            _yes_column("agree", "agree"),
        ),
    ),
    "training": ("Training", TRAINING),
    "path": ("The probe's path of strengths", (NAME, SEEDS, SECONDS, _column("worst gap", "worst_gap", ".1e"), FIRST)),
    "encoding": ("Encoding all images", (NAME, SEEDS, SECONDS, MEMORY, FIRST)),
    "precision": ("Precision", (NAME, SEEDS, SECONDS, _column("train loss", "train_loss", ".4g"), FIRST)),
    "torch": ("PyTorch", (NAME, SEEDS, SECONDS, _column("train loss", "train_loss", ".4g"), FIRST)),
    "comparison": (
        "Whole comparisons, each in a fresh process",
        (
            NAME,
            SEEDS,
            Column("methods", lambda one: str(len(one.get("methods", ())))),
            Column("seconds", lambda one: f"{one['seconds']:.1f}" if "seconds" in one else _format_failure(one)),
            _column("with the process's start", "total_seconds", ".1f"),
        ),
    ),
}


def records_of(results: Record, part: str) -> list[dict[str, Any]]:
    """Returns the records of a part."""
    return [dict(one) for one in results["measurements"] if one["part"] == part]


def add_shares(trainings: list[dict[str, Any]], product_rate: float | None) -> list[dict[str, Any]]:
    """Returns records of trainings with seconds per seed, the share of the product rate, and what bounds each."""
    for index, one in enumerate(trainings):
        if "seconds" not in one:
            continue
        one["seconds_per_seed"] = one["seconds"]["median"] / one["seeds"]
        one["share_of_product"] = one["gflop_per_second"] / product_rate if product_rate else None
        one["bound"] = _find_bound(one, trainings[index + 1 : index + 2])
    return trainings


def _find_bound(one: Record, following: Sequence[Record]) -> str:
    """Returns what bounds an epoch; `following` has the next larger number of seeds, if it was measured."""
    if one["shuffling_share"] > HALF:
        return "shuffling"
    for more in following:
        if more["name"] == one["name"] and "seconds" in more:
            times = more["seconds"]["median"] / one["seconds"]["median"]
            if times < MANY_TIMES * (more["seeds"] / one["seeds"]) / 4:
                return "launches"
    return "arithmetic" if (one["share_of_product"] or 0) >= HALF else "memory"


def render_markdown(results: Record) -> str:
    """Returns `table.md`."""
    environment = results["environment"]
    lines = ["# Accelerator", f"`{environment['command']}`, {environment['seconds']:.0f} s."]
    device = next((one for one in records_of(results, "device") if "machine" in one), None)
    rates = device["product_gflop_per_second"] if device else {}
    if device:
        shown = ", ".join(f"{name} {rate:,.0f}" for name, rate in rates.items())
        versions = ", ".join(f"{name} {version}" for name, version in device["versions"].items())
        lines.append(f"{device['machine']}; {versions}. Products of large matrices, GFLOP/s: {shown}.")
    for part, (title, columns) in PARTS.items():
        records = records_of(results, part)
        if part == "training":
            records = add_shares(records, rates.get("default"))
        if records:
            lines += [f"## {title}", to_markdown(Table(columns, records))]
    return "\n\n".join([*lines, NOTES]) + "\n"


def save_seeds_figure(results: Record, path: Path) -> None:
    """Draws the time of an epoch per seed against the number of seeds."""
    trainings = [one for one in add_shares(records_of(results, "training"), None) if "seconds" in one]
    if trainings:
        save_figure(_seeds_figure(trainings), path)


@with_style
def _seeds_figure(trainings: Sequence[Record]) -> Figure:
    figure = make_figure(4.0)
    axes = figure.add_subplot()
    for name, color in zip(dict.fromkeys(one["name"] for one in trainings), CLASS_COLORS, strict=False):
        points = [(one["seeds"], one["seconds_per_seed"]) for one in trainings if one["name"] == name]
        axes.plot(*zip(*points, strict=True), "o-", color=color, label=name)
    axes.set(xscale="log", yscale="log", xlabel="seeds trained at once", ylabel="seconds per epoch and seed")
    axes.legend()
    return figure
