"""Grids of small images and heat maps of table rows, each figure on one scale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from jaxtyping import Float, Num
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from aejax.report.style import FIGURE_WIDTH, label_text, make_figure

ValueRange = tuple[float, float]

LINE_HEIGHT, CHARACTER_WIDTH = 0.17, 0.075  # inches that a line and a letter of a label take
MIN_TILE_PIXELS = 14  # across a tile
COLORBAR_WIDTH = 0.9  # inches that a colour bar and its labels take
# Few enough shades that a figure of 256 colours shows each as it is.
DIVERGING_CMAP = matplotlib.colormaps["RdBu_r"].resampled(65)  # red above 0, blue below, white at 0
SEQUENTIAL_CMAP = matplotlib.colormaps["viridis"].resampled(64)
MAX_TITLE_LETTERS = 100
MAX_FEATURE_LABELS = 40  # with more columns their names are not shown


def enlarge_tiles(tiles: Num[np.ndarray, "... height width channel"]) -> Num[np.ndarray, "... taller wider channel"]:
    """Repeats the pixels of small tiles, so that the gap of one pixel between tiles is narrow."""
    times = max(1, round(MIN_TILE_PIXELS / tiles.shape[-2]))
    return tiles.repeat(times, axis=-3).repeat(times, axis=-2)


def tile_images(
    tiles: Num[np.ndarray, "row column height width channel"], value_range: ValueRange
) -> Float[np.ndarray, "..."]:
    """Returns tiles in a grid with white between them, as one image in [0, 1].

    All tiles have the same scale, so that what is too dim looks too dim. Tiles that are not finite stay white. Of
    channels that are not one or three, the mean is drawn.
    """
    low, high = value_range
    shades = np.clip((np.asarray(tiles, dtype=float) - low) / max(high - low, 1e-12), 0, 1)
    if shades.shape[-1] not in (1, 3):
        shades = shades.mean(axis=-1, keepdims=True)
    gap = max(tiles.shape[3] // MIN_TILE_PIXELS, 1)
    shades = np.pad(shades, ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)), constant_values=np.nan)
    rows, columns, height, width, channels = shades.shape
    image = shades.swapaxes(1, 2).reshape(rows * height, columns * width, channels)[:-gap, :-gap]
    return image[..., 0] if channels == 1 else np.nan_to_num(image, nan=1.0)


@dataclass(frozen=True)
class TileLayout:
    """The texts around a grid of tiles, and its sizes in inches."""

    row_labels: Sequence[str] = ()  # at the left, one for each row
    column_labels: Sequence[str] = ()  # at the top, one for each column
    title: str = ""
    colorbar: str = ""  # label of a colour bar at the right; 0 is the middle of its range, and white
    bottom_margin: float = 0.0
    right_margin: float = 0.0
    max_tile_size: float = 1.0


def plot_tiles(
    tiles: Num[np.ndarray, "row column height width channel"], value_range: ValueRange, layout: TileLayout
) -> tuple[Figure, Axes]:
    """Plots images in rows and columns, as large as the layout allows.

    Args:
        tiles: images with 1 or 3 channels; of others the mean is drawn.
        value_range: what is drawn black and what white; with a colour bar, blue and red.
        layout: labels, title and sizes.
    """
    image, (rows, columns) = tile_images(enlarge_tiles(np.asarray(tiles)), value_range), tiles.shape[:2]
    row_labels = ["\n".join(map(label_text, label.split("\n"))) for label in layout.row_labels]
    lines = [line for label in row_labels for line in label.split("\n")]
    side_width = 0.15 + CHARACTER_WIDTH * max(map(len, lines), default=0) + layout.right_margin
    side_width += COLORBAR_WIDTH if layout.colorbar else 0
    top_height = (
        LINE_HEIGHT * (len(layout.title.splitlines()) + 1.5 * bool(layout.column_labels)) + layout.bottom_margin
    )
    tile_height, tile_width = image.shape[0] / rows, image.shape[1] / columns
    size = min(layout.max_tile_size / max(tile_height, tile_width), (FIGURE_WIDTH - side_width) / image.shape[1])
    title_width = 0.2 + 0.068 * max(map(len, layout.title.splitlines()), default=0)
    figure = make_figure(
        top_height + size * image.shape[0] + 0.16,
        min(max(side_width + size * image.shape[1], title_width), FIGURE_WIDTH),
    )
    axes = figure.add_subplot(anchor="NW")
    axes.imshow(image, cmap=DIVERGING_CMAP if layout.colorbar else "gray", vmin=0, vmax=1)
    axes.set_yticks((np.arange(len(layout.row_labels)) + 0.5) * tile_height - 0.5, row_labels)
    axes.set_xticks((np.arange(len(layout.column_labels)) + 0.5) * tile_width - 0.5, layout.column_labels)
    axes.tick_params(length=0, labelsize=8, pad=3, top=True, bottom=False, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    if layout.title:
        figure.suptitle(layout.title, x=0.01, ha="left", fontsize=9)
    if layout.colorbar:
        _add_colorbar(figure, axes, value_range, layout.colorbar)
    return figure, axes


def _add_colorbar(figure: Figure, axes: Axes, value_range: ValueRange, label: str) -> None:
    bar = figure.colorbar(
        ScalarMappable(Normalize(*value_range), DIVERGING_CMAP),
        ax=axes,
        label=label,
        ticks=MaxNLocator(5, symmetric=True),
        anchor=(0, 1),
        shrink=min(1, 2.2 / figure.get_figheight()),
        aspect=18,
    )
    bar.outline.set_visible(False)


def plot_heat_maps(
    panels: Mapping[str, Float[np.ndarray, "row feature"]],
    value_range: ValueRange,
    label: str,
    *,
    row_labels: Sequence[str] = (),
    feature_names: Sequence[str] = (),
    diverging: bool = False,
) -> Figure:
    """Plots rows of tables as stripes, in panels with one scale of colour.

    Args:
        panels: by title, arrays with the same number of columns.
        value_range: the ends of the scale.
        label: what the colours are, with their unit.
        row_labels: labels of the rows, the same in every panel.
        feature_names: names of the columns; up to MAX_FEATURE_LABELS are shown.
        diverging: whether 0 lies in the middle and is drawn white.
    """
    counts = [len(values) for values in panels.values()]
    names = [label_text(name) for name in feature_names] if len(feature_names) <= MAX_FEATURE_LABELS else []
    names_height = 0.3 + CHARACTER_WIDTH * max(map(len, names), default=0)
    figure = make_figure(max(sum(0.16 * n + 0.3 for n in counts) + names_height, 2.4))
    all_axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=counts)[:, 0]
    norm, colormap = Normalize(*value_range), DIVERGING_CMAP if diverging else SEQUENTIAL_CMAP
    for axes, (title, values) in zip(all_axes, panels.items(), strict=True):
        axes.imshow(values, cmap=colormap, norm=norm, aspect="auto")
        axes.set_title(label_text(title, MAX_TITLE_LETTERS))
        axes.set_yticks(range(len(values)) if row_labels else [], [label_text(label) for label in row_labels])
        axes.tick_params(axis="both", length=0, labelsize=7)
        axes.spines[:].set_visible(False)
    if names:
        all_axes[-1].set_xticks(range(len(names)), names, rotation=90)
    else:
        all_axes[-1].set_xlabel("feature, by its number from 0")
    bar = figure.colorbar(ScalarMappable(norm, colormap), ax=all_axes, label=label, aspect=30, fraction=0.04)
    bar.outline.set_visible(False)
    return figure
