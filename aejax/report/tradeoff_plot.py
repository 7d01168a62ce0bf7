"""The trade-off of a sweep: the reconstruction error of each setting against the test accuracy of its codes."""

from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aejax.config.sweep_axes import format_axis_value
from aejax.report.drawing import set_log_scale
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

# Smaller errors than the least error of a point over this factor are drawn there.
ERROR_FLOOR_FACTOR = 4.0
LABEL_MERGE_DISTANCE = 13.0  # typographic points; closer marks of a series share a label
SERIES_COLORS = (PRIMARY_COLOR, SECONDARY_COLOR, *CLASS_COLORS[1:])


class PlotPoint(NamedTuple):
    """The means and intervals of one setting: error in squared input units, accuracy in percent."""

    label: str
    error: float
    accuracy: float
    error_interval: tuple[float, float] | None
    accuracy_interval: tuple[float, float] | None


def group_points(results: Results) -> dict[str, list[Results]]:
    """Groups points by the values of all axes but the first, along which a line is drawn."""
    groups: dict[str, list[Results]] = {}
    for point in results["points"]:
        others = [f"{field}={format_axis_value(value)}" for field, value in list(point["setting"].items())[1:]]
        groups.setdefault(" ".join(others), []).append(point)
    return groups


class PlotSeries(NamedTuple):
    """Marks that are joined by a line."""

    name: str
    color: str
    points: list[PlotPoint]
    is_reference: bool


@with_style
def plot_tradeoff(results: Results) -> Figure:
    """Plots reconstruction error on the test examples against test accuracy, both with 95 % intervals.

    Points are joined along the first axis and labelled by its value; principal components of the same widths are the
    grey series; the raw inputs, which have no error, are a line. A ring marks the point that validation rows choose.
    Components whose error is far below that of any point, as when the data have no more dimensions, are drawn at the
    left edge.
    """
    figure = make_figure(5.2)
    axes = figure.add_subplot()
    kind = results["config"]["method"]
    drawn = make_series(results)
    errors = [mark.error for series in drawn for mark in series.points if not series.is_reference]
    error_floor = min(errors, default=0.0) / ERROR_FLOOR_FACTOR
    set_log_scale(axes, "x", [max(point.error, error_floor) for series in drawn for point in series.points], 3)
    for series in drawn:
        _draw_series(axes, series, error_floor)
    _mark_selected(axes, results)
    _draw_raw(axes, next(entry for entry in results["references"] if entry["name"] == "raw"))
    axes.set_title(f"{results['dataset']['name']}, {kind}: left is nearer to the inputs, up is easier to classify")
    axes.set_xlabel("reconstruction error of the test rows (mean squared), mean and 95 % interval")
    axes.set_ylabel("test accuracy of the probe, %, mean and 95 % interval")
    axes.grid()
    figure.legend(loc="outside lower center", ncols=3)
    for series in drawn:
        _draw_labels(axes, series, error_floor)
    return figure


def make_series(results: Results) -> list[PlotSeries]:
    """Returns a series of principal components, then one for each combination of the axes but the first."""
    kind, first = results["config"]["method"], results["axes"][0]["field"]
    components = [entry for entry in results["references"] if entry["name"].startswith("pca-")]
    marks = [mark for entry in components if (mark := make_plot_point(entry, entry["name"].removeprefix("pca-")))]
    series = [PlotSeries("principal components, by number", NEUTRAL_COLOR, marks, True)] if marks else []
    for index, (others, points) in enumerate(group_points(results).items()):
        line = [
            mark for point in points if (mark := make_plot_point(point, format_axis_value(point["setting"][first])))
        ]
        color = SERIES_COLORS[index % len(SERIES_COLORS)]
        series += [PlotSeries(f"{others or kind}, by {first}", color, line, False)] if line else []
    return series


def make_plot_point(entry: Results, label: str) -> PlotPoint | None:
    """Returns an entry as a mark; None if error or accuracy is missing or not finite."""
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
    inside = [mark for mark in series.points if mark.error >= error_floor]
    beyond = [mark for mark in series.points if mark.error < error_floor]
    across, up = [max(mark.error, error_floor) for mark in series.points], [mark.accuracy for mark in series.points]
    color = series.color
    axes.plot(across, up, "--" if series.is_reference else "-", color=color, linewidth=1, alpha=0.7)
    for marks, marker, label in ((inside, "o", series.name), (beyond, "<", f"the same, error below {error_floor:.1g}")):
        if marks:
            where = [max(mark.error, error_floor) for mark in marks]
            axes.plot(where, [s.accuracy for s in marks], marker, color=color, markersize=5, label=label, lw=0)
    for mark in series.points:
        x = max(mark.error, error_floor)
        if mark.error_interval and mark.error >= error_floor:
            # An interval that reaches 0 cannot be drawn on a log scale.
            low = max(mark.error_interval[0], x / ERROR_FLOOR_FACTOR)
            axes.plot([low, mark.error_interval[1]], [mark.accuracy] * 2, color=color, linewidth=0.9, alpha=0.55)
        if mark.accuracy_interval:
            axes.plot([x, x], mark.accuracy_interval, color=color, linewidth=0.9, alpha=0.55)


def _draw_labels(axes: Axes, series: PlotSeries, error_floor: float) -> None:
    """Writes a label next to each mark, joined for marks that are close, once the scales are known."""
    to_print = 72 / axes.figure.dpi
    joined: list[tuple[list[str], tuple[float, float]]] = []
    for mark in series.points:
        place = (max(mark.error, error_floor), mark.accuracy)
        if joined:
            across, up = to_print * (axes.transData.transform(place) - axes.transData.transform(joined[-1][1]))
            if max(abs(across), abs(up)) < LABEL_MERGE_DISTANCE:
                joined[-1][0].append(mark.label)
                continue
        joined.append(([mark.label], place))
    offset, vertical = ((6, -6), "top") if series.is_reference else ((6, 6), "bottom")
    for labels, place in joined:
        style: dict[str, Any] = {"textcoords": "offset points", "va": vertical, "fontsize": 8, "color": series.color}
        axes.annotate(", ".join(labels), place, offset, **style)


def _mark_selected(axes: Axes, results: Results) -> None:
    name = results["chosen"] and results["chosen"]["name"]
    for point in results["points"]:
        mark = make_plot_point(point, "")
        if point["name"] == name and mark is not None:
            ring: dict[str, Any] = {"facecolors": "none", "edgecolors": TEXT_COLOR, "zorder": 5}
            axes.scatter([mark.error], [mark.accuracy], s=150, **ring)
            axes.scatter([], [], s=80, label="chosen on validation rows", **ring)


def _draw_raw(axes: Axes, raw: Results) -> None:
    accuracy, bounds = finite_or_none(raw["test_accuracy"]["mean"]), _bounds(raw["test_accuracy"])
    if accuracy is None:
        return
    axes.axhline(100 * accuracy, color=NEUTRAL_COLOR, linestyle=":", linewidth=1.2, zorder=0, label="raw inputs")
    if bounds:
        axes.axhspan(100 * bounds[0], 100 * bounds[1], color=NEUTRAL_COLOR, alpha=0.08, linewidth=0, zorder=-2)
