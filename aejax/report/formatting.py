"""Numbers as text, each quantity with the digits and the sign that it has in every table and on every page."""

from collections.abc import Mapping, Sequence
from typing import Any

from aejax.evaluate.verdict_metrics import VerdictMetric
from aejax.report.results import Results, finite_or_none

MISSING = "—"


def format_number(value: float | None) -> str:
    """Returns an integer in full, and any other number with at most four significant digits."""
    return MISSING if value is None else str(value) if isinstance(value, int) else f"{value:.4g}"


def format_decimals(value: float | None, decimals: int, scale: float = 1) -> str:
    """Returns a number times `scale` with this many decimals."""
    finite = finite_or_none(value)
    return MISSING if finite is None else f"{scale * finite:.{decimals}f}"


def format_mean_ci(summary: Results, *, scale: float, decimals: int) -> str:
    """Returns a mean and its interval, both times `scale`: `95.31 [94.90, 95.70]`."""
    mean = format_decimals(summary["mean"], decimals, scale)
    bounds = [format_decimals(bound, decimals, scale) for bound in summary["ci95"] or ()]
    return mean if not bounds or MISSING in (mean, *bounds) else f"{mean} [{', '.join(bounds)}]"


def format_metric(metric: VerdictMetric, summary: Results) -> str:
    """Returns the mean and interval of a method's metric."""
    return format_mean_ci(summary, scale=metric.scale, decimals=metric.decimals)


def format_difference(metric: VerdictMetric, difference: float | None) -> str:
    """Returns a difference in the unit of the metric, always with its sign: `+0.42`."""
    finite = finite_or_none(difference)
    return MISSING if finite is None else metric.format_difference(finite)


def format_difference_ci(metric: VerdictMetric, bounds: Sequence[float | None] | None) -> str:
    """Returns an interval of such differences: `[+0.10, +0.75]`."""
    texts = [format_difference(metric, bound) for bound in bounds or (None,)]
    return MISSING if MISSING in texts else f"[{', '.join(texts)}]"


def format_p_value(p: float | None) -> str:
    """Returns three decimals, or that p is below .001."""
    finite = finite_or_none(p)
    return "<0.001" if finite is not None and finite < 0.001 else format_decimals(finite, 3)


def format_significant(value: float | None) -> str:
    """Returns three significant digits, for quantities whose scale depends on the data."""
    finite = finite_or_none(value)
    if finite is None:
        return MISSING
    return "0" if finite == 0 else f"{finite:#.3g}".removesuffix(".")


def format_seconds(seconds: float | None) -> str:
    """Returns seconds with one decimal below 100 and none from there on."""
    finite = finite_or_none(seconds)
    if finite is None or finite == 0:
        return MISSING
    if finite < 0.05:
        return "<0.1"
    return format_decimals(finite, 1 if finite < 100 else 0)


def format_budget(labels_per_class: int | None) -> str:
    """Returns the number of labels per class of a study's cell, or `all`."""
    return "all" if labels_per_class is None else str(labels_per_class)


def format_provenance(environment: Mapping[str, Any]) -> str:
    """Returns the known parts of "Made by `command` on machine in 41.2 s."; empty if none is known."""
    parts = [f"by `{environment['command']}`"] if environment.get("command") else []
    parts += [f"on {environment['machine']}"] if environment.get("machine") else []
    parts += [f"in {format_seconds(environment['seconds'])} s"] if environment.get("seconds") else []
    return f"Made {' '.join(parts)}." if parts else ""
