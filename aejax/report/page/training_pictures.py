"""Pictures of trained models on a page: learning curves, reconstructions and samples."""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from aejax.report.figures import plot_learning_curves
from aejax.report.page.blocks import Picture, Section, png_address, read_pictures
from aejax.report.style import render_png
from aejax.storage.results_file import METRICS_FILE, read_metrics

LEARNING_CURVES = {
    "learning_curves.png": "Loss by epoch, of each method on its own scale: mean over seeds, in a band from the lowest "
    "to the highest seed"
}
RECONSTRUCTIONS = {
    "reconstructions.png": "Originals and their reconstructions by every autoencoder, seed 0",
    "samples.png": "Decoded draws from the prior of every variational autoencoder, seed 0, below test examples",
}
LOSSES = ("train_loss", "valid_loss")
MAX_BYTES, MAX_PANELS = 200_000_000, 40  # of a file that is read, and of methods that are drawn


def picture_sections(folder: Path | None) -> list[Section]:
    """Returns the pictures of learning curves, which are drawn if the folder has none, reconstructions and samples."""
    curves = read_pictures(folder, LEARNING_CURVES) or _draw_learning_curves(folder)
    return [
        Section("Learning curves", curves),
        Section("Reconstructions and samples", read_pictures(folder, RECONSTRUCTIONS)),
    ]


def _draw_learning_curves(folder: Path | None) -> list[Picture]:
    """Returns the curves of a run without a figure of them; none if `metrics.jsonl` is missing, damaged or large."""
    if folder is None or not (path := folder / METRICS_FILE).is_file() or path.stat().st_size >= MAX_BYTES:
        return []
    try:
        by_method = pd.DataFrame(read_metrics(folder)).groupby("method", sort=False)
        histories = {str(name): losses for name, rows in by_method if (losses := _pivot_losses(rows))}
    except (ValueError, OverflowError):  # damaged, an epoch twice, or numbers beyond float64
        return []
    if not histories:
        return []
    figure = plot_learning_curves(dict(list(histories.items())[:MAX_PANELS]))
    return [Picture(next(iter(LEARNING_CURVES.values())), png_address(render_png(figure)))]


def _pivot_losses(rows: pd.DataFrame) -> dict[str, Float[np.ndarray, "seed epoch"]]:
    """Returns those losses of a method that are finite somewhere."""
    names = [name for name in LOSSES if name in rows]
    losses = {name: rows.pivot(index="seed", columns="epoch", values=name).to_numpy(float) for name in names}
    return {name: values for name, values in losses.items() if np.isfinite(values).any()}
