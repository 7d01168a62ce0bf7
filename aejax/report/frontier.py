"""The frontier of a sweep: how near each setting's reconstructions are, against what its code tells a classifier."""

from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from aejax.config.axes import shown
from aejax.report.results import Results, number
from aejax.report.style import ACCENT, CLASS_COLOURS, INK, QUIET, SECOND, new_figure, styled

EDGE = 4.0  # times below the least error of any point: where smaller errors of principal components are drawn
NEAR = 13.0  # points of print: marks of one line that are nearer share a label
SERIES_COLOURS = (ACCENT, SECOND, *CLASS_COLOURS[1:])


class Spot(NamedTuple):
    """One mark: two means with their intervals, error in squared input units and accuracy in percent."""

    label: str
    error: float
    accuracy: float
    error_interval: tuple[float, float] | None
    accuracy_interval: tuple[float, float] | None


def series_of(results: Results) -> dict[str, list[Results]]:
    """Points by the values of every axis but the first, which is what a line follows."""
    found: dict[str, list[Results]] = {}
    for point in results["points"]:
        others = [f"{field}={shown(value)}" for field, value in list(point["setting"].items())[1:]]
        found.setdefault(" ".join(others), []).append(point)
    return found


class Series(NamedTuple):
    """Marks that a line joins."""

    name: str
    colour: str
    spots: list[Spot]
    is_reference: bool


@styled
def frontier(results: Results) -> Figure:
    """Reconstruction error of the test rows against test accuracy, both with 95 % intervals over seeds.

    Points are joined along the first axis and labelled by its value; principal components of the same widths are the
    grey series; the raw inputs, which have no error, are a line. A ring marks the point that validation rows choose.
    Components whose error is far below that of any point, as where the data have no more dimensions, stand at the edge.
    """
    figure = new_figure(5.2)
    axes = figure.add_subplot()
    kind = results["config"]["method"]
    drawn = all_series(results)
    errors = [spot.error for series in drawn for spot in series.spots if not series.is_reference]
    edge = min(errors, default=0.0) / EDGE
    positive = [max(spot.error, edge) for series in drawn for spot in series.spots]
    if edge > 0 and max(positive) > 3 * min(positive):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    for series in drawn:
        _draw_series(axes, series, edge)
    _draw_chosen(axes, results)
    _draw_raw(axes, next(entry for entry in results["references"] if entry["name"] == "raw"))
    axes.set_title(f"{results['dataset']['name']}, {kind}: left is nearer to the inputs, up is easier to classify")
    axes.set_xlabel("reconstruction error of the test rows (mean squared), mean and 95 % interval")
    axes.set_ylabel("test accuracy of the probe, %, mean and 95 % interval")
    axes.grid(color="#eeeeee", zorder=-1)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=3)
    for series in drawn:
        _label(axes, series, edge)
    return figure


def all_series(results: Results) -> list[Series]:
    """Principal components, then a line for the values of every axis but the first."""
    kind, first = results["config"]["method"], results["axes"][0]["field"]
    components = [entry for entry in results["references"] if entry["name"].startswith("pca-")]
    spots = [spot for entry in components if (spot := spot_of(entry, entry["name"].removeprefix("pca-")))]
    found = [Series("principal components, by number", QUIET, spots, True)] if spots else []
    for index, (others, points) in enumerate(series_of(results).items()):
        own = [spot for point in points if (spot := spot_of(point, shown(point["setting"][first])))]
        colour = SERIES_COLOURS[index % len(SERIES_COLOURS)]
        found += [Series(f"{others or kind}, by {first}", colour, own, False)] if own else []
    return found


def spot_of(entry: Results, label: str) -> Spot | None:
    """An entry as a mark; None where it has no finite error or accuracy."""
    if entry["reconstruction_mse"] is None:
        return None
    error, accuracy = number(entry["reconstruction_mse"]["mean"]), number(entry["test_accuracy"]["mean"])
    if error is None or accuracy is None:
        return None
    within = _bounds(entry["test_accuracy"])
    return Spot(
        label,
        error,
        100 * accuracy,
        _bounds(entry["reconstruction_mse"]),
        within and (100 * within[0], 100 * within[1]),
    )


def _bounds(summary: Results) -> tuple[float, float] | None:
    low, high = (number(bound) for bound in summary["ci95"] or (None, None))
    return None if low is None or high is None else (low, high)


def _draw_series(axes: Axes, series: Series, edge: float) -> None:
    inside = [spot for spot in series.spots if spot.error >= edge]
    beyond = [spot for spot in series.spots if spot.error < edge]
    across, up = [max(spot.error, edge) for spot in series.spots], [spot.accuracy for spot in series.spots]
    colour = series.colour
    axes.plot(across, up, "--" if series.is_reference else "-", color=colour, linewidth=1, alpha=0.7)
    for spots, marker, label in ((inside, "o", series.name), (beyond, "<", f"the same, error below {edge:.1g}")):
        if spots:
            where = [max(spot.error, edge) for spot in spots]
            axes.plot(where, [s.accuracy for s in spots], marker, color=colour, markersize=5, label=label, lw=0)
    for spot in series.spots:
        x = max(spot.error, edge)
        if spot.error_interval and spot.error >= edge:
            low = max(spot.error_interval[0], x / EDGE)  # an interval that reaches 0 has no place on a log scale
            axes.plot([low, spot.error_interval[1]], [spot.accuracy] * 2, color=colour, linewidth=0.9, alpha=0.55)
        if spot.accuracy_interval:
            axes.plot([x, x], spot.accuracy_interval, color=colour, linewidth=0.9, alpha=0.55)


def _label(axes: Axes, series: Series, edge: float) -> None:
    """Each mark's label beside it, once the scales are known; labels that would cover each other are joined."""
    to_print = 72 / axes.figure.dpi
    joined: list[tuple[list[str], tuple[float, float]]] = []
    for spot in series.spots:
        place = (max(spot.error, edge), spot.accuracy)
        if joined:
            across, up = to_print * (axes.transData.transform(place) - axes.transData.transform(joined[-1][1]))
            if max(abs(across), abs(up)) < NEAR:
                joined[-1][0].append(spot.label)
                continue
        joined.append(([spot.label], place))
    offset, vertical = ((6, -6), "top") if series.is_reference else ((6, 6), "bottom")
    for labels, place in joined:
        style: dict[str, Any] = {"textcoords": "offset points", "va": vertical, "fontsize": 8, "color": series.colour}
        axes.annotate(", ".join(labels), place, offset, **style)


def _draw_chosen(axes: Axes, results: Results) -> None:
    name = results["chosen"] and results["chosen"]["name"]
    for point in results["points"]:
        spot = spot_of(point, "")
        if point["name"] == name and spot is not None:
            ring: dict[str, Any] = {"facecolors": "none", "edgecolors": INK, "zorder": 5}
            axes.scatter([spot.error], [spot.accuracy], s=150, **ring)
            axes.scatter([], [], s=80, label="chosen on validation rows", **ring)


def _draw_raw(axes: Axes, raw: Results) -> None:
    accuracy, bounds = number(raw["test_accuracy"]["mean"]), _bounds(raw["test_accuracy"])
    if accuracy is None:
        return
    axes.axhline(100 * accuracy, color=QUIET, linestyle=":", linewidth=1.2, zorder=0, label="raw inputs")
    if bounds:
        axes.axhspan(100 * bounds[0], 100 * bounds[1], color=QUIET, alpha=0.08, linewidth=0, zorder=-2)
