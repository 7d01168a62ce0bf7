"""The figure of the representation metrics: CKA between methods, effective rank and intrinsic dimension."""

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from aejax.report.drawing import add_description, describe_design, draw_seeds, embolden, set_log_scale
from aejax.report.formatting import MISSING
from aejax.report.results import Results, is_control
from aejax.report.style import NEUTRAL_COLOR, PRIMARY_COLOR, TEXT_COLOR, label_text, make_figure, with_style

SIMILARITY_CMAP: Colormap = matplotlib.colormaps["Blues"].resampled(64)
DARK_CELL_CKA = 0.55  # CKA above which a cell is dark
MAX_ANNOTATED_METHODS = 20  # with more, the cells of the matrix are too small for numbers
_METRIC_PANELS = {"effective_rank": "effective rank", "intrinsic_dimension": "intrinsic dimension"}


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
    _draw_matrix(left, _similarity_matrix(diagnostics))
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
    return add_description(figure, describe_design(results))


def _similarity_matrix(diagnostics: Results) -> Float[np.ndarray, "method method"]:
    """Returns CKA between methods, with that between seeds on the diagonal; NaN where undefined."""
    similarity = np.array(diagnostics["cka"]["matrix"], dtype=float)  # None becomes NaN
    between = [method["cka_between_seeds"] for method in diagnostics["methods"]]
    np.fill_diagonal(similarity, np.array(between, dtype=float))
    return similarity


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
