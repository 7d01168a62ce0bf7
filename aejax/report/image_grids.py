"""The images of an exploration: reconstructions, samples, interpolations, traversals and weights.

Each figure is a pure function of arrays. Examples are images, `(..., height, width, channel)`, or rows of a table,
`(..., feature)`; `value_range` is the range of the data, the same for every image of a figure.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Num
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aejax.report.style import PRIMARY_COLOR, SECONDARY_COLOR, with_style
from aejax.report.tile_layout import TileLayout, ValueRange, plot_heat_maps, plot_tiles

SCALED_VALUE_LABEL = "scaled value"
TILES_PER_ROW = 8  # filters or atoms in a row


def _plot_table_rows(
    panels: Mapping[str, Num[np.ndarray, "row feature"]],
    value_range: ValueRange,
    feature_names: Sequence[str],
    row_labels: Sequence[str] = (),
) -> Figure:
    """Plots rows of a table in panels, whose titles may be names of several lines."""
    titled = {name.replace("\n", ", "): np.asarray(rows) for name, rows in panels.items()}
    return plot_heat_maps(titled, value_range, SCALED_VALUE_LABEL, row_labels=row_labels, feature_names=feature_names)


@with_style
def plot_example_rows(
    rows: Mapping[str, Num[np.ndarray, "example ..."]],
    value_range: ValueRange,
    title: str,
    feature_names: Sequence[str] = (),
) -> Figure:
    """Plots the same examples in several states, one below the other; names of rows may have several lines."""
    states = np.stack(list(rows.values()))
    if states.ndim == 3:
        return _plot_table_rows(rows, value_range, feature_names)
    return plot_tiles(states, value_range, TileLayout(row_labels=list(rows), title=title))[0]


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
        panels = {
            "decoded draws from the prior": samples.reshape(-1, samples.shape[-1]),
            f"the nearest training examples of the last {len(nearest)}": nearest,
        }
        return _plot_table_rows(panels, value_range, feature_names)
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
        return _plot_table_rows(paths, value_range, feature_names, shares)
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
def plot_traversals(
    decoded: Float[np.ndarray, "unit step ..."],
    units: Sequence[str],
    offsets: Float[np.ndarray, " step"],
    value_range: ValueRange,
    title: str,
    feature_names: Sequence[str] = (),
) -> Figure:
    """Plots a row, or for tables a panel, for each unit that is moved; the middle is the reconstruction itself."""
    steps = [f"{offset:+g}" if offset else "0" for offset in offsets]
    if decoded.ndim == 3:
        return _plot_table_rows(dict(zip(units, decoded, strict=True)), value_range, feature_names, steps)
    layout = TileLayout(row_labels=units, column_labels=steps, title=title, max_tile_size=0.65)
    return plot_tiles(decoded, value_range, layout)[0]


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
        return plot_heat_maps({title: vectors}, value_range, label, feature_names=feature_names, diverging=True)
    across = min(TILES_PER_ROW, len(vectors))
    missing = np.full((-len(vectors) % across, *vectors.shape[1:]), np.nan)
    tiles = np.concatenate([vectors, missing]).reshape(-1, across, *vectors.shape[1:])
    grey = vectors.shape[-1] == 1
    layout = TileLayout(title=title, max_tile_size=0.8, colorbar=label if grey else "")
    return plot_tiles(tiles, value_range, layout)[0]
