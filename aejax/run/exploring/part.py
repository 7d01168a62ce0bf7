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
from aejax.run.exploring.subject import Subject


class Found(NamedTuple):
    """What one part found."""

    says: str  # in words
    numbers: dict[str, Any]
    figures: dict[str, str]  # what each file shows, by its name


class Skipped(NamedTuple):
    """Why a part makes no sense for the subject."""

    reason: str


Part = Callable[[Subject, Path], Found | Skipped]


def over_seeds(values: list[float]) -> dict[str, Any]:
    """One value per seed, their mean, and its 95 % interval over other seeds."""
    per_seed: Float[np.ndarray, " seeds"] = np.array(values, np.float64)
    finite = bool(np.isfinite(per_seed).all())
    return {"per_seed": per_seed, "mean": per_seed.mean(), "ci95": seeds_interval(per_seed) if finite else None}
