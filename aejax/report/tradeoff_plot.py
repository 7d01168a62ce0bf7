"""The frontier of a sweep: how near each setting's reconstructions are, against what its code tells a classifier."""

from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from aejax.config.sweep_axes import format_axis_value
from aejax.report.results import Results, finite_or_none
from aejax.report.style import (
    CLASS_COLORS,
    NEUTRAL_COLOR,
    PRIMARY_COLOR,
    SECONDARY_COLOR,
    TEXT_COLOR,
    make_figure,
    with_style,
)

ERROR_FLOOR_FACTOR = (
    4.0  # times below the least error of any point: where smaller errors of principal components are drawn
)
LABEL_MERGE_DISTANCE = 13.0  # points of print: marks of one line that are nearer share a label
SERIES_COLORS = (PRIMARY_COLOR, SECONDARY_COLOR, *CLASS_COLORS[1:])


class PlotPoint(NamedTuple):
    """One mark: two means with their intervals, error in squared input units and accuracy in percent."""

    label: str
    error: float
    accuracy: float
    error_interval: tuple[float, float] | None
    accuracy_interval: tuple[float, float] | None


def group_points(results: Results) -> dict[str, list[Results]]:
    """Points by the values of every axis but the first, which is what a line follows."""
    found: dict[str, list[Results]] = {}
    for point in results["points"]:
        others = [f"{field}={format_axis_value(value)}" for field, value in list(point["setting"].items())[1:]]
        found.setdefault(" ".join(others), []).append(point)
    return found


class PlotSeries(NamedTuple):
    """Marks that a line joins."""

    name: str
    color: str
    points: list[PlotPoint]
    is_reference: bool


@with_style
def plot_tradeoff(results: Results) -> Figure:
    """Reconstruction error of the test rows against test accuracy, both with 95 % intervals over seeds.

    Points are joined along the first axis and labelled by its value; principal components of the same widths are the
    grey series; the raw inputs, which have no error, are a line. A ring marks the point that validation rows choose.
    Components whose error is far below that of any point, as where the data have no more dimensions, stand at the edge.
    """
    figure = make_figure(5.2)
    axes = figure.add_subplot()
    kind = results["config"]["method"]
    drawn = make_series(results)
    errors = [spot.error for series in drawn for spot in series.points if not series.is_reference]
    edge = min(errors, default=0.0) / ERROR_FLOOR_FACTOR
    positive = [max(spot.error, edge) for series in drawn for spot in series.points]
    if edge > 0 and max(positive) > 3 * min(positive):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    for series in drawn:
        _draw_series(axes, series, edge)
    _mark_selected(axes, results)
    _draw_raw(axes, next(entry for entry in results["references"] if entry["name"] == "raw"))
    axes.set_title(f"{results['dataset']['name']}, {kind}: left is nearer to the inputs, up is easier to classify")
    axes.set_xlabel("reconstruction error of the test rows (mean squared), mean and 95 % interval")
    axes.set_ylabel("test accuracy of the probe, %, mean and 95 % interval")
    axes.grid(color="#eeeeee", zorder=-1)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=3)
    for series in drawn:
        _draw_labels(axes, series, edge)
    return figure


def make_series(results: Results) -> list[PlotSeries]:
    """Principal components, then a line for the values of every axis but the first."""
    kind, first = results["config"]["method"], results["axes"][0]["field"]
    components = [entry for entry in results["references"] if entry["name"].startswith("pca-")]
    spots = [spot for entry in components if (spot := make_plot_point(entry, entry["name"].removeprefix("pca-")))]
    found = [PlotSeries("principal components, by number", NEUTRAL_COLOR, spots, True)] if spots else []
    for index, (others, points) in enumerate(group_points(results).items()):
        own = [spot for point in points if (spot := make_plot_point(point, format_axis_value(point["setting"][first])))]
        colour = SERIES_COLORS[index % len(SERIES_COLORS)]
        found += [PlotSeries(f"{others or kind}, by {first}", colour, own, False)] if own else []
    return found


