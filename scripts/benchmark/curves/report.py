"""Curves as Markdown and as one figure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from aejax.report.comparison_table import format_markdown_table
from aejax.report.style import PRIMARY_COLOR, SECONDARY_COLOR, make_figure, with_style

Entry = Mapping[str, Any]
SECONDS_KEY = "seconds_per_epoch_and_seed"
LINE_STYLES = {"aejax": ("aejax", PRIMARY_COLOR), "torch": ("PyTorch, fastest eager setting", SECONDARY_COLOR)}

NOTES = (
    "Curves: the deep recipe, with one quantity varied and all else as it is but for the number of examples, which is "
    "given. All points are timed in turn. PyTorch: the fastest of its eager settings at each point (all threads, a "
    "process per core); it trains seed after seed, so a seed beyond the number of cores takes as long again and is not "
    "timed."
)


class CurveLine(NamedTuple):
    """A contender's fastest setting at each point where it was timed."""

    peer: str
    x: list[float]
    fastest: list[Entry]


def curve_lines(curve: Entry) -> list[CurveLine]:
    """This project's line, and PyTorch's where it took part."""
    found = []
    for peer in LINE_STYLES:
        at = [(point["x"], [one for one in point["contenders"] if one["peer"] == peer]) for point in curve["points"]]
        at = [(x, there) for x, there in at if there]
        if at:
            fastest = [min(there, key=lambda one: one[SECONDS_KEY]["median"]) for _, there in at]
            found.append(CurveLine(peer, [x for x, _ in at], fastest))
    return found


def curve_table(curve: Entry) -> str:
    """A heading and a table: milliseconds per epoch and seed at each point."""
    headings = [curve["label"], "examples", "aejax, ms per epoch and seed", "range", "PyTorch, ms", "its setting"]
    by_peer = {line.peer: dict(zip(line.x, line.fastest, strict=True)) for line in curve_lines(curve)}
    rows = []
    for point in curve["points"]:
        own, other = by_peer["aejax"][point["x"]], by_peer.get("torch", {}).get(point["x"])
        row = [f"{point['x']:g}", f"{point['examples']:,}", f"{1e3 * own[SECONDS_KEY]['median']:.3g}"]
        row.append(f"{1e3 * own[SECONDS_KEY]['min']:.3g}-{1e3 * own[SECONDS_KEY]['max']:.3g}")
        row += ["", ""] if other is None else [f"{1e3 * other[SECONDS_KEY]['median']:.3g}", other["name"]]
        rows.append(row)
    return f"### Time against {curve['label']}\n\n{format_markdown_table(headings, 'rrrrrl', rows)}"


@with_style
def curves_figure(curves: Sequence[Entry]) -> Figure:
    """A panel for each curve: the median of the repetitions and their range, on logarithmic axes."""
    columns = min(2, len(curves))
    rows = -(-len(curves) // columns)
    figure = make_figure(0.3 + 2.7 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes, curve in zip(panels, curves, strict=False):
        _draw(axes, curve)
    for axes in list(panels)[len(curves) :]:
        axes.set_axis_off()
    return figure


def _draw(axes: Axes, curve: Entry) -> None:
    for peer, x, fastest in curve_lines(curve):
        title, colour = LINE_STYLES[peer]
        median, low, high = ([1e3 * one[SECONDS_KEY][key] for one in fastest] for key in ("median", "min", "max"))
        axes.plot(x, median, "o-", color=colour, markersize=4, label=title)
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
        last = curve["points"][-1]["x"]
        if x[-1] < last:  # seed after seed: the same time for each further one
            axes.plot([x[-1], last], [median[-1]] * 2, ":", color=colour, linewidth=1)
    ticks = [point["x"] for point in curve["points"]]
    axes.set(xscale="log", yscale="log", xlabel=curve["label"], title=f"deep: time against {curve['name']}")
    axes.set_ylabel("ms per epoch and seed")
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(axis="y", color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend()
