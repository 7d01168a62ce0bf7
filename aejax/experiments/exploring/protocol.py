"""The interface of an analysis: it takes a loaded model, and returns numbers and figures."""

from collections.abc import Callable
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from aejax.experiments.exploring.loaded_model import LoadedModel

Figures = dict[str, tuple[Callable[[], Figure], str]]  # what draws it, and its caption, by file name


class AnalysisResult(NamedTuple):
    """The result of one analysis."""

    summary: str  # one or two sentences
    metrics: dict[str, Any]
    figures: Figures


class Skipped(NamedTuple):
    """Why an analysis does not apply to a model."""

    reason: str


Analysis = Callable[[LoadedModel], AnalysisResult | Skipped]
