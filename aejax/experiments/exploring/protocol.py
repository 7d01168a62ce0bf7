"""The interface of an analysis: it takes a loaded model and a folder, and writes its figures there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from aejax.evaluate.intervals import seeds_interval
from aejax.experiments.exploring.loaded_model import LoadedModel


class AnalysisResult(NamedTuple):
    """The result of one analysis."""

    summary: str  # one or two sentences
    metrics: dict[str, Any]
    figures: dict[str, str]  # caption by file name


class Skipped(NamedTuple):
    """Why an analysis does not apply to a model."""

    reason: str


Analysis = Callable[[LoadedModel, Path], AnalysisResult | Skipped]


def summarize_seeds(values: list[float]) -> dict[str, Any]:
    """Returns the values, their mean and its 95 % interval over seeds; the interval is None unless all are finite."""
    per_seed: Float[np.ndarray, " seeds"] = np.array(values, np.float64)
    finite = bool(np.isfinite(per_seed).all())
    return {"per_seed": per_seed, "mean": per_seed.mean(), "ci95": seeds_interval(per_seed) if finite else None}
