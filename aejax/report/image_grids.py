"""The images of an exploration: what an autoencoder restores, mixes, draws and looks for.

Each is a pure function of arrays. Examples are images, `(..., height, width, channel)` with 1 or 3 channels, or rows of
a table, `(..., feature)`; `limits` is the range of the data, the same for every image of a figure.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Num
from matplotlib.figure import Figure

from aejax.report.style import FIGURE_WIDTH, PRIMARY_COLOR, SECONDARY_COLOR, save_figure, with_style
from aejax.report.tile_layout import COLORBAR_WIDTH, add_colorbar, plot_heat_maps, plot_tiles

__all__ = [
    "plot_example_rows",
    "plot_interpolation",
    "plot_latent_grid",
    "plot_prior_samples",
    "plot_traversals",
    "plot_unit_weights",
    "save_figure",
]

ValueRange = tuple[float, float]
SCALED_VALUE_LABEL = "scaled value"
TILES_PER_ROW = 8  # filters or atoms side by side


@with_style
def plot_example_rows(
    rows: Mapping[str, Num[np.ndarray, "example ..."]],
    value_range: ValueRange,
    title: str,
    feature_names: Sequence[str] = (),
) -> Figure:
    """The same examples in several states, one below the other; rows may be named on several lines."""
    values = list(rows.values())
    if values[0].ndim == 2:
        panels = {name.replace("\n", ", "): np.asarray(row) for name, row in rows.items()}
        return plot_heat_maps(
            panels, vmin=value_range[0], vmax=value_range[1], feature_names=feature_names, label=SCALED_VALUE_LABEL
        )
    return plot_tiles(np.stack(values), vmin=value_range[0], vmax=value_range[1], row_labels=list(rows), title=title)[0]


@with_style
def plot_prior_samples(
    samples: Float[np.ndarray, "row column ..."],
    nearest: Float[np.ndarray, "column ..."],
    value_range: ValueRange,
    title: str,
    feature_names: Sequence[str] = (),
) -> Figure:
    """Decoded draws from the prior; below the last row its nearest training examples."""
    if samples.ndim == 3:
        panels = {
            "decoded draws from the prior": samples.reshape(-1, samples.shape[-1]),
            f"the nearest training examples of the last {len(nearest)}": nearest,
        }
        return plot_heat_maps(
            panels, vmin=value_range[0], vmax=value_range[1], feature_names=feature_names, label=SCALED_VALUE_LABEL
        )
    tiles = np.concatenate([samples, nearest[None]])
    rows = ["samples", *[""] * (len(samples) - 1), "training\nexamples nearest\nto the last row"]
    return plot_tiles(tiles, vmin=value_range[0], vmax=value_range[1], row_labels=rows, title=title)[0]


@with_style
def plot_latent_grid(
    grid: Float[np.ndarray, "row column height width channel"],
    value_range: ValueRange,
    units: tuple[str, str],
    title: str,
) -> Figure:
    """A square of codes, decoded: the first of two units grows to the right, the second upwards."""
    low, high = value_range
    figure, axes = plot_tiles(
        grid, vmin=low, vmax=high, title=title, bottom_margin=0.2, left_margin=0.16, max_tile_size=5.5 / len(grid)
    )
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
    """Two ways from one example to another; for images, below, how well the autoencoder reconstructs each point."""
    tiles = np.stack(list(paths.values()))
    if tiles.ndim == 3:
        panels = dict(zip(paths, tiles, strict=True))
        shares = [f"{share:.0%}" for share in np.linspace(0, 1, tiles.shape[1])]
        return plot_heat_maps(
            panels,
            vmin=value_range[0],
            vmax=value_range[1],
            row_labels=shares,
            feature_names=feature_names,
            label=SCALED_VALUE_LABEL,
        )
    figure, axes = plot_tiles(
        tiles, vmin=value_range[0], vmax=value_range[1], row_labels=list(paths), title=title, bottom_margin=1.35
    )
    place, down = axes.get_position(), figure.get_figheight()
    chart = figure.add_axes((place.x0, 0.12 / down, place.width, 0.95 / down))
    for (name, values), colour in zip(errors.items(), (PRIMARY_COLOR, SECONDARY_COLOR), strict=False):
        centres = (np.arange(len(values)) + 0.5) / len(values)
        chart.plot(centres, values, "o-", markersize=4, color=colour, label=name, clip_on=False)
    chart.set(xlim=(0, 1), ylim=(0, None), xticks=[])
    chart.set_title("mean squared difference of each point from its own reconstruction")
    chart.locator_params(axis="y", nbins=4)
    chart.legend(loc="lower right", bbox_to_anchor=(1, 0.98), borderaxespad=0, ncols=len(errors))
    return figure


@with_style
def plot_traversals(
    decoded: Float[np.ndarray, "unit step ..."],
    units: Sequence[str],
    offsets: Float[np.ndarray, " step"],
    value_range: ValueRange,
    title: str,
    feature_names: Sequence[str] = (),
) -> Figure:
    """One row, or for tables one panel, for each unit that is moved; the middle is the reconstruction itself."""
    steps = [f"{offset:+g}" if offset else "0" for offset in offsets]
    if decoded.ndim == 3:
        panels = {name.replace("\n", ", "): walk for name, walk in zip(units, decoded, strict=True)}
        return plot_heat_maps(
            panels,
            vmin=value_range[0],
            vmax=value_range[1],
            row_labels=steps,
            feature_names=feature_names,
            label=SCALED_VALUE_LABEL,
        )
    return plot_tiles(
        decoded,
        vmin=value_range[0],
        vmax=value_range[1],
        row_labels=units,
        column_labels=steps,
        title=title,
        max_tile_size=0.65,
    )[0]


@with_style
def plot_unit_weights(
    vectors: Float[np.ndarray, "unit ..."], title: str, label: str, feature_names: Sequence[str] = ()
) -> Figure:
    """Filters or atoms, signed: red above 0, blue below, one scale, at which one value in a thousand is cut off.

    Three channels are drawn as colours, grey for 0.
    """
    vectors = np.asarray(vectors, dtype=float)
    limit = float(np.quantile(np.abs(vectors), 0.999)) or 1.0
    if vectors.ndim == 2:
        names = {title: vectors}
        return plot_heat_maps(names, vmin=-limit, vmax=limit, feature_names=feature_names, label=label, diverging=True)
    across = min(TILES_PER_ROW, len(vectors))
    missing = np.full((-len(vectors) % across, *vectors.shape[1:]), np.nan)
    tiles = np.concatenate([vectors, missing]).reshape(-1, across, *vectors.shape[1:])
    grey = vectors.shape[-1] == 1
    widest = FIGURE_WIDTH - COLORBAR_WIDTH if grey else FIGURE_WIDTH
    figure, _ = plot_tiles(
        tiles, vmin=-limit, vmax=limit, title=title, diverging=grey, max_tile_size=0.8, max_width=widest
    )
    if grey:
        add_colorbar(figure, -limit, limit, label, diverging=True)
    return figure
