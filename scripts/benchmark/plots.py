"""Every contender's time beside this project's, as one figure."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from aejax.report.style import CLASS_COLORS, NEUTRAL_COLOR, TEXT_COLOR, make_figure, with_style

Entry = Mapping[str, Any]
SECONDS_KEY = {"training": "seconds_per_epoch_and_seed", "encoding": "seconds_per_round_and_seed", "path": "seconds"}
COLOURS = {
    "aejax": NEUTRAL_COLOR,
    "torch": CLASS_COLORS[0],
    "torch, compiled": CLASS_COLORS[5],
    "keras, TensorFlow": CLASS_COLORS[2],
    "keras, JAX": CLASS_COLORS[3],
    "sklearn": CLASS_COLORS[1],
}
PROCESSES_MARKER, THREADS_MARKER = "D", "o"
MARK_SPREAD = 0.6  # of a row of marks, in rows


def relative_times(workload: Entry) -> dict[str, float]:
    """Each contender's median seconds over those of this project's first; empty for what has no peers.

    Of a path, whose other numbers of seeds do other work, the peers alone.
    """
    if (quantity := SECONDS_KEY.get(workload.get("kind", "training"))) is None:
        return {}
    first, *others = workload["contenders"]
    comparable = [one for one in others if quantity != "seconds" or one["library"] != "aejax"]
    return {one["name"]: one[quantity]["median"] / first[quantity]["median"] for one in comparable}


def _colour_key(name: str) -> str:
    """Whose colour a contender has: the longest of the names in `COLOURS` that its own begins with."""
    return max((family for family in COLOURS if name.startswith(family)), key=len)


@with_style
def ratios_figure(results: Entry) -> Figure:
    """A row for each workload, a mark for each contender: how many times this project's time it takes, per seed."""
    shown = [(workload, found) for workload in results["workloads"] if (found := relative_times(workload))]
    figure = make_figure(1.3 + 0.5 * len(shown))
    axes = figure.add_subplot()
    families: dict[str, str] = {}
    for row, (_, found) in enumerate(shown):
        for name, times in found.items():
            family = _colour_key(name)
            families[family] = COLOURS[family]
            marker = PROCESSES_MARKER if " x 1 thread" in name else THREADS_MARKER
            above = MARK_SPREAD * (
                list(COLOURS).index(family) / (len(COLOURS) - 1) - 0.5
            )  # marks do not hide each other
            axes.plot(
                times, row + above, marker, color=COLOURS[family], markersize=6, markeredgecolor="white", alpha=0.9
            )
    names = [f"{workload['name']}\n{workload['contenders'][0]['name']}" for workload, _ in shown]
    axes.set_yticks(range(len(shown)), names)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.axvline(1.0, color=TEXT_COLOR, linewidth=1)
    _format_axes(axes)
    handles = [
        Line2D([], [], marker=THREADS_MARKER, linewidth=0, color=colour, label=name)
        for name, colour in families.items()
    ]
    handles.append(
        Line2D([], [], marker=PROCESSES_MARKER, linewidth=0, color=NEUTRAL_COLOR, label="a process per core")
    )
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure


def _format_axes(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_xlabel("seconds per epoch and seed, relative to aejax as named at the left (a path: beside one fit)")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
