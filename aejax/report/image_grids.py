"""Images and rows of tables: reconstructions, samples, interpolations, traversals and weights.

Each figure is a pure function of arrays. Examples are images, `(..., height, width, channel)`, which are drawn as
tiles, or rows of a table, `(..., feature)`, drawn as stripes; `value_range` is the range of the data, the same for
every example of a figure.
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

from aejax.report.style import (
    CHARACTER_WIDTH,
    FIGURE_WIDTH,
    PRIMARY_COLOR,
    SECONDARY_COLOR,
    label_text,
    make_figure,
    with_style,
)

ValueRange = tuple[float, float]

LINE_HEIGHT = 0.17  # inches that a line of a label takes
TILES_PER_ROW = 8  # filters or atoms in a row
MIN_TILE_PIXELS = 14  # across a tile
COLORBAR_WIDTH = 0.9  # inches that a colour bar and its labels take
# Few enough shades that a figure of 256 colours shows each as it is.
DIVERGING_CMAP = matplotlib.colormaps["RdBu_r"].resampled(65)  # red above 0, blue below, white at 0
SEQUENTIAL_CMAP = matplotlib.colormaps["viridis"].resampled(64)
MAX_TITLE_LETTERS = 100
MAX_FEATURE_LABELS = 40  # with more columns their names are not shown


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
    # Pixels of small tiles are repeated, so that the gap of one pixel between tiles is narrow.
    times = max(1, round(MIN_TILE_PIXELS / tiles.shape[-2]))
    image = tile_images(np.asarray(tiles).repeat(times, axis=-3).repeat(times, axis=-2), value_range)
    rows, columns = tiles.shape[:2]
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
    panels: Sequence[tuple[str, Float[np.ndarray, "row feature"]]],
    value_range: ValueRange,
    label: str = "scaled value",
    *,
    row_labels: Sequence[str] = (),
    feature_names: Sequence[str] = (),
    diverging: bool = False,
) -> Figure:
    """Plots rows of tables as stripes, in panels with one scale of colour.

    Args:
        panels: titles, and arrays with the same number of columns.
        value_range: the ends of the scale.
        label: what the colours are, with their unit.
        row_labels: labels of the rows, the same in every panel.
        feature_names: names of the columns; up to MAX_FEATURE_LABELS are shown.
        diverging: whether 0 lies in the middle and is drawn white.
    """
    counts = [len(values) for _, values in panels]
    names = [label_text(name) for name in feature_names] if len(feature_names) <= MAX_FEATURE_LABELS else []
    names_height = 0.3 + CHARACTER_WIDTH * max(map(len, names), default=0)
    figure = make_figure(max(sum(0.16 * n + 0.3 for n in counts) + names_height, 2.4))
    all_axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=counts)[:, 0]
    norm, colormap = Normalize(*value_range), DIVERGING_CMAP if diverging else SEQUENTIAL_CMAP
    for axes, (title, values) in zip(all_axes, panels, strict=True):
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


@with_style
def plot_example_rows(
    rows: Sequence[tuple[str, Num[np.ndarray, "example ..."]]],
    value_range: ValueRange,
    title: str = "",
    feature_names: Sequence[str] = (),
    column_labels: Sequence[str] = (),
) -> Figure:
    """Plots examples in rows, such as the same ones in several states.

    Rows have names, which may be equal and have several lines.

    Rows of a table have a panel for each of `rows`, and no title; `column_labels` are at their left.
    """
    examples = np.stack([values for _, values in rows])
    if examples.ndim == 3:
        panels = [(name.replace("\n", ", "), values) for name, values in rows]
        return plot_heat_maps(panels, value_range, row_labels=column_labels, feature_names=feature_names)
    size, names = 0.65 if column_labels else 1.0, [name for name, _ in rows]
    layout = TileLayout(row_labels=names, column_labels=column_labels, title=title, max_tile_size=size)
    return plot_tiles(examples, value_range, layout)[0]


@with_style
def plot_prior_samples(
    samples: Float[np.ndarray, "row column ..."],
    nearest: Float[np.ndarray, "column ..."],
    value_range: ValueRange,
    title: str,
    feature_names: Sequence[str] = (),
) -> Figure:
    """Plots decoded draws from the prior, and below the last row its nearest training examples."""
    if samples.ndim == 3:
        panels = [
            ("decoded draws from the prior", samples.reshape(-1, samples.shape[-1])),
            (f"the nearest training examples of the last {len(nearest)}", nearest),
        ]
        return plot_heat_maps(panels, value_range, feature_names=feature_names)
    tiles = np.concatenate([samples, nearest[None]])
    labels = ["samples", *[""] * (len(samples) - 1), "training\nexamples nearest\nto the last row"]
    return plot_tiles(tiles, value_range, TileLayout(row_labels=labels, title=title))[0]


@with_style
def plot_latent_grid(
    grid: Float[np.ndarray, "row column height width channel"],
    value_range: ValueRange,
    units: tuple[str, str],
    title: str,
) -> Figure:
    """Plots a square of decoded codes: the first of two units grows to the right, the second upwards."""
    layout = TileLayout(title=title, bottom_margin=0.25, right_margin=0.2, max_tile_size=5.5 / len(grid))
    figure, axes = plot_tiles(grid, value_range, layout)
    axes.set_xlabel(f"{units[0]} →")
    axes.set_ylabel(f"{units[1]} →")
    return figure


@with_style
def plot_interpolation(
    paths: Mapping[str, Float[np.ndarray, "step ..."]],
    errors: Mapping[str, Float[np.ndarray, " step"]],
    value_range: ValueRange,
    title: str,
    feature_names: Sequence[str] = (),
) -> Figure:
    """Plots two paths between two examples; for images, below, the reconstruction error of each point."""
    tiles = np.stack(list(paths.values()))
    if tiles.ndim == 3:
        shares = [f"{share:.0%}" for share in np.linspace(0, 1, tiles.shape[1])]
        return plot_heat_maps(list(paths.items()), value_range, row_labels=shares, feature_names=feature_names)
    figure, axes = plot_tiles(tiles, value_range, TileLayout(row_labels=list(paths), title=title, bottom_margin=1.5))
    grid_height = figure.get_figheight() - 1.83
    _draw_errors(axes.inset_axes((0, -1.3 / grid_height, 1, 0.95 / grid_height)), errors)
    return figure


def _draw_errors(axes: Axes, errors: Mapping[str, Float[np.ndarray, " step"]]) -> None:
    for (name, values), color in zip(errors.items(), (PRIMARY_COLOR, SECONDARY_COLOR), strict=False):
        centres = (np.arange(len(values)) + 0.5) / len(values)
        axes.plot(centres, values, "o-", markersize=4, color=color, label=name, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, None), xticks=[])
    axes.set_title("mean squared difference of each point from its own reconstruction")
    axes.locator_params(axis="y", nbins=4)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), borderaxespad=0, ncols=len(errors))


@with_style
def plot_unit_weights(
    vectors: Float[np.ndarray, "unit ..."], title: str, label: str, feature_names: Sequence[str] = ()
) -> Figure:
    """Plots filters or atoms, red above 0 and blue below; the scale clips one value in a thousand.

    Three channels are drawn as colours, grey for 0.
    """
    vectors = np.asarray(vectors, dtype=float)
    limit = float(np.quantile(np.abs(vectors), 0.999)) or 1.0
    value_range = (-limit, limit)
    if vectors.ndim == 2:
        return plot_heat_maps([(title, vectors)], value_range, label, feature_names=feature_names, diverging=True)
    across = min(TILES_PER_ROW, len(vectors))
    missing = np.full((-len(vectors) % across, *vectors.shape[1:]), np.nan)
    tiles = np.concatenate([vectors, missing]).reshape(-1, across, *vectors.shape[1:])
    grey = vectors.shape[-1] == 1
    layout = TileLayout(title=title, max_tile_size=0.8, colorbar=label if grey else "")
    return plot_tiles(tiles, value_range, layout)[0]
