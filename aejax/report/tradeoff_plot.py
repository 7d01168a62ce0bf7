"""The trade-off of a sweep: the reconstruction error of each setting against the test score of its codes."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aejax.config.sweep_axes import format_axis_value
from aejax.evaluate.verdict_metrics import VerdictMetric
from aejax.report.results import Results, finite_interval, finite_or_none, verdict_metric
from aejax.report.style import (
    CLASS_COLORS,
    NEUTRAL_COLOR,
    PRIMARY_COLOR,
    SECONDARY_COLOR,
    TEXT_COLOR,
    label_text,
    make_figure,
    set_log_scale,
    with_style,
)

# Smaller errors than the least error of a point over this factor are drawn there.
ERROR_FLOOR_FACTOR = 4.0
LABEL_MERGE_DISTANCE = 13.0  # typographic points; closer marks of a series share a label
SERIES_COLORS = (PRIMARY_COLOR, SECONDARY_COLOR, *CLASS_COLORS[1:])


class PlotPoint(NamedTuple):
    """The means and intervals of one setting: error in squared input units, score in the unit of the metric."""

    label: str
    error: float
    score: float
    error_interval: list[float]  # empty if unknown
    score_interval: list[float]


class PlotSeries(NamedTuple):
    """Marks that are joined by a line."""

    name: str
    color: str
    points: list[PlotPoint]
    is_reference: bool


@with_style
def plot_tradeoff(results: Results) -> Figure:
    """Plots reconstruction error on the test examples against the metric of verdicts, both with 95 % intervals.

    Points are joined along the first axis and labelled by its value; principal components of the same widths are the
    grey series; the raw inputs, which have no error, are a line. A ring marks the point that validation rows choose.
    Components whose error is far below that of any point, as when the data have no more dimensions, are drawn at the
    left edge.
    """
    figure = make_figure(5.2)
    axes = figure.add_subplot()
    kind, metric = results["config"]["method"], verdict_metric(results)
    drawn = make_series(results)
    errors = [mark.error for series in drawn for mark in series.points if not series.is_reference]
    error_floor = min(errors, default=0.0) / ERROR_FLOOR_FACTOR
    set_log_scale(axes, "x", [max(mark.error, error_floor) for series in drawn for mark in series.points], 3)
    for series in drawn:
        _draw_series(axes, series, error_floor)
    _mark_selected(axes, results)
    _draw_raw(axes, metric, _raw_inputs(results)[metric.field])
    better = "up" if metric.higher_is_better else "down"
    name = label_text(results["dataset"]["name"])
    axes.set_title(f"{name}, {kind}: left is nearer to the inputs, {better} is easier to classify")
    axes.set_xlabel("reconstruction error of the test rows (mean squared), mean and 95 % interval")
    axes.set_ylabel(f"test {metric.heading} of the probe, mean and 95 % interval")
    axes.grid()
    figure.legend(loc="outside lower center", ncols=3)
    for series in drawn:
        _draw_labels(axes, series, error_floor)
    return figure


def make_series(results: Results) -> list[PlotSeries]:
    """Returns a series of principal components, then one for each combination of the axes but the first."""
    kind, first, metric = results["config"]["method"], results["axes"][0]["field"], verdict_metric(results)

    def marks(entries: Sequence[Results], label: Callable[[Results], str]) -> list[PlotPoint]:
        return [mark for entry in entries if (mark := make_plot_point(metric, entry, label(entry)))]

    labels = _raw_inputs(results)["name"].removeprefix("raw")
    references = [entry for entry in results["references"] if entry["name"].startswith("pca-")]
    components = [entry for entry in references if entry["name"].endswith(labels)]
    by_number = marks(components, lambda entry: str(entry["name"].removeprefix("pca-").removesuffix(labels)))
    series = [PlotSeries(f"principal components, by number{labels}", NEUTRAL_COLOR, by_number, True)]
    groups: dict[str, list[Results]] = {}  # by the values of all axes but the first
    for point in results["points"]:
        fixed = [f"{field}={format_axis_value(value)}" for field, value in list(point["setting"].items())[1:]]
        groups.setdefault(" ".join(fixed), []).append(point)
    for index, (others, points) in enumerate(groups.items()):
        line = marks(points, lambda point: format_axis_value(point["setting"][first]))
        color = SERIES_COLORS[index % len(SERIES_COLORS)]
        series.append(PlotSeries(f"{others or kind}, by {first}", color, line, False))
    return [line for line in series if line.points]


def _raw_inputs(results: Results) -> Results:
    """Returns the entry of the raw inputs; of several, which differ in their number of labels, the last one."""
    return [entry for entry in results["references"] if entry["name"].split(" ")[0] == "raw"][-1]


def make_plot_point(metric: VerdictMetric, entry: Results, label: str) -> PlotPoint | None:
    """Returns an entry as a mark; None if error or score is missing or not finite."""
    mse, score = entry["reconstruction_mse"] or {"mean": None, "ci95": None}, entry[metric.field]
    error_mean, score_mean = finite_or_none(mse["mean"]), finite_or_none(score["mean"])
    if error_mean is None or score_mean is None:
        return None
    intervals = finite_interval(mse["ci95"]), finite_interval(score["ci95"], metric.scale)
    return PlotPoint(label, error_mean, metric.scale * score_mean, *intervals)


def _draw_series(axes: Axes, series: PlotSeries, error_floor: float) -> None:
    color, style = series.color, "--" if series.is_reference else "-"
    across = [max(mark.error, error_floor) for mark in series.points]
    axes.plot(across, [mark.score for mark in series.points], style, color=color, linewidth=1, alpha=0.7)
    for is_inside, marker, label in (
        (True, "o", series.name),
        (False, "<", f"the same, error below {error_floor:.1g}"),
    ):
        shown = [mark for mark in series.points if (mark.error >= error_floor) == is_inside]
        if shown:
            places = [max(mark.error, error_floor) for mark in shown], [mark.score for mark in shown]
            axes.plot(*places, marker, color=color, markersize=5, label=label, lw=0)
    faint: dict[str, Any] = {"color": color, "linewidth": 0.9, "alpha": 0.55}
    for mark, x in zip(series.points, across, strict=True):
        axes.plot([x] * len(mark.score_interval), mark.score_interval, **faint)
        if mark.error_interval and mark.error >= error_floor:
            # An interval that reaches 0 cannot be drawn on a log scale.
            low = max(mark.error_interval[0], x / ERROR_FLOOR_FACTOR)
            axes.plot([low, mark.error_interval[1]], [mark.score] * 2, **faint)


def _draw_labels(axes: Axes, series: PlotSeries, error_floor: float) -> None:
    """Writes a label next to each mark, joined for marks that are close, once the scales are known."""
    to_print = 72 / axes.figure.dpi
    joined: list[tuple[list[str], tuple[float, float]]] = []
    for mark in series.points:
        place = (max(mark.error, error_floor), mark.score)
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
        mark = make_plot_point(verdict_metric(results), point, "")
        if point["name"] == name and mark is not None:
            ring: dict[str, Any] = {"facecolors": "none", "edgecolors": TEXT_COLOR, "zorder": 5}
            axes.scatter([mark.error], [mark.score], s=150, **ring)
            axes.scatter([], [], s=80, label="chosen on validation rows", **ring)


def _draw_raw(axes: Axes, metric: VerdictMetric, score: Results) -> None:
    mean = finite_or_none(score["mean"])
    if mean is not None:
        axes.axhline(
            metric.scale * mean, color=NEUTRAL_COLOR, linestyle=":", linewidth=1.2, zorder=0, label="raw inputs"
        )
        if interval := finite_interval(score["ci95"], metric.scale):
            axes.axhspan(*interval, color=NEUTRAL_COLOR, alpha=0.08, linewidth=0, zorder=-2)
