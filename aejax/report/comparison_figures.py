"""The figures of a comparison: scores, differences from controls, label curves, and representations."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from aejax.evaluate.verdict_metrics import VerdictMetric
from aejax.report.formatting import MISSING
from aejax.report.results import (
    Results,
    best_method,
    diverged_seeds,
    finite_interval,
    finite_or_none,
    first_controls,
    is_control,
    is_permuted,
    verdict_metric,
)
from aejax.report.style import (
    NEUTRAL_COLOR,
    PRIMARY_COLOR,
    SECONDARY_COLOR,
    TEXT_COLOR,
    draw_seeds,
    embolden,
    label_text,
    make_figure,
    make_panels,
    set_log_scale,
    shared_legend,
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
OUTLIER_DISTANCE, MIN_METHODS_FOR_OUTLIERS = 4, 4  # see `_limit_to_most`
INCHES_PER_ROW, INCHES_PER_GAP = 0.21, 0.12
LINE_STYLES = ("--", ":", "-.")  # of the controls that are named
CONTROL_LABELS = {"raw": "raw inputs", "random": "untrained", "supervised": "supervised"}  # by a name's first part
OTHER_COLOR = "#c8c8c8"
SIMILARITY_CMAP: Colormap = matplotlib.colormaps["Blues"].resampled(64)
DARK_CELL_CKA = 0.55  # CKA above which a cell is dark
MAX_ANNOTATED_METHODS = 20  # with more, the cells of the matrix are too small for numbers
_METRIC_PANELS = {"effective_rank": "effective rank", "intrinsic_dimension": "intrinsic dimension"}


@with_style
def plot_accuracy(results: Results) -> Figure:
    """Plots the metric that verdicts are about, a row per method: a dot for each seed, the mean and its 95 % interval.

    Controls are grey, autoencoders blue; the dotted line is the best control. A seed that diverged is a cross. Methods
    with permuted labels are at chance, far from the others, and are not drawn unless they are the only ones. The axis
    shows the range in which most methods lie; one far outside it is a number at the edge.
    """
    methods = [method for method in results["methods"] if not is_permuted(method)] or results["methods"]
    metric = verdict_metric(results)
    figure = make_figure(0.9 + 0.42 * len(methods))
    axes = figure.add_subplot()
    for row, method in enumerate(methods):
        color, score = NEUTRAL_COLOR if is_control(method) else PRIMARY_COLOR, method[metric.field]
        draw_seeds(axes, row, score, color, metric.scale, list(diverged_seeds(method)))
        bounds = finite_interval(score["ci95"], metric.scale)
        axes.plot(bounds, [row] * len(bounds), color=color, linewidth=2.5, zorder=3)
    reference = best_method(results, control=True)
    if reference is not None:
        mean = metric.scale * reference[metric.field]["mean"]
        axes.axvline(mean, color=NEUTRAL_COLOR, linestyle=":", linewidth=1.2, zorder=0)
        axes.set_title(f"dotted: the best control, {label_text(reference['name'])}", color=NEUTRAL_COLOR)
    axes.set_yticks(range(len(methods)), [_accuracy_label(method) for method in methods])
    embolden(axes.get_yticklabels(), [not is_control(method) for method in methods])
    axes.set_ylim(len(methods) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"test {metric.heading}: one dot per seed, mean and 95 % interval")
    axes.grid(axis="x")
    _limit_to_most(axes, [method[metric.field]["mean"] for method in methods], metric)
    return figure


def _limit_to_most(axes: Axes, means: Sequence[float | None], metric: VerdictMetric) -> None:
    """Ends the axis where a mean is more than `OUTLIER_DISTANCE` times as far from the median as the best one is."""
    sign = 1 if metric.higher_is_better else -1
    gains = sign * metric.scale * np.array(means, dtype=float)  # None becomes NaN
    known = gains[np.isfinite(gains)]
    if len(known) < MIN_METHODS_FOR_OUTLIERS:
        return
    edge = np.median(known) - OUTLIER_DISTANCE * (known.max() - np.median(known))
    if edge == known.max() or not np.any(known < edge):
        return
    axes.set_xlim(**{"left" if sign > 0 else "right": sign * edge})
    for row in np.flatnonzero(np.isfinite(gains) & (gains < edge)).tolist():
        text = f"{abs(gains[row]):.{metric.decimals}f}"
        text, align = (f"◂ {text}", "left") if sign > 0 else (f"{text} ▸", "right")
        box = {"facecolor": axes.get_facecolor(), "edgecolor": "none", "pad": 2}
        axes.text(sign * edge, row, text, ha=align, va="center", color=NEUTRAL_COLOR, bbox=box, zorder=5)


def _accuracy_label(method: Results) -> str:
    count = len(diverged_seeds(method))
    name = label_text(method["name"])
    return f"{name}\n({count} diverged)" if count else name


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
    return figure


def _draw_row(axes: Axes, position: float, row: Results, metric: VerdictMetric) -> None:
    marker, color = MARKERS[row["verdict"]]
    for name, width in (("ci95_adjusted", 1.0), ("ci95", 2.5)):
        if interval := finite_interval(row.get(name), metric.scale):
            axes.plot(interval, [position] * 2, color=color, linewidth=width, zorder=2, solid_capstyle="butt")
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


@with_style
def plot_label_curve(results: Results) -> Figure:
    """Plots the metric over the number of labels, a panel for each autoencoder with its simultaneous 95 % band.

    The raw inputs, the untrained encoder and the supervised network are grey lines, other controls are pale ones. A
    crossing with the raw inputs is marked with its 95 % interval.
    """
    roles = {method["name"]: is_control(method) for method in results["methods"] if not is_permuted(method)}
    curves = {row["name"]: row for row in results["label_curve"]["methods"] if row["name"] in roles}
    shown = [name for name, control in roles.items() if not control] or list(roles)[:1]
    figure, panels = make_panels(len(shown), aspect=0.75)
    metric, labels = verdict_metric(results), results["label_curve"]["n_labels"]

    def scaled(values: list[Any]) -> Float[np.ndarray, "..."]:
        return metric.scale * np.array(values, dtype=float)  # None becomes NaN

    for axes, name in zip(panels, shown, strict=True):
        rows = [row for row in results["label_curve"]["comparisons"] if row["method"] == name]
        controls = first_controls(results, name)
        named = {controls[kind]: label for kind, label in CONTROL_LABELS.items() if controls.get(kind) in curves}
        for other, row in curves.items():
            if roles[other] and other not in named and other != name:
                axes.plot(labels, scaled(row["mean"]), color=OTHER_COLOR, linewidth=1, label="others")
        for (control, label), style in zip(named.items(), LINE_STYLES, strict=False):
            axes.plot(labels, scaled(curves[control]["mean"]), style, color=NEUTRAL_COLOR, linewidth=1.2, label=label)
        axes.fill_between(labels, *scaled(curves[name]["band"]).T, color=PRIMARY_COLOR, alpha=0.2, linewidth=0)
        axes.plot(labels, scaled(curves[name]["mean"]), "o-", color=PRIMARY_COLOR, markersize=3, label="autoencoder")
        for row in rows[:1]:
            _mark_crossovers(axes, row)
        axes.set_title(label_text(name))
        axes.set_xlabel("labels")
        set_log_scale(axes, "x", labels, 2)
        axes.grid(axis="y")
    figure.supylabel(f"test {metric.heading}", fontsize=9)
    has_crossovers = any(row["crossovers"] for row in results["label_curve"]["comparisons"])
    note = "; vertical: crossover with the first control, 95 %" if has_crossovers else ""
    shared_legend(figure, panels, f"band: 95 %, at all numbers of labels at once{note}")
    return figure


def _mark_crossovers(axes: Axes, row: Results) -> None:
    """Marks where a curve crosses that of its first control, which is raw inputs."""
    for crossing in row["crossovers"]:
        axes.axvspan(*crossing["ci95"], color=NEUTRAL_COLOR, alpha=0.15, linewidth=0, zorder=0)
        axes.axvline(crossing["labels"], color=NEUTRAL_COLOR, linewidth=0.8, zorder=1)


@with_style
def plot_representations(results: Results) -> Figure:
    """Plots a row for each method: its CKA with every method, and effective rank and intrinsic dimension of every seed.

    CKA between two methods is with the same seed; on the diagonal it is between the seeds of one method. Controls are
    grey, autoencoders blue. Values that are not finite are not drawn.
    """
    diagnostics = results["diagnostics"]
    methods = diagnostics["methods"]
    control_names = {method["name"] for method in results["methods"] if is_control(method)}
    count = len(methods)
    labels = [label_text(method["name"]) for method in methods]
    longest = max(map(len, labels))
    figure = make_figure(1.0 + 0.07 * longest + (0.3 if count > 8 else 0.42) * count)
    left, *right = figure.subplots(1, 1 + len(_METRIC_PANELS), sharey=True, width_ratios=(2.2, 1, 1))
    similarity = np.array(diagnostics["cka"]["matrix"], dtype=float)  # None becomes NaN
    np.fill_diagonal(similarity, np.array([method["cka_between_seeds"] for method in methods], dtype=float))
    _draw_matrix(left, similarity)
    names = [method["name"] for method in methods]
    left.set_yticks(range(count), labels)
    left.set_xticks(range(count), labels, rotation=90)
    for texts in (left.get_yticklabels(), left.get_xticklabels()):
        embolden(texts, [name not in control_names for name in names])
    for axes, (metric, title) in zip(right, _METRIC_PANELS.items(), strict=True):
        for row, method in enumerate(methods):
            color = NEUTRAL_COLOR if method["name"] in control_names else PRIMARY_COLOR
            draw_seeds(axes, row, method[metric], color)
        axes.set_title(title)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        set_log_scale(axes, "x", [value or None for method in methods for value in method[metric]["per_seed"]], 5)
    return figure


def _draw_matrix(axes: Axes, similarity: Float[np.ndarray, "method method"]) -> None:
    count = len(similarity)
    drawn = axes.imshow(similarity, cmap=SIMILARITY_CMAP, vmin=0, vmax=1, aspect="auto")
    if count > MAX_ANNOTATED_METHODS:
        bar = axes.figure.colorbar(drawn, ax=axes, location="bottom", aspect=30, shrink=0.7)
        bar.outline.set_visible(False)
    else:
        size = min(8.0, 90 / count)
        for (row, column), value in np.ndenumerate(similarity):
            text = f"{value:.2f}".replace("0.", ".", 1) if np.isfinite(value) else MISSING
            color = "white" if value > DARK_CELL_CKA else TEXT_COLOR
            axes.text(column, row, text, ha="center", va="center", fontsize=size, color=color)
    axes.set_title("CKA; diagonal: between seeds")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
