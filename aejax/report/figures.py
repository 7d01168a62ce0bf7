"""Learning curves, codes and analyses of models: each figure is a pure function that returns a matplotlib Figure."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter

from aejax.report.style import (
    CHARACTER_WIDTH,
    CLASS_COLORS,
    FIGURE_WIDTH,
    NEUTRAL_COLOR,
    PRIMARY_COLOR,
    SECONDARY_COLOR,
    TEXT_COLOR,
    embolden,
    label_text,
    make_figure,
    make_panels,
    set_log_scale,
    shared_legend,
    with_style,
)

MAX_CLASS_LETTERS = 20  # of a name in a legend
# Color and marker of each series of a rate-distortion chart, and the offset of its labels in points.
_SERIES_STYLES = ((PRIMARY_COLOR, "o", (0, 6), "center"), (SECONDARY_COLOR, "s", (-6, -3), "right"))


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


@with_style
def plot_auroc(
    auroc: Float[np.ndarray, "class score"],
    intervals: Float[np.ndarray, "class score 2"],
    classes: Sequence[str],
    is_autoencoder_score: Mapping[str, bool],
    errors: Float[np.ndarray, " n"],
    is_anomalous: Bool[np.ndarray, " n"],
) -> Figure:
    """Plots the AUROC of each score for held-out classes, and the autoencoder's errors for the first of them.

    Args:
        auroc: AUROC for each held-out class and score.
        intervals: their 95 % intervals, drawn where one class was held out.
        classes: names of the held-out classes.
        is_autoencoder_score: by name of each score, in the order of `auroc`, whether it is the autoencoder's.
        errors: reconstruction error of each test example, of the model trained without the first class.
        is_anomalous: whether it is of that class.
    """
    scores = list(is_autoencoder_score)
    figure = make_figure(1.1 + 0.34 * max(len(scores), 4))
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    for row, is_autoencoder in enumerate(is_autoencoder_score.values()):
        _draw_auroc(left, row, auroc[:, row], intervals[:, row], PRIMARY_COLOR if is_autoencoder else NEUTRAL_COLOR)
    labels = [f"{name} {mean:.3f}" for name, mean in zip(scores, auroc.mean(axis=0), strict=True)]
    left.set_yticks(range(len(scores)), labels)
    embolden(left.get_yticklabels(), list(is_autoencoder_score.values()))
    left.set(ylim=(len(scores) - 0.4, -0.6), xlim=(min(0.48, float(auroc.min()) - 0.03), 1.01))
    left.axvline(0.5, color=NEUTRAL_COLOR, linestyle=":", linewidth=1.2)
    left.set_xlabel("AUROC: each class and the mean" if len(classes) > 1 else "AUROC and its 95 % interval")
    each = f"each of {len(classes)} classes, each held out once"
    left.set_title(f"finding {each if len(classes) > 1 else f'class {label_text(classes[0])}, held out'}")
    _draw_histogram(right, errors, is_anomalous, classes[0])
    return figure


def _draw_auroc(
    axes: Axes,
    row: int,
    auroc: Float[np.ndarray, " class"],
    intervals: Float[np.ndarray, "class 2"],
    color: str,
) -> None:
    if len(auroc) == 1:
        axes.plot(intervals[0], [row, row], color=color, linewidth=4, alpha=0.45, solid_capstyle="butt")
    else:
        axes.scatter(auroc, np.full(len(auroc), row), s=14, color=color, alpha=0.45, linewidths=0)
    axes.plot(auroc.mean(), row, "|", color=color, markersize=11, markeredgewidth=2)


def _draw_histogram(axes: Axes, errors: Float[np.ndarray, " n"], anomalous: Bool[np.ndarray, " n"], name: str) -> None:
    last = float(np.quantile(errors, 0.995)) or 1.0
    edges = np.linspace(0, last, 31).tolist()
    for chosen, label, color in (
        (~anomalous, "other classes", PRIMARY_COLOR),
        (anomalous, f"class {label_text(name)}, never seen", SECONDARY_COLOR),
    ):
        count = int(chosen.sum())
        shares = np.full(count, 100 / max(count, 1))
        axes.hist(np.minimum(errors[chosen], last), edges, weights=shares, color=color, alpha=0.55, label=label)
    axes.set_xlabel("reconstruction MSE (last bar: and above)")
    axes.set_ylabel("test examples of each, %")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, handlelength=1)


@with_style
def plot_rate_distortion(
    points: Mapping[str, Sequence[tuple[float, float, int]]],
    pca_points: Sequence[tuple[float, float]],
    pca_curve: Sequence[tuple[float, float]],
    pca_bits: int,
    unit: str,
) -> Figure:
    """Plots PSNR by the size of the stored code.

    Args:
        points: by series, at most two, rate, PSNR in dB and bits per number, which label each point.
        pca_points: rate and PSNR of principal components of the same sizes.
        pca_curve: the same of any number of components.
        pca_bits: bits per component along the curve.
        unit: of the rate.
    """
    figure = make_figure(3.4, 0.8 * FIGURE_WIDTH)
    axes = figure.add_subplot()
    label = f"PCA of any size, {pca_bits} bits per component"
    axes.plot(*np.transpose(pca_curve), color=NEUTRAL_COLOR, linewidth=1, label=label, zorder=1)
    axes.plot(*np.transpose(pca_points), "^", color=TEXT_COLOR, markersize=5, label="PCA of the same sizes", zorder=2)
    for (name, series), (color, marker, offset, side) in zip(points.items(), _SERIES_STYLES, strict=False):
        rates, decibels, _ = zip(*series, strict=True)
        axes.plot(rates, decibels, marker, color=color, markersize=6, markeredgecolor="white", label=name, zorder=3)
        place: dict[str, Any] = {"textcoords": "offset points", "xytext": offset, "ha": side}
        for rate, decibel, bits in series:
            axes.annotate(str(bits), (rate, decibel), fontsize=7, color=color, **place)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:.3g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"{unit}, logarithmic; labels of points: bits per number")
    axes.set_ylabel("PSNR of test examples, dB")
    axes.grid()
    axes.margins(y=0.12)
    axes.legend(loc="best")
    return figure
