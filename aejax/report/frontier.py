"""The frontier of a sweep: how near each setting's reconstructions are, against what its code tells a classifier."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from aejax.report.results import Results, number
from aejax.report.style import ACCENT, CLASS_COLOURS, INK, QUIET, SECOND, new_figure, styled

SERIES_COLOURS = (ACCENT, SECOND, *CLASS_COLOURS[1:])


class Spot(NamedTuple):
    """One mark: two means with their intervals, error in squared input units and accuracy in percent."""

    label: str
    error: float
    accuracy: float
    error_interval: tuple[float, float] | None
    accuracy_interval: tuple[float, float] | None


def shown_value(value: Any) -> str:
    """A value of an axis as on the command line, from what JSON made of it."""
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return "x".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def series_of(results: Results) -> dict[str, list[Results]]:
    """Points by the values of every axis but the first, which is what a line follows."""
    found: dict[str, list[Results]] = {}
    for point in results["points"]:
        others = [f"{field}={shown_value(value)}" for field, value in list(point["setting"].items())[1:]]
        found.setdefault(" ".join(others), []).append(point)
    return found


@styled
def frontier(results: Results) -> Figure:
    """Reconstruction error of the test rows against test accuracy, both with 95 % intervals over seeds.

    Points are joined along the first axis and labelled by its value; principal components of the same widths are the
    grey series; the raw inputs, which have no error, are a line. A ring marks the point that validation rows choose.
    """
    figure = new_figure(5.2)
    axes = figure.add_subplot()
    kind, first = results["config"]["method"], results["axes"][0]["field"]
    chosen = results["chosen"] and results["chosen"]["name"]
    drawn: list[float] = []
    components = [entry for entry in results["references"] if entry["name"].startswith("pca-")]
    spots = [spot for entry in components if (spot := spot_of(entry, entry["name"].removeprefix("pca-")))]
    _draw_series(axes, spots, "principal components, by number", QUIET, below=True)
    drawn += [spot.error for spot in spots]
    for index, (others, points) in enumerate(series_of(results).items()):
        colour = SERIES_COLOURS[index % len(SERIES_COLOURS)]
        labels = [shown_value(point["setting"][first]) for point in points]
        spots = [spot for point, label in zip(points, labels, strict=True) if (spot := spot_of(point, label))]
        _draw_series(axes, spots, f"{others or kind}, by {first}", colour, below=False)
        drawn += [spot.error for spot in spots]
        for point in points:
            if point["name"] == chosen and (spot := spot_of(point, "")):
                axes.scatter([spot.error], [spot.accuracy], s=150, facecolors="none", edgecolors=INK, zorder=5)
    if chosen:
        axes.scatter([], [], s=80, facecolors="none", edgecolors=INK, label="chosen on validation rows")
    _draw_raw(axes, next(entry for entry in results["references"] if entry["name"] == "raw"))
    if drawn and min(drawn) > 0 and max(drawn) > 3 * min(drawn):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    axes.set_title(f"{results['dataset']['name']}, {kind}: left is nearer to the inputs, up is easier to classify")
    axes.set_xlabel("reconstruction error of the test rows (mean squared), mean and 95 % interval")
    axes.set_ylabel("test accuracy of the probe, %, mean and 95 % interval")
    axes.grid(color="#eeeeee", zorder=-1)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=3)
    return figure


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


def _draw_series(axes: Axes, spots: Sequence[Spot], label: str, colour: str, *, below: bool) -> None:
    if not spots:
        return
    dashed = "--" if below else "-"
    axes.plot([s.error for s in spots], [s.accuracy for s in spots], dashed, color=colour, linewidth=1, alpha=0.7)
    axes.plot([s.error for s in spots], [s.accuracy for s in spots], "o", color=colour, markersize=5, label=label)
    for spot in spots:
        if spot.error_interval:
            low = max(spot.error_interval[0], spot.error / 20)  # an interval that reaches 0 has no place on a log scale
            axes.plot([low, spot.error_interval[1]], [spot.accuracy] * 2, color=colour, linewidth=0.9, alpha=0.55)
        if spot.accuracy_interval:
            axes.plot([spot.error] * 2, spot.accuracy_interval, color=colour, linewidth=0.9, alpha=0.55)
        place, vertical = ((6, -6), "top") if below else ((6, 6), "bottom")
        axes.annotate(
            spot.label,
            (spot.error, spot.accuracy),
            place,
            textcoords="offset points",
            va=vertical,
            fontsize=8,
            color=colour,
        )


def _draw_raw(axes: Axes, raw: Results) -> None:
    accuracy, bounds = number(raw["test_accuracy"]["mean"]), _bounds(raw["test_accuracy"])
    if accuracy is None:
        return
    axes.axhline(100 * accuracy, color=QUIET, linestyle=":", linewidth=1.2, zorder=0, label="raw inputs")
    if bounds:
        axes.axhspan(100 * bounds[0], 100 * bounds[1], color=QUIET, alpha=0.08, linewidth=0, zorder=-2)
