"""Results of `scripts/verify.py`, simulated experiments with known truth, as Markdown and as one figure."""

from collections.abc import Callable
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aejax.report.formatting import MISSING, format_mean_ci, format_provenance
from aejax.report.rendering import render_template
from aejax.report.style import NEUTRAL_COLOR, PRIMARY_COLOR, SECONDARY_COLOR, TEXT_COLOR, make_figure, with_style
from aejax.report.tables import Column, Table, to_markdown

VerificationResults = dict[str, Any]

_COLORS = (NEUTRAL_COLOR, SECONDARY_COLOR, PRIMARY_COLOR, TEXT_COLOR, SECONDARY_COLOR)
_MARKERS = ("o", "s", "^", "D", "v")
_SIZES = (
    Column("design", lambda entry: entry["design"], "left"),
    Column("simulated", lambda entry: entry["process"], "left"),
    Column("test examples", lambda entry: f"{entry['examples']:,}"),
)


def render_verification_page(results: VerificationResults) -> str:
    """Returns `verify.md`: the requirements, then the tables; shares in percent, with binomial 95 % intervals."""
    requirements = [
        Column("requirement", lambda check: check["claim"], "left"),
        Column("worst value", lambda check: f"{100 * check['worst']:.1f} %"),
        Column("holds", lambda check: "yes" if check["holds"] else "**no**", "left"),
    ]
    gaps = [
        _share_column(f"{100 * point['gap']:g}", "curve", index, "better")
        for index, point in enumerate(results["power"][0]["curve"])
    ]
    detectable = Column("detectable", lambda entry: f"{100 * entry['detectable']['gap']:.2f}")
    return render_template(
        "verification.md.j2",
        provenance=format_provenance(results["environment"]),
        requirements=to_markdown(Table(requirements, results["checks"])),
        coverage=_coverage_table(results["coverage"]),
        false_verdicts=_family_table(results["false_verdicts"]),
        false_equivalence=to_markdown(
            Table((*_SIZES, _share_column("equivalent", "equivalent")), results["false_equivalence"])
        ),
        power=to_markdown(
            Table((*_SIZES, *gaps, detectable, _share_column("found", "detectable", "better")), results["power"])
        ),
        label_curves=_curves_table(results.get("label_curves", [])),
        real=to_markdown(_real_table(results["real"])) if results.get("real") else "",
    )


def _coverage_table(cells: list[VerificationResults]) -> str:
    """Returns a row for each design, process and number of examples, with the range over the other sizes."""
    columns = [
        *_SIZES,
        Column("an accuracy", lambda row: _range(row, lambda cell: cell["accuracy"]["share"])),
        Column("a difference", lambda row: _range(row, lambda cell: cell["difference"]["share"])),
        Column("median length, points", lambda row: _range(row, lambda cell: cell["length"])),
        Column("an accuracy, all", lambda row: _range(row, lambda cell: cell["all"]["share"])),
    ]
    return to_markdown(Table(columns, _group(cells)))


def _family_table(entries: list[VerificationResults]) -> str:
    """Returns a row for each design, process and number of examples, with a column for every size of a family."""
    sizes = sorted({entry["family"] for entry in entries})

    def share(size: int, row: VerificationResults) -> str:
        shares = [entry["decisive"] for entry in row["cells"] if entry["family"] == size]
        return _format_share(shares[0]) if shares else MISSING

    columns = [Column(f"family of {size}", partial(share, size)) for size in sizes]
    return to_markdown(Table((*_SIZES, *columns), _group(entries)))


def _curves_table(entries: list[VerificationResults]) -> str:
    headings = {
        "curve": "band of a method",
        "difference": "band of a difference",
        "found": "crossing found",
        "missed": "interval without it",
        "false": "false crossing",
        "surplus": "SDL",
        "complexity": "eSC",
    }
    shares = [_share_column(heading, field) for field, heading in headings.items()]
    return to_markdown(Table([_SIZES[0], _SIZES[2], *shares], entries)) if entries else ""


