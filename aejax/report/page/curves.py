"""The learning curves of a page, from `metrics.jsonl` of the run."""

from pathlib import Path

import numpy as np
import pandas as pd

from aejax.report.page.blocks import Block, Charts, Section
from aejax.report.page.charts import curve_chart
from aejax.storage.metrics_file import METRICS_FILE, read_metrics

CURVES = {"train_loss": "training", "valid_loss": "validation"}
MAX_BYTES, MAX_PANELS = 200_000_000, 40  # of a file that is read, and of methods that are drawn


def curve_sections(folder: Path | None) -> list[Section]:
    """Returns a panel for each method that was trained; nothing for a run whose file is missing or damaged."""
    path = folder / METRICS_FILE if folder else None
    if folder is None or path is None or not path.is_file() or path.stat().st_size >= MAX_BYTES:
        return []
    try:
        frame = pd.DataFrame(read_metrics(folder))
        charts = [
            curve_chart(name, curves)
            for name, rows in list(frame.groupby("method", sort=False))[:MAX_PANELS]
            if (curves := _read_curves(rows))
        ]
    except ValueError:  # damaged, or an epoch twice
        return []
    caption = "Loss by epoch, on a scale of its own: mean over seeds in a band from the lowest to the highest seed."
    keys = (("train", "training"), ("valid", "validation"))
    return [Section("Learning curves", [Block("charts", Charts(charts, caption, keys))])] if charts else []


def _read_curves(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    curves = {}
    for name, label in CURVES.items():
        if name in rows:
            values = rows.pivot(index="seed", columns="epoch", values=name).to_numpy(float)
            if np.isfinite(values).any():
                curves[label] = values
    return curves
