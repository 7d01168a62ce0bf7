"""The figure of the diagnostics: which methods' features are alike, and how many dimensions each uses."""

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from aejax.report.results import Results, is_control
from aejax.report.style import ACCENT, QUIET, new_figure, styled

COLOURS: Colormap = matplotlib.colormaps["Blues"].resampled(64)
NUMBERED = 20  # methods up to which the cells of the matrix have room for their numbers
_PANELS = {"effective_rank": "effective rank", "intrinsic_dimension": "intrinsic dimension"}


@styled
def representations(results: Results) -> Figure:
    """One row per method: its CKA with every method, a dot per seed for its effective rank and intrinsic dimension.

    CKA between two methods is with the same seed; on the diagonal it is between the seeds of one method. Controls are
    grey, autoencoders blue. What is not finite is not drawn.
    """
    diagnostics = results["diagnostics"]
    methods = diagnostics["methods"]
    count = len(methods)
    longest = max(len(method["name"]) for method in methods)
    figure = new_figure(1.0 + 0.07 * longest + (0.3 if count > 8 else 0.42) * count)
    left, *right = figure.subplots(1, 1 + len(_PANELS), sharey=True, width_ratios=(2.2, 1, 1))
    _draw_matrix(left, _similarities(diagnostics))
    names = [method["name"] for method in methods]
    left.set_yticks(range(count), names)
    left.set_xticks(range(count), names, rotation=90)
    for labels in (left.get_yticklabels(), left.get_xticklabels()):
        for label, method in zip(labels, methods, strict=True):
            label.set_fontweight("normal" if is_control(method) else "bold")
    for axes, (name, title) in zip(right, _PANELS.items(), strict=True):
        for row, method in enumerate(methods):
            _draw_seeds(axes, row, method[name], QUIET if is_control(method) else ACCENT)
        _lay_out(axes, title)
    return figure


def _similarities(diagnostics: Results) -> Float[np.ndarray, "method method"]:
    """CKA between methods, with the one between seeds on the diagonal; NaN where there is none."""
    similarity = np.array(diagnostics["cka"]["matrix"], dtype=float)  # None becomes NaN
    np.fill_diagonal(
        similarity,
        [np.nan if m["cka_between_seeds"] is None else m["cka_between_seeds"] for m in diagnostics["methods"]],
    )
    return similarity


def _draw_matrix(axes: Axes, similarity: Float[np.ndarray, "method method"]) -> None:
    count = len(similarity)
    axes.imshow(similarity, cmap=COLOURS, vmin=0, vmax=1, aspect="auto")
    if count <= NUMBERED:
        size = min(8.0, 90 / count)
        for row, column in np.argwhere(np.isfinite(similarity)):
            value = similarity[row, column]
            text = f"{value:.2f}".replace("0.", ".", 1)
            axes.text(
                column, row, text, ha="center", va="center", fontsize=size, color="white" if value > 0.55 else "#333333"
            )
    axes.set_title("CKA; diagonal: between seeds")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_seeds(axes: Axes, row: int, summary: Results, colour: str) -> None:
    seeds = np.array(summary["per_seed"], dtype=float)
    # Multiples of the golden ratio spread any number of seeds evenly, and a seed keeps its height when more are added.
    heights = row + 0.5 * ((np.arange(len(seeds)) * 0.618034) % 1 - 0.5)
    axes.scatter(seeds, heights, s=12, color=colour, alpha=0.45, linewidths=0)
    if summary["mean"] is not None:
        axes.plot(summary["mean"], row, "D", color=colour, markersize=4.5, markeredgecolor="white", zorder=4)


def _lay_out(axes: Axes, title: str) -> None:
    axes.set_title(title)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="both", color="#eeeeee", zorder=-1)
    axes.set_axisbelow(True)
