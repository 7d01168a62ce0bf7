"""The images of an exploration: what an autoencoder restores, mixes, draws and looks for.

Each is a pure function of arrays. Examples are images, `(..., height, width, channel)` with 1 or 3 channels, or rows of
a table, `(..., feature)`; `limits` is the range of the data, the same for every image of a figure.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Num
from matplotlib.figure import Figure

from aejax.report.style import ACCENT, SECOND, WIDTH, save, styled
from aejax.report.tiles import SCALE_WIDTH, add_scale, heat_maps, sheet

__all__ = [
    "examples_in_rows",
    "interpolation",
    "latent_grid",
    "prior_samples",
    "save",
    "traversals",
    "unit_weights",
]

Limits = tuple[float, float]
SCALED = "scaled value"
ACROSS = 8  # filters or atoms side by side


@styled
def examples_in_rows(
    rows: Mapping[str, Num[np.ndarray, "example ..."]], limits: Limits, title: str, features: Sequence[str] = ()
) -> Figure:
    """The same examples in several states, one below the other; rows may be named on several lines."""
    values = list(rows.values())
    if values[0].ndim == 2:
        panels = {name.replace("\n", ", "): np.asarray(row) for name, row in rows.items()}
        return heat_maps(panels, low=limits[0], high=limits[1], features=features, label=SCALED)
    return sheet(np.stack(values), low=limits[0], high=limits[1], rows=list(rows), title=title)[0]


@styled
def prior_samples(
    samples: Float[np.ndarray, "row column ..."],
    nearest: Float[np.ndarray, "column ..."],
    limits: Limits,
    title: str,
    features: Sequence[str] = (),
) -> Figure:
    """Decoded draws from the prior; below the last row its nearest training examples."""
    if samples.ndim == 3:
        panels = {
            "decoded draws from the prior": samples.reshape(-1, samples.shape[-1]),
            f"the nearest training examples of the last {len(nearest)}": nearest,
        }
        return heat_maps(panels, low=limits[0], high=limits[1], features=features, label=SCALED)
    tiles = np.concatenate([samples, nearest[None]])
    rows = ["samples", *[""] * (len(samples) - 1), "training\nexamples nearest\nto the last row"]
    return sheet(tiles, low=limits[0], high=limits[1], rows=rows, title=title)[0]


@styled
def latent_grid(
    grid: Float[np.ndarray, "row column height width channel"], limits: Limits, units: tuple[str, str], title: str
) -> Figure:
    """A square of codes, decoded: the first of two units grows to the right, the second upwards."""
    low, high = limits
    figure, axes = sheet(grid, low=low, high=high, title=title, below=0.2, beside=0.16, tile=5.5 / len(grid))
    axes.set_xlabel(f"{units[0]} →")
    axes.set_ylabel(f"{units[1]} →")
    return figure


@styled
def interpolation(
    paths: Mapping[str, Float[np.ndarray, "step ..."]],
    errors: Mapping[str, Float[np.ndarray, " step"]],
    limits: Limits,
    title: str,
    features: Sequence[str] = (),
) -> Figure:
    """Two ways from one example to another; for images, below, how well the autoencoder reconstructs each point."""
    tiles = np.stack(list(paths.values()))
    if tiles.ndim == 3:
        panels = dict(zip(paths, tiles, strict=True))
        shares = [f"{share:.0%}" for share in np.linspace(0, 1, tiles.shape[1])]
        return heat_maps(panels, low=limits[0], high=limits[1], rows=shares, features=features, label=SCALED)
    figure, axes = sheet(tiles, low=limits[0], high=limits[1], rows=list(paths), title=title, below=1.35)
    place, down = axes.get_position(), figure.get_figheight()
    chart = figure.add_axes((place.x0, 0.12 / down, place.width, 0.95 / down))
    for (name, values), colour in zip(errors.items(), (ACCENT, SECOND), strict=False):
        centres = (np.arange(len(values)) + 0.5) / len(values)
        chart.plot(centres, values, "o-", markersize=4, color=colour, label=name, clip_on=False)
    chart.set(xlim=(0, 1), ylim=(0, None), xticks=[])
    chart.set_title("mean squared difference of each point from its own reconstruction")
    chart.locator_params(axis="y", nbins=4)
    chart.legend(loc="lower right", bbox_to_anchor=(1, 0.98), borderaxespad=0, ncols=len(errors))
    return figure


@styled
def traversals(
    walks: Float[np.ndarray, "unit step ..."],
    units: Sequence[str],
    offsets: Float[np.ndarray, " step"],
    limits: Limits,
    title: str,
    features: Sequence[str] = (),
) -> Figure:
    """One row, or for tables one panel, for each unit that is moved; the middle is the reconstruction itself."""
    steps = [f"{offset:+g}" if offset else "0" for offset in offsets]
    if walks.ndim == 3:
        panels = {name.replace("\n", ", "): walk for name, walk in zip(units, walks, strict=True)}
        return heat_maps(panels, low=limits[0], high=limits[1], rows=steps, features=features, label=SCALED)
    return sheet(walks, low=limits[0], high=limits[1], rows=units, columns=steps, title=title, tile=0.65)[0]


@styled
def unit_weights(
    vectors: Float[np.ndarray, "unit ..."], title: str, label: str, features: Sequence[str] = ()
) -> Figure:
    """Filters or atoms, signed: red above 0, blue below, one scale, at which one value in a thousand is cut off.

    Three channels are drawn as colours, grey for 0.
    """
    vectors = np.asarray(vectors, dtype=float)
    limit = float(np.quantile(np.abs(vectors), 0.999)) or 1.0
    if vectors.ndim == 2:
        names = {title: vectors}
        return heat_maps(names, low=-limit, high=limit, features=features, label=label, signed=True)
    across = min(ACROSS, len(vectors))
    missing = np.full((-len(vectors) % across, *vectors.shape[1:]), np.nan)
    tiles = np.concatenate([vectors, missing]).reshape(-1, across, *vectors.shape[1:])
    grey = vectors.shape[-1] == 1
    widest = WIDTH - SCALE_WIDTH if grey else WIDTH
    figure, _ = sheet(tiles, low=-limit, high=limit, title=title, signed=grey, tile=0.8, widest=widest)
    if grey:
        add_scale(figure, -limit, limit, label, signed=True)
    return figure
