"""The figure of the verdicts: every autoencoder's difference from every control, with its interval and the margin."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from aejax.evaluate.verdict_metrics import VerdictMetric
from aejax.report.drawing import add_description, describe_design
from aejax.report.results import Results, finite_or_none, verdict_metric
from aejax.report.style import (
    NEUTRAL_COLOR,
    PRIMARY_COLOR,
    SECONDARY_COLOR,
    TEXT_COLOR,
    label_text,
    make_figure,
    with_style,
)

MARKERS = {  # by verdict: marker, colour; shapes differ, so that the figure can be read without colours
    "better": ("^", PRIMARY_COLOR),
    "worse": ("v", SECONDARY_COLOR),
    "not worse": (">", "#56b4e9"),
    "equivalent": ("s", "#009e73"),
    "inconclusive": ("o", NEUTRAL_COLOR),
    "too few seeds": ("x", NEUTRAL_COLOR),
}
INCHES_PER_ROW, INCHES_PER_GAP = 0.21, 0.12


@with_style
def plot_differences(results: Results) -> Figure:
    """Plots the difference of each comparison with its 95 % interval, by autoencoder; the margin is shaded.

    The thick line is the interval of one comparison, the thin one that of all comparisons of a method together, from
    which the verdict comes. Differences are in points of accuracy, or units of the metric that verdicts are about.
    """
    metric, rows = verdict_metric(results), results["comparisons"]
    groups = list(dict.fromkeys(row["method"] for row in rows))
    height = 1.1 + INCHES_PER_ROW * len(rows) + INCHES_PER_GAP * len(groups)
    figure = make_figure(height)
    axes = figure.add_subplot()
    axes.axvline(0, color=TEXT_COLOR, linewidth=0.8, zorder=1)
    margin = metric.scale * results.get("margin", 0)
    axes.axvspan(-margin, margin, color="#eeeeee", zorder=0)
    ticks: dict[float, str] = {}
    position = 0.0
    for group in groups:
        for row in (row for row in rows if row["method"] == group):
            _draw_row(axes, position, row, metric)
            ticks[position] = f"{label_text(group)} - {label_text(row['baseline'])}"
            position += 1
        position += INCHES_PER_GAP / INCHES_PER_ROW
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.set_ylim(position - 0.2, -0.8)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_xlabel(f"difference in {metric.difference_unit}: mean and 95 % interval; shaded: the margin")
    _add_legend(figure, [row["verdict"] for row in rows])
    return add_description(figure, describe_design(results))


def _draw_row(axes: Axes, position: float, row: Results, metric: VerdictMetric) -> None:
    marker, color = MARKERS[row["verdict"]]
    for name, width in (("ci95_adjusted", 1.0), ("ci95", 2.5)):
        bounds = [finite_or_none(bound) for bound in row.get(name) or ()]
        if bounds and None not in bounds:
            scaled = [metric.scale * bound for bound in bounds if bound is not None]
            axes.plot(scaled, [position] * 2, color=color, linewidth=width, zorder=2, solid_capstyle="butt")
    mean = finite_or_none(row["mean_difference"])
    if mean is not None:
        axes.plot(metric.scale * mean, position, marker, color=color, markersize=6, zorder=3)


def _add_legend(figure: Figure, verdicts: list[str]) -> None:
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=color, label=verdict)
        for verdict, (marker, color) in MARKERS.items()
        if verdict in verdicts
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
