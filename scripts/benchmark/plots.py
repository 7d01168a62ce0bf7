"""Figures of a benchmark: the time of every contender relative to aejax, and curves."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from aejax.report.style import (
    CLASS_COLORS,
    NEUTRAL_COLOR,
    PRIMARY_COLOR,
    SECONDARY_COLOR,
    TEXT_COLOR,
    make_figure,
    with_style,
)
from benchmark.curves import SECONDS_KEY, curve_lines
from benchmark.measure import KINDS
from benchmark.timing import Entry

COLORS = {
    "aejax": NEUTRAL_COLOR,
    "torch": CLASS_COLORS[0],
    "torch, compiled": CLASS_COLORS[5],
    "keras, TensorFlow": CLASS_COLORS[2],
    "keras, JAX": CLASS_COLORS[3],
    "sklearn": CLASS_COLORS[1],
    "cyanure": CLASS_COLORS[4],
}
PROCESSES_MARKER, THREADS_MARKER = "D", "o"
MARKER_SPREAD = 0.6  # vertical spread of the markers of a workload, in rows
LINE_STYLES = {"aejax": ("aejax", PRIMARY_COLOR), "torch": ("PyTorch, fastest eager setting", SECONDARY_COLOR)}


def relative_times(workload: Entry) -> dict[str, float]:
    """Returns each contender's median seconds relative to the first contender of aejax; empty without peers.

    For a path only the peers, because its other numbers of seeds do other work.
    """
    kind = workload["kind"]
    if kind == "command":
        return {}
    key, (first, *others) = KINDS[kind].seconds_key, workload["contenders"]
    comparable = [one for one in others if kind != "path" or one["library"] != "aejax"]
    return {one["name"]: one[key]["median"] / first[key]["median"] for one in comparable}


def _color_key(name: str) -> str:
    """Returns the longest key of `COLORS` that a contender's name starts with."""
    return max((key for key in COLORS if name.startswith(key)), key=len)


@with_style
def ratios_figure(results: Entry) -> Figure:
    """Draws a row for each workload and a marker for each contender: its time per seed relative to aejax."""
    shown = [(workload, times) for workload in results["workloads"] if (times := relative_times(workload))]
    figure = make_figure(1.3 + 0.5 * len(shown))
    axes = figure.add_subplot()
    for row, (_, times) in enumerate(shown):
        for name, ratio in times.items():
            key = _color_key(name)
            offset = MARKER_SPREAD * (list(COLORS).index(key) / (len(COLORS) - 1) - 0.5)  # avoids overlaps
            marker = PROCESSES_MARKER if " x 1 thread" in name else THREADS_MARKER
            axes.plot(ratio, row + offset, marker, color=COLORS[key], markersize=6, markeredgecolor="white", alpha=0.9)
    names = [f"{workload['name']}\n{workload['contenders'][0]['name']}" for workload, _ in shown]
    axes.set_yticks(range(len(shown)), names)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.axvline(1.0, color=TEXT_COLOR, linewidth=1)
    axes.set_xlabel("seconds per epoch and seed, relative to aejax as named at the left (a path: to one fit)")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.grid(color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    used = dict.fromkeys(_color_key(name) for _, times in shown for name in times)
    legend = [(THREADS_MARKER, COLORS[key], key) for key in used]
    legend.append((PROCESSES_MARKER, NEUTRAL_COLOR, "a process per core"))
    handles = [Line2D([], [], marker=marker, linewidth=0, color=color, label=label) for marker, color, label in legend]
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure


@with_style
def curves_figure(curves: Sequence[Entry]) -> Figure:
    """Draws a panel for each curve: median and range of the repetitions on logarithmic axes."""
    columns = min(2, len(curves))
    rows = -(-len(curves) // columns)
    figure = make_figure(0.3 + 2.7 * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, curve in zip(panels, curves, strict=False):
        _draw_curve(axes, curve)
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    return figure


def _draw_curve(axes: Axes, curve: Entry) -> None:
    for peer, fastest in curve_lines(curve).items():
        title, color = LINE_STYLES[peer]
        x, seconds = list(fastest), [one[SECONDS_KEY] for one in fastest.values()]
        median, low, high = ([1e3 * one[key] for one in seconds] for key in ("median", "min", "max"))
        axes.plot(x, median, "o-", color=color, markersize=4, label=title)
        axes.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
        last = curve["points"][-1]["x"]
        if x[-1] < last:  # one seed after the other: each further one takes the same time
            axes.plot([x[-1], last], [median[-1]] * 2, ":", color=color, linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel=curve["label"], title=f"deep: time against {curve['name']}")
    axes.set_ylabel("ms per epoch and seed")
    axes.set_xticks([point["x"] for point in curve["points"]])
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.grid(axis="y", color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend()
