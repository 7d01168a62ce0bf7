"""Sheets of small images on one scale, and heat maps for rows of a table; what the gallery is made of.

Sheets are placed by hand: automatic layouts leave more white around images than the images are worth.
"""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from jaxtyping import Float, Num
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from aejax.report.style import FIGURE_WIDTH, make_figure

LINE_HEIGHT, CHARACTER_WIDTH = 0.16, 0.075  # inches that a line and a letter of a label take
MIN_TILE_PIXELS = 14  # across a tile
MAX_TILE_SIZE = 1.0  # inches
COLORBAR_WIDTH = 0.9  # inches that a colour bar and its labels take
# Few enough shades that a figure of 256 colours shows each as it is.
DIVERGING_CMAP = matplotlib.colormaps["RdBu_r"].resampled(65)  # red above 0, blue below, white at 0
SEQUENTIAL_CMAP = matplotlib.colormaps["viridis"].resampled(64)
MAX_FEATURE_LABELS = 40  # as many columns have their names written below them


def enlarge_tiles(tiles: Num[np.ndarray, "... height width channel"]) -> Num[np.ndarray, "... taller wider channel"]:
    """Tiles of a few pixels with each pixel repeated, so that the gap of a pixel between them is narrow."""
    times = max(1, round(MIN_TILE_PIXELS / tiles.shape[-2]))
    return tiles.repeat(times, axis=-3).repeat(times, axis=-2)


def tile_images(
    tiles: Num[np.ndarray, "row column height width channel"], vmin: float, vmax: float
) -> Float[np.ndarray, "..."]:
    """Tiles side by side with white between them, as one image in [0, 1].

    One scale for all: what is too dim must look too dim. A tile that is not finite stays white.
    """
    shades = np.clip((np.asarray(tiles, dtype=float) - vmin) / max(vmax - vmin, 1e-12), 0, 1)
    gap = max(tiles.shape[3] // MIN_TILE_PIXELS, 1)
    shades = np.pad(shades, ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)), constant_values=np.nan)
    rows, columns, height, width, channels = shades.shape
    whole = shades.swapaxes(1, 2).reshape(rows * height, columns * width, channels)[:-gap, :-gap]
    return whole[..., 0] if channels == 1 else np.nan_to_num(whole, nan=1.0)


def plot_tiles(
    tiles: Num[np.ndarray, "row column height width channel"],
    *,
    vmin: float,
    vmax: float,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    title: str = "",
    bottom_margin: float = 0.0,
    left_margin: float = 0.0,
    diverging: bool = False,
    max_tile_size: float = MAX_TILE_SIZE,
    max_width: float = FIGURE_WIDTH,
) -> tuple[Figure, Axes]:
    """A figure that holds one sheet of tiles, as wide as a figure may be or as its largest tiles make it.

    Args:
        tiles: images in rows and columns; 1 or 3 channels.
        vmin: what is drawn black, or blue.
        vmax: what is drawn white, or red.
        row_labels: labels at the left, one for each row.
        column_labels: labels at the top, one for each column.
        title: above.
        bottom_margin: inches to leave under the sheet.
        left_margin: inches to leave at its left, beyond what the labels take.
        diverging: whether 0 lies in the middle and is drawn white.
        max_tile_size: the largest side of a tile, in inches.
        max_width: the largest width of the figure, in inches.
    """
    whole = tile_images(enlarge_tiles(np.asarray(tiles)), vmin, vmax)
    left = (
        0.12
        + left_margin
        + CHARACTER_WIDTH * max((len(line) for label in row_labels for line in label.split("\n")), default=0)
    )
    top = (
        (LINE_HEIGHT + 0.1) * bool(column_labels) + (1.3 * LINE_HEIGHT * (title.count("\n") + 1) if title else 0) + 0.04
    )
    per_pixel = min(
        (max_width - left - 0.04) / whole.shape[1], max_tile_size / max(np.divide(whole.shape[:2], tiles.shape[:2]))
    )
    width, height = whole.shape[1] * per_pixel, whole.shape[0] * per_pixel
    across = max(left + width + 0.04, min(max_width, 0.2 + 0.068 * max(map(len, title.split("\n")), default=0)))
    figure = Figure(figsize=(across, top + height + bottom_margin + 0.04))
    down = figure.get_figheight()
    axes = figure.add_axes((left / across, (bottom_margin + 0.04) / down, width / across, height / down))
    axes.imshow(whole, cmap=DIVERGING_CMAP if diverging else "gray", vmin=0, vmax=1, aspect="auto")
    _label_axes(axes, row_labels, column_labels, whole.shape)
    figure.text(0.06 / across, 1 - 0.05 / down, title, ha="left", va="top", fontsize=9)
    return figure, axes


def _label_axes(axes: Axes, rows: Sequence[str], columns: Sequence[str], pixels: tuple[int, ...]) -> None:
    axes.set_yticks((np.arange(len(rows)) + 0.5) * pixels[0] / max(len(rows), 1) - 0.5, rows)
    axes.set_xticks((np.arange(len(columns)) + 0.5) * pixels[1] / max(len(columns), 1) - 0.5, columns)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=8, pad=3)
    axes.spines[:].set_visible(False)


def add_colorbar(figure: Figure, vmin: float, vmax: float, label: str, *, diverging: bool) -> None:
    """A colour bar at the right of a sheet, which makes the figure wider by `COLORBAR_WIDTH`."""
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
    shades = ScalarMappable(Normalize(vmin, vmax), DIVERGING_CMAP if diverging else "gray")
    bar = figure.colorbar(shades, cax=figure.add_axes(place), label=label)
    bar.outline.set_visible(False)
    bar.locator = MaxNLocator(5, symmetric=diverging)
    bar.update_ticks()


def plot_heat_maps(
    panels: Mapping[str, Float[np.ndarray, "row feature"]],
    *,
    vmin: float,
    vmax: float,
    row_labels: Sequence[str] = (),
    feature_names: Sequence[str] = (),
    label: str,
    diverging: bool = False,
) -> Figure:
    """Rows of tables as stripes, panel over panel on one scale of colour.

    Args:
        panels: by title, arrays of as many columns.
        vmin: lower end of the scale.
        vmax: its upper end.
        row_labels: labels of the rows, the same in every panel.
        feature_names: names of the columns; written out up to `MAX_FEATURE_LABELS`.
        label: what the colours are, with their unit.
        diverging: whether 0 lies in the middle and is drawn white.
    """
    counts = [len(values) for values in panels.values()]
    named = list(feature_names) if len(feature_names) <= MAX_FEATURE_LABELS else []
    room = 0.3 + CHARACTER_WIDTH * max(map(len, named), default=0)
    figure = make_figure(max(sum(0.16 * n + 0.3 for n in counts) + room, 2.4))
    axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=counts)[:, 0]
    for own, (title, values) in zip(axes, panels.items(), strict=True):
        colours = DIVERGING_CMAP if diverging else SEQUENTIAL_CMAP
        drawn = own.imshow(values, cmap=colours, vmin=vmin, vmax=vmax, aspect="auto")
        own.set_title(title)
        own.set_yticks(range(len(values)) if row_labels else [], row_labels)
        own.tick_params(axis="both", length=0, labelsize=7)
        own.spines[:].set_visible(False)
    if named:
        axes[-1].set_xticks(range(len(named)), named, rotation=90)
    else:
        axes[-1].set_xlabel("feature, by its number from 0")
    figure.colorbar(drawn, ax=axes, label=label, aspect=30, fraction=0.04).outline.set_visible(False)
    return figure
