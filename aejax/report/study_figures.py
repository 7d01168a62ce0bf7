"""The figures of a study: differences by the number of labels, and performance profiles."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from aejax.evaluate.verdict_metrics import VerdictMetric
from aejax.report.formatting import format_budget
from aejax.report.results import Results, verdict_metric
from aejax.report.style import CLASS_COLORS, FIGURE_WIDTH, NEUTRAL_COLOR, label_text, make_panels, with_style

LINE_STYLES = ("-", "--", ":", "-.")  # the next one after ten lines


@with_style
def plot_gains(results: Results) -> Figure | None:
    """Draws a panel for each method of each question: its difference with every baseline by number of labels.

    A dot is a data set; the line is the mean of the hierarchical model with its interval, or with few data sets the
    median.
    """
    panels: dict[tuple[str, str], list[Results]] = {}
    for question in results["questions"]:
        for row in question["rows"]:
            panels.setdefault((question["name"], row["method"]), []).append(row)
    if not panels:
        return None
    metric, budgets = verdict_metric(results), [budget["labels_per_class"] for budget in results["budgets"]]
    figure, grid = make_panels(len(panels), aspect=0.63, most=2)
    figure.set_figwidth(FIGURE_WIDTH)  # of a single panel, too: the line above it is long
    for axes, ((name, method), rows) in zip(grid, panels.items(), strict=True):
        axes.set_title(label_text(f"{name}: {method}", 48))
        margin = metric.scale * results["margin"]
        axes.axhspan(-margin, margin, color=NEUTRAL_COLOR, alpha=0.12, linewidth=0)
        axes.axhline(0, color=NEUTRAL_COLOR, linewidth=0.8)
        baselines = list(dict.fromkeys(row["baseline"] for row in rows))
        for index, baseline in enumerate(baselines):
            chosen = [row for row in rows if row["baseline"] == baseline]
            shift = 0.5 * ((index + 0.5) / len(baselines) - 0.5)
            _draw_gain(axes, index, chosen, [budgets.index(row["labels_per_class"]) + shift for row in chosen], metric)
        axes.set_xticks(range(len(budgets)), [format_budget(budget) for budget in budgets])
        axes.set_xlabel("labels per class")
        axes.set_ylabel(f"gain, {metric.difference_unit}")
        axes.legend(fontsize=7)
    title = "dots: data sets; lines: mean over data sets with 95 % interval (median of few); grey: within the margin"
    figure.suptitle(title, x=0.01, ha="left", fontsize=8, color=NEUTRAL_COLOR)
    return figure


def _draw_gain(axes: Axes, index: int, rows: list[Results], x: list[float], metric: VerdictMetric) -> None:
    """Draws the rows of one baseline at these places."""
    color, style = _line(index)
    summaries = [row["hierarchical"] or {"mean": row["median"], "ci95": [row["median"]] * 2} for row in rows]
    means = np.array([summary["mean"] for summary in summaries])
    low, high = np.array([summary["ci95"] for summary in summaries]).T
    for place, row in zip(x, rows, strict=True):
        values = [metric.scale * value for value in row["differences"]]
        axes.scatter([place] * len(values), values, s=9, color=color, alpha=0.6, linewidths=0)
    axes.errorbar(
        x,
        metric.scale * means,
        [metric.scale * (means - low), metric.scale * (high - means)],
        color=color,
        linestyle=style,
        linewidth=1.2,
        marker="D",
        markersize=3.5,
        label=label_text(f"against {rows[0]['baseline']}"),
    )


@with_style
def plot_profiles(results: Results) -> Figure | None:
    """Draws the performance profiles of all methods, a panel for each number of labels.

    A method has the same line in all panels, although data sets with many labels may have others in common.
    """
    budgets = [budget for budget in results["budgets"] if budget["profiles"]]
    names = list(dict.fromkeys(name for budget in budgets for name in budget["profiles"]))
    metric = verdict_metric(results)
    if not budgets:
        return None
    figure, grid = make_panels(len(budgets), aspect=0.65, most=2)
    lines: dict[str, Line2D] = {}
    for axes, budget in zip(grid, budgets, strict=True):
        across = [metric.scale * threshold for threshold in budget["thresholds"]]
        for name, profile in budget["profiles"].items():
            color, style = _line(names.index(name))
            share = np.array(profile["share"], dtype=float)  # None becomes NaN
            (lines[name],) = axes.plot(across, share, color=color, linestyle=style, linewidth=1.2)
            axes.fill_between(across, profile["low"], profile["high"], color=color, alpha=0.1, linewidth=0)
        axes.set_title(f"{format_budget(budget['labels_per_class'])} labels per class")
        axes.set(xlabel=f"below the best method's mean, {metric.difference_unit}", ylabel="trainings above")
        axes.grid()
    handles = [lines[name] for name in names]
    figure.legend(handles, list(map(label_text, names)), loc="outside lower center", ncols=4, fontsize=7)
    return figure


def _line(index: int) -> tuple[str, str]:
    """Returns the colour and the style of a line."""
    return CLASS_COLORS[index % len(CLASS_COLORS)], LINE_STYLES[index // len(CLASS_COLORS) % len(LINE_STYLES)]


STUDY_FIGURES: dict[str, Callable[[Results], Figure | None]] = {
    "differences.png": plot_gains,
    "profiles.png": plot_profiles,
}
STUDY_PICTURES = {
    "differences.png": "The gain of each method over each baseline by the number of labels: a dot for each data set, "
    "and the mean of a hierarchical model with its 95 % interval, or the median of few data sets; along a line the "
    "data sets can differ, as not all have labels enough",
    "profiles.png": "Performance profiles: the share of trainings whose score exceeds that of the data set's best "
    "method by more than the number below, with pointwise 95 % bands over trainings",
}