def _group(cells: list[VerificationResults]) -> list[VerificationResults]:
    """Returns a row for each design, process and number of examples, whose `cells` are its entries."""
    rows: dict[tuple[Any, ...], VerificationResults] = {}
    for cell in cells:
        sizes = {name: cell[name] for name in ("design", "process", "examples")}
        rows.setdefault(tuple(sizes.values()), {**sizes, "cells": []})["cells"].append(cell)
    return list(rows.values())


def _range(row: VerificationResults, value: Callable[[VerificationResults], float]) -> str:
    values = [100 * value(cell) for cell in row["cells"]]
    return f"{min(values):.1f} to {max(values):.1f}"


def _real_table(entries: list[VerificationResults]) -> Table:
    columns = [
        Column("data", lambda entry: entry["dataset"], "left"),
        Column("method", lambda entry: entry["method"], "left"),
        Column("design", lambda entry: entry["design"], "left"),
        Column("seeds in each set", lambda entry: str(entry["seeds"])),
        Column("pairs of sets", lambda entry: str(entry["pairs"])),
        Column("better or worse", lambda entry: str(entry["decisive"])),
        Column("verdicts", lambda entry: ", ".join(f"{count} {name}" for name, count in entry["verdicts"].items())),
        Column("largest difference, points", lambda entry: f"{100 * entry['largest_difference']:.2f}"),
    ]
    return Table(columns, entries)


def _share_column(heading: str, *path: str | int) -> Column:
    """Returns a column of the share that the keys of `path` lead to, with its binomial interval, in percent."""

    def cell(entry: VerificationResults) -> str:
        share: Any = entry
        for key in path:
            share = share[key]
        return _format_share(share)

    return Column(heading, cell)


def _format_share(share: VerificationResults) -> str:
    return format_mean_ci({"mean": share["share"], "ci95": share["ci95"]}, scale=100, decimals=1)


@with_style
def plot_power_and_coverage(results: VerificationResults) -> Figure:
    """Plots the power by the true gap at the left and the coverage of the intervals at the right."""
    figure = make_figure(3.4)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    _draw_power(left, [entry for entry in results["power"] if entry["design"] == "holdout"])
    _draw_coverage(right, results["coverage"])
    return figure


def _draw_power(axes: Axes, entries: list[VerificationResults]) -> None:
    for entry, color, marker in zip(entries, _COLORS, _MARKERS, strict=False):
        gaps = [100 * point["gap"] for point in entry["curve"]]
        shares = [100 * point["better"]["share"] for point in entry["curve"]]
        axes.plot(gaps, shares, color=color, marker=marker, markersize=4, label=f"{entry['examples']:,} examples")
    axes.set_title(f"verdict better, {entries[0]['seeds']} seeds: {entries[0]['process']}")
    axes.set(xlabel="true gap, points of accuracy", ylabel="of experiments, %", ylim=(-3, 103))
    axes.legend(loc="best", fontsize=7)
    axes.grid()


def _draw_coverage(axes: Axes, cells: list[VerificationResults]) -> None:
    """Draws a column for each number of examples, a marker for each cell of a difference and of an accuracy."""
    sizes = sorted({cell["examples"] for cell in cells})
    for name, label, color, marker, shift in (
        ("accuracy", "an accuracy", SECONDARY_COLOR, "s", -0.15),
        ("difference", "a difference", PRIMARY_COLOR, "o", 0.15),
    ):
        places = [sizes.index(cell["examples"]) + shift for cell in cells]
        shares = [100 * cell[name]["share"] for cell in cells]
        axes.scatter(places, shares, s=8, color=color, marker=marker, linewidths=0, alpha=0.5, label=label, zorder=3)
    axes.axhspan(92, 98, color=PRIMARY_COLOR, alpha=0.1, linewidth=0)
    axes.axhline(95, color=NEUTRAL_COLOR, linestyle=":", linewidth=1.2)
    axes.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
    axes.set_title("coverage, a mark per process, accuracy, seeds and design")
    axes.set(xlabel="test examples", ylabel="of experiments, %")
    axes.legend(loc="best", fontsize=7)
