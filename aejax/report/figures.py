"""Scores, learning curves and codes of a run: each figure is a pure function that returns a matplotlib Figure."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from aejax.evaluate.verdict_metrics import VerdictMetric
from aejax.report.results import (
    Results,
    best_method,
    diverged_seeds,
    finite_or_none,
    is_control,
    is_permuted,
    verdict_metric,
)
from aejax.report.style import (
    CHARACTER_WIDTH,
    CLASS_COLORS,
    FIGURE_WIDTH,
    NEUTRAL_COLOR,
    PRIMARY_COLOR,
    SECONDARY_COLOR,
    add_description,
    describe_design,
    draw_seeds,
    embolden,
    label_text,
    make_figure,
    make_panels,
    set_log_scale,
    shared_legend,
    with_style,
)

MAX_CLASS_LETTERS = 20  # of a name in a legend
OUTLIER_DISTANCE, MIN_METHODS_FOR_OUTLIERS = 4, 4  # see `_limit_to_most`


@with_style
def plot_learning_curves(
    history: Mapping[str, Mapping[str, Float[np.ndarray, "seed epoch"]]],
) -> Figure:
    """Plots one panel per method on its own scale: the mean over seeds, in a band from the lowest to the highest seed.

    Args:
        history: for each method `train_loss` and, if there was validation, `valid_loss`; other entries are ignored.

    A seed whose loss is not finite in an epoch is left out of that epoch's mean, which the panel reports.
    """
    figure, panels = make_panels(len(history), aspect=0.66)
    for axes, (name, losses) in zip(panels, history.items(), strict=True):
        drawn = []
        for key, label, color in (
            ("train_loss", "training", PRIMARY_COLOR),
            ("valid_loss", "validation", SECONDARY_COLOR),
        ):
            values = np.asarray(losses.get(key, ()), dtype=float)
            if np.isfinite(values).any():
                _draw_band(axes, values, label, color)
                drawn.append(values)
        axes.set_title(label_text(name))
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        set_log_scale(axes, "y", [value for values in drawn for value in values.flat], 10)
        _annotate_nonfinite_seeds(axes, drawn)
    figure.supylabel("loss", fontsize=9)
    shared_legend(figure, panels, title="mean over seeds, in a band from the lowest to the highest seed")
    return figure


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
        _draw_score(axes, row, method, metric)
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
    return add_description(figure, describe_design(results))


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
    for row in np.flatnonzero(np.isfinite(gains) & (gains < edge)):
        text = f"{abs(gains[row]):.{metric.decimals}f}"
        text, align = (f"◂ {text}", "left") if sign > 0 else (f"{text} ▸", "right")
        box = {"facecolor": axes.get_facecolor(), "edgecolor": "none", "pad": 2}
        axes.text(sign * edge, row, text, ha=align, va="center", color=NEUTRAL_COLOR, bbox=box, zorder=5)


@with_style
def plot_codes(
    codes: Mapping[str, Float[np.ndarray, "example 2"]], labels: Int[np.ndarray, " example"], class_names: Sequence[str]
) -> Figure:
    """Plots 2-D codes, one panel per method, coloured by class; axes have no unit and panels no common scale.

    Up to ten classes have a colour each and a legend; with more classes colours follow the class number along a scale.
    """
    figure, panels = make_panels(len(codes), aspect=0.9)
    few = len(class_names) <= len(CLASS_COLORS)
    colormap = ListedColormap(CLASS_COLORS[: len(class_names)]) if few else matplotlib.colormaps["viridis"]
    norm = Normalize(-0.5, len(class_names) - 0.5)  # so that class k has the k-th of n colours
    # Shuffled with a fixed seed: in sorted data, later classes would cover the first.
    order = np.random.default_rng(0).permutation(len(labels))
    size = float(np.clip(6000 / max(len(labels), 1), 1.5, 14))
    drawn: list[PathCollection] = []
    for axes, (name, code) in zip(panels, codes.items(), strict=True):
        x, y = np.asarray(code)[order].T
        shades = np.asarray(labels)[order]
        drawn.append(axes.scatter(x, y, c=shades, cmap=colormap, norm=norm, s=size, linewidths=0))
        axes.set_title(label_text(name))
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
        axes.set_aspect("equal", adjustable="datalim")
    if few:
        _add_class_legend(figure, class_names)
    else:
        ticks = np.unique(np.linspace(0, len(class_names) - 1, 6).round().astype(int))
        bar = figure.colorbar(drawn[0], ax=panels, ticks=ticks, label="class", aspect=30)
        bar.ax.set_yticklabels([label_text(class_names[tick]) for tick in ticks])
        bar.ax.minorticks_off()
        bar.outline.set_visible(False)
    return figure


def _add_class_legend(figure: Figure, class_names: Sequence[str]) -> None:
    """Adds a legend of classes. Texts are set afterwards, as matplotlib leaves out labels that begin with `_`."""
    names = [label_text(name, MAX_CLASS_LETTERS) for name in class_names]
    handles = [Line2D([], [], linestyle="", marker="o", markersize=5, color=color) for color in CLASS_COLORS]
    columns = max(1, int(FIGURE_WIDTH / (0.45 + CHARACTER_WIDTH * max(map(len, names)))))
    legend = figure.legend(
        handles[: len(names)], map(str, range(len(names))), loc="outside lower center", ncols=min(columns, len(names))
    )
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)


def _draw_band(axes: Axes, values: Float[np.ndarray, "seed epoch"], label: str, color: str) -> None:
    finite = np.ma.masked_invalid(values)
    epochs = np.arange(1, values.shape[1] + 1)
    marker = "o" if len(epochs) == 1 else None
    axes.plot(epochs, finite.mean(axis=0), color=color, label=label, marker=marker, markersize=4)
    axes.fill_between(epochs, finite.min(axis=0), finite.max(axis=0), color=color, alpha=0.2, linewidth=0)


def _annotate_nonfinite_seeds(axes: Axes, losses: Sequence[Float[np.ndarray, "seed epoch"]]) -> None:
    broken = np.zeros(len(losses[0]) if losses else 0, dtype=bool)
    for values in losses:
        broken |= ~np.isfinite(values).all(axis=1)
    if broken.any():
        note = f"{np.count_nonzero(broken)} of {len(broken)} seeds not finite"
        axes.text(0.98, 0.96, note, transform=axes.transAxes, ha="right", va="top", fontsize=8, color=SECONDARY_COLOR)


def _draw_score(axes: Axes, row: int, method: Results, metric: VerdictMetric) -> None:
    color, score = NEUTRAL_COLOR if is_control(method) else PRIMARY_COLOR, method[metric.field]
    draw_seeds(axes, row, score, color, metric.scale, list(diverged_seeds(method)))
    if finite_or_none(score["mean"]) is not None:
        bounds = [metric.scale * bound for bound in score["ci95"] or () if finite_or_none(bound) is not None]
        axes.plot(bounds, [row] * len(bounds), color=color, linewidth=2.5, zorder=3)


def _accuracy_label(method: Results) -> str:
    count = len(diverged_seeds(method))
    name = label_text(method["name"])
    return f"{name}\n({count} diverged)" if count else name
