"""The charts of an exploration: AUROC of anomaly scores, and PSNR by the size of stored codes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from aejax.report.style import (
    FIGURE_WIDTH,
    NEUTRAL_COLOR,
    PRIMARY_COLOR,
    SECONDARY_COLOR,
    TEXT_COLOR,
    embolden,
    label_text,
    make_figure,
    with_style,
)

# Color and marker of each series of a rate-distortion chart, and the offset of its labels in points.
_SERIES_STYLES = ((PRIMARY_COLOR, "o", (0, 6), "center"), (SECONDARY_COLOR, "s", (-6, -3), "right"))


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
    left.set_title(f"finding {_describe_classes(classes)}")
    _draw_histogram(right, errors, is_anomalous, classes[0])
    return figure


def _describe_classes(classes: Sequence[str]) -> str:
    if len(classes) == 1:
        return f"class {label_text(classes[0])}, held out"
    return f"each of {len(classes)} classes, each held out once"


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
