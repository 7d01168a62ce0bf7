"""The interface of an analysis: it takes a loaded model and a folder, and writes its figures there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

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
