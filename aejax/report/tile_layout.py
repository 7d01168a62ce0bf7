"""Grids of small images and heat maps of table rows, each figure on one scale.

Grids are placed in inches: automatic layouts leave too much white around small images.
"""

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

from aejax.report.style import FIGURE_WIDTH, make_figure

ValueRange = tuple[float, float]

LINE_HEIGHT, CHARACTER_WIDTH = 0.16, 0.075  # inches that a line and a letter of a label take
MIN_TILE_PIXELS = 14  # across a tile
COLORBAR_WIDTH = 0.9  # inches that a colour bar and its labels take
# Few enough shades that a figure of 256 colours shows each as it is.
DIVERGING_CMAP = matplotlib.colormaps["RdBu_r"].resampled(65)  # red above 0, blue below, white at 0
SEQUENTIAL_CMAP = matplotlib.colormaps["viridis"].resampled(64)
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
    bottom_margin: float = 0.0
    left_margin: float = 0.0  # in addition to the labels
    max_tile_size: float = 1.0
    max_width: float = FIGURE_WIDTH

    @property
    def left(self) -> float:
        """The width of the labels and the left margin."""
        longest = max((len(line) for label in self.row_labels for line in label.split("\n")), default=0)
        return 0.12 + self.left_margin + CHARACTER_WIDTH * longest

    @property
    def top(self) -> float:
        """The height of the title and the labels of columns."""
        title = 1.3 * LINE_HEIGHT * (self.title.count("\n") + 1) if self.title else 0
        return (LINE_HEIGHT + 0.1) * bool(self.column_labels) + title + 0.04

    @property
    def title_width(self) -> float:
        """The width that the title needs, at most the largest width of a figure."""
        return min(self.max_width, 0.2 + 0.068 * max(map(len, self.title.split("\n"))))


def plot_tiles(
    tiles: Num[np.ndarray, "row column height width channel"],
    value_range: ValueRange,
    layout: TileLayout,
    *,
    diverging: bool = False,
) -> tuple[Figure, Axes]:
    """Plots images in rows and columns, as large as the layout allows.

    Args:
        tiles: images with 1 or 3 channels; of others the mean is drawn.
        value_range: what is drawn black, or blue, and what is drawn white, or red.
        layout: labels, title and sizes.
        diverging: whether 0 lies in the middle of the range and is drawn white.
    """
    image = tile_images(enlarge_tiles(np.asarray(tiles)), value_range)
    tile_pixels = max(np.divide(image.shape[:2], tiles.shape[:2]))
    per_pixel = min((layout.max_width - layout.left - 0.04) / image.shape[1], layout.max_tile_size / tile_pixels)
    width, height = image.shape[1] * per_pixel, image.shape[0] * per_pixel
    across = max(layout.left + width + 0.04, layout.title_width)
    figure = Figure(figsize=(across, layout.top + height + layout.bottom_margin + 0.04))
    down = figure.get_figheight()
    place = (layout.left / across, (layout.bottom_margin + 0.04) / down, width / across, height / down)
    axes = figure.add_axes(place)
    axes.imshow(image, cmap=DIVERGING_CMAP if diverging else "gray", vmin=0, vmax=1, aspect="auto")
    _label_axes(axes, layout.row_labels, layout.column_labels, image.shape)
    figure.text(0.06 / across, 1 - 0.05 / down, layout.title, ha="left", va="top", fontsize=9)
    return figure, axes


def _label_axes(axes: Axes, rows: Sequence[str], columns: Sequence[str], pixels: tuple[int, ...]) -> None:
    axes.set_yticks((np.arange(len(rows)) + 0.5) * pixels[0] / max(len(rows), 1) - 0.5, rows)
    axes.set_xticks((np.arange(len(columns)) + 0.5) * pixels[1] / max(len(columns), 1) - 0.5, columns)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=8, pad=3)
    axes.spines[:].set_visible(False)


def add_diverging_colorbar(figure: Figure, value_range: ValueRange, label: str) -> None:
    """Adds a colour bar, white at 0, right of the tiles, which makes the figure wider by `COLORBAR_WIDTH`."""
    across, down = figure.get_size_inches()
    wider = across + COLORBAR_WIDTH
    for axes in figure.axes:
        x, y, width, height = axes.get_position().bounds
        axes.set_position((x * across / wider, y, width * across / wider, height))
    for text in figure.texts:
        text.set_x(text.get_position()[0] * across / wider)
    figure.set_figwidth(wider)
    main = figure.axes[0].get_position()
    height = min(main.height, 2.2 / down)
    place = (main.x1 + 0.12 / wider, main.y1 - height, 0.12 / wider, height)
    shades = ScalarMappable(Normalize(*value_range), DIVERGING_CMAP)
    bar = figure.colorbar(shades, cax=figure.add_axes(place), label=label)
    bar.outline.set_visible(False)
    bar.locator = MaxNLocator(5, symmetric=True)
    bar.update_ticks()


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
    names = list(feature_names) if len(feature_names) <= MAX_FEATURE_LABELS else []
    names_height = 0.3 + CHARACTER_WIDTH * max(map(len, names), default=0)
    figure = make_figure(max(sum(0.16 * n + 0.3 for n in counts) + names_height, 2.4))
    all_axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=counts)[:, 0]
    norm, colormap = Normalize(*value_range), DIVERGING_CMAP if diverging else SEQUENTIAL_CMAP
    for axes, (title, values) in zip(all_axes, panels.items(), strict=True):
        axes.imshow(values, cmap=colormap, norm=norm, aspect="auto")
        axes.set_title(title)
        axes.set_yticks(range(len(values)) if row_labels else [], row_labels)
        axes.tick_params(axis="both", length=0, labelsize=7)
        axes.spines[:].set_visible(False)
    if names:
        all_axes[-1].set_xticks(range(len(names)), names, rotation=90)
    else:
        all_axes[-1].set_xlabel("feature, by its number from 0")
    bar = figure.colorbar(ScalarMappable(norm, colormap), ax=all_axes, label=label, aspect=30, fraction=0.04)
    bar.outline.set_visible(False)
    return figure
