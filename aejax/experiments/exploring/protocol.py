"""What one part of an exploration gives.

A part takes the subject and a folder, writes its figures there, and says what it found; or, if it makes no sense for
the subject, why.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from aejax.evaluate.intervals import seeds_interval
from aejax.experiments.exploring.loaded_model import LoadedModel


class AnalysisResult(NamedTuple):
    """What one part found."""

    summary: str  # in words
    metrics: dict[str, Any]
    figures: dict[str, str]  # what each file shows, by its name


class Skipped(NamedTuple):
    """Why a part makes no sense for the subject."""

    reason: str


Analysis = Callable[[LoadedModel, Path], AnalysisResult | Skipped]


def summarize_seeds(values: list[float]) -> dict[str, Any]:
    """One value per seed, their mean, and its 95 % interval over other seeds."""
    per_seed: Float[np.ndarray, " seeds"] = np.array(values, np.float64)
    finite = bool(np.isfinite(per_seed).all())
    return {"per_seed": per_seed, "mean": per_seed.mean(), "ci95": seeds_interval(per_seed) if finite else None}