def make_plot_point(entry: Results, label: str) -> PlotPoint | None:
    """An entry as a mark; None where it has no finite error or accuracy."""
    if entry["reconstruction_mse"] is None:
        return None
    error, accuracy = (
        finite_or_none(entry["reconstruction_mse"]["mean"]),
        finite_or_none(entry["test_accuracy"]["mean"]),
    )
    if error is None or accuracy is None:
        return None
    within = _bounds(entry["test_accuracy"])
    return PlotPoint(
        label,
        error,
        100 * accuracy,
        _bounds(entry["reconstruction_mse"]),
        within and (100 * within[0], 100 * within[1]),
    )


def _bounds(summary: Results) -> tuple[float, float] | None:
    low, high = (finite_or_none(bound) for bound in summary["ci95"] or (None, None))
    return None if low is None or high is None else (low, high)


def _draw_series(axes: Axes, series: PlotSeries, error_floor: float) -> None:
    inside = [spot for spot in series.points if spot.error >= error_floor]
    beyond = [spot for spot in series.points if spot.error < error_floor]
    across, up = [max(spot.error, error_floor) for spot in series.points], [spot.accuracy for spot in series.points]
    colour = series.color
    axes.plot(across, up, "--" if series.is_reference else "-", color=colour, linewidth=1, alpha=0.7)
    for spots, marker, label in ((inside, "o", series.name), (beyond, "<", f"the same, error below {error_floor:.1g}")):
        if spots:
            where = [max(spot.error, error_floor) for spot in spots]
            axes.plot(where, [s.accuracy for s in spots], marker, color=colour, markersize=5, label=label, lw=0)
    for spot in series.points:
        x = max(spot.error, error_floor)
        if spot.error_interval and spot.error >= error_floor:
            low = max(
                spot.error_interval[0], x / ERROR_FLOOR_FACTOR
            )  # an interval that reaches 0 has no place on a log scale
            axes.plot([low, spot.error_interval[1]], [spot.accuracy] * 2, color=colour, linewidth=0.9, alpha=0.55)
        if spot.accuracy_interval:
            axes.plot([x, x], spot.accuracy_interval, color=colour, linewidth=0.9, alpha=0.55)


def _draw_labels(axes: Axes, series: PlotSeries, error_floor: float) -> None:
    """Each mark's label beside it, once the scales are known; labels that would cover each other are joined."""
    to_print = 72 / axes.figure.dpi
    joined: list[tuple[list[str], tuple[float, float]]] = []
    for spot in series.points:
        place = (max(spot.error, error_floor), spot.accuracy)
        if joined:
            across, up = to_print * (axes.transData.transform(place) - axes.transData.transform(joined[-1][1]))
            if max(abs(across), abs(up)) < LABEL_MERGE_DISTANCE:
                joined[-1][0].append(spot.label)
                continue
        joined.append(([spot.label], place))
    offset, vertical = ((6, -6), "top") if series.is_reference else ((6, 6), "bottom")
    for labels, place in joined:
        style: dict[str, Any] = {"textcoords": "offset points", "va": vertical, "fontsize": 8, "color": series.color}
        axes.annotate(", ".join(labels), place, offset, **style)


def _mark_selected(axes: Axes, results: Results) -> None:
    name = results["chosen"] and results["chosen"]["name"]
    for point in results["points"]:
        spot = make_plot_point(point, "")
        if point["name"] == name and spot is not None:
            ring: dict[str, Any] = {"facecolors": "none", "edgecolors": TEXT_COLOR, "zorder": 5}
            axes.scatter([spot.error], [spot.accuracy], s=150, **ring)
            axes.scatter([], [], s=80, label="chosen on validation rows", **ring)


def _draw_raw(axes: Axes, raw: Results) -> None:
    accuracy, bounds = finite_or_none(raw["test_accuracy"]["mean"]), _bounds(raw["test_accuracy"])
    if accuracy is None:
        return
    axes.axhline(100 * accuracy, color=NEUTRAL_COLOR, linestyle=":", linewidth=1.2, zorder=0, label="raw inputs")
    if bounds:
        axes.axhspan(100 * bounds[0], 100 * bounds[1], color=NEUTRAL_COLOR, alpha=0.08, linewidth=0, zorder=-2)
