"""Small charts as SVG elements, which a template draws: they follow the page's width and its colours."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.ticker import MaxNLocator

from aejax.report.results import Results, finite_interval, finite_or_none

Element = tuple[str, dict[str, Any], str]  # tag, attributes, text


class Chart(NamedTuple):
    """An SVG; `label` is for those who cannot see it."""

    width: float
    height: float
    label: str
    elements: list[Element]
    title: str = ""
    interactive: bool = False  # whether its points are examples that hovering and arrow keys show


class Scale(NamedTuple):
    """A linear map from values to coordinates."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Returns a few round values within the range."""
        values = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(self.low, self.high)
        return [float(f"{value:.10g}") for value in values if self.low <= value <= self.high]


def scale_over(values: Iterable[float | None], start: float, end: float, factor: float) -> Scale:
    """Returns a scale over the finite values times `factor`, with a margin of 4 %."""
    finite = [factor * number for value in values if (number := finite_or_none(value)) is not None] or [0.0]
    margin = 0.04 * (max(finite) - min(finite)) or 0.5
    return Scale(min(finite) - margin, max(finite) + margin, start, end)


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Element:
    """Returns a line of a class of the style sheet."""
    return "line", {"class": kind, "x1": x1, "y1": y1, "x2": x2, "y2": y2}, ""


def text(kind: str, x: float, y: float, content: str) -> Element:
    """Returns a text; class `end`, `middle` or none says which end of it is at x."""
    return "text", {"class": kind, "x": x, "y": y}, content


MARKER_SHAPES = {  # by verdict, around (0, 0); shapes differ, so that they can be read without colours
    "better": "0,-6 6,5 -6,5",
    "worse": "0,6 6,-5 -6,-5",
    "not worse": "6,0 -5,-6 -5,6",
    "equivalent": "-5,-5 5,-5 5,5 -5,5",
    "inconclusive": "0,-5 3.5,-3.5 5,0 3.5,3.5 0,5 -3.5,3.5 -5,0 -3.5,-3.5",
    "too few seeds": "-5,-5 0,-1.5 5,-5 1.5,0 5,5 0,1.5 -5,5 -1.5,0",
    "mean": "0,-5 5,0 0,5 -5,0",
}


def marker(kind: str, shape: str, x: float, y: float) -> Element:
    """Returns a mark of `MARKER_SHAPES`."""
    points = MARKER_SHAPES.get(shape, MARKER_SHAPES["inconclusive"])
    return "polygon", {"class": kind, "points": points, "transform": f"translate({x} {y})"}, ""


STRIP_WIDTH, STRIP_HEIGHT = 240.0, 26.0


def axis_strip(scale: Scale, label: str) -> Chart:
    """Returns the numbers below which strips of the same scale are."""
    ticks = [text("tick middle", scale(tick), 14, f"{tick:g}") for tick in scale.ticks()]
    return Chart(STRIP_WIDTH, 18, label, ticks)


def _interval_line(kind: str, bounds: Sequence[float | None] | None, scale: Scale, factor: float) -> list[Element]:
    """Returns an interval in the middle of a strip; nothing if a bound is missing."""
    ends = [scale(bound) for bound in finite_interval(bounds, factor)]
    return [line(kind, ends[0], STRIP_HEIGHT / 2, ends[1], STRIP_HEIGHT / 2)] if ends else []


def interval_strip(row: Results, scale: Scale, factor: float, margin: float, label: str) -> Chart:
    """Returns a comparison's difference: its interval, the adjusted one, the margin shaded, a line at 0."""
    kind, left, right = str(row["verdict"]).replace(" ", "-"), scale(-factor * margin), scale(factor * margin)
    shaded = {"class": "margin", "x": left, "y": 0, "width": max(right - left, 0), "height": STRIP_HEIGHT}
    elements = [
        ("rect", shaded, ""),
        line("zero", scale(0), 0, scale(0), STRIP_HEIGHT),
        *_interval_line(f"thin {kind}", row.get("ci95_adjusted"), scale, factor),
        *_interval_line(f"thick {kind}", row.get("ci95"), scale, factor),
    ]
    if (mean := finite_or_none(row["mean_difference"])) is not None:
        elements.append(marker(kind, str(row["verdict"]), scale(factor * mean), STRIP_HEIGHT / 2))
    return Chart(STRIP_WIDTH, STRIP_HEIGHT, label, elements)


def seeds_strip(summary: Results, scale: Scale, factor: float, kind: str, label: str) -> Chart:
    """Returns a method's scores: a dot for each seed, the interval, and a diamond at the mean."""
    middle: float = STRIP_HEIGHT / 2
    elements: list[Element] = []
    for seed, value in enumerate(summary["per_seed"]):
        if (finite := finite_or_none(value)) is not None:
            place = {"cx": scale(factor * finite), "cy": round(middle + 16 * ((seed * 0.618034) % 1 - 0.5), 1)}
            elements.append(("circle", {"class": f"seed {kind}", **place, "r": 2.2}, ""))
    elements += _interval_line(f"thick {kind}", summary["ci95"], scale, factor)
    if (mean := finite_or_none(summary["mean"])) is not None:
        elements.append(marker(kind, "mean", scale(factor * mean), middle))
    return Chart(STRIP_WIDTH, STRIP_HEIGHT, label, elements)


def steps_chart(title: str, steps: Sequence[tuple[str, Results, str]], factor: float, scale: Scale) -> Chart:
    """Returns a panel with a column for each step, `(label, summary, class)`: mean and interval, joined by a line.

    `scale` has coordinates from the bottom to the top.
    """
    width = 70.0 * len(steps) + 40
    elements = [line("grid", 34, scale(tick), width, scale(tick)) for tick in scale.ticks()]
    elements += [text("tick end", 30, scale(tick) + 4, f"{tick:g}") for tick in scale.ticks()]
    centres = [34 + 70 * index + 35 for index in range(len(steps))]
    means = [finite_or_none(summary["mean"]) for _, summary, _ in steps]
    joined = [f"{x},{scale(factor * mean)}" for x, mean in zip(centres, means, strict=True) if mean is not None]
    elements.append(("polyline", {"class": "joined", "points": " ".join(joined)}, ""))
    for x, mean, (name, summary, kind) in zip(centres, means, steps, strict=True):
        if interval := finite_interval(summary["ci95"], factor):
            low, high = (scale(bound) for bound in interval)
            elements.append(line(f"thick {kind}", x, low, x, high))
        if mean is not None:
            elements.append(marker(kind, "mean", x, scale(factor * mean)))
            elements.append(text("value", x + 8, scale(factor * mean) - 5, f"{factor * mean:.3g}"))
        elements.append(text("tick middle", x, scale.start + 20, name))
    said = ", ".join(
        f"{name} {factor * mean:.4g}" for (name, _, _), mean in zip(steps, means, strict=True) if mean is not None
    )
    return Chart(width, scale.start + 28, f"{title}: {said}", elements, title)


def scatter_chart(title: str, points: Float[np.ndarray, "n 2"], kinds: Sequence[str], label: str) -> Chart:
    """Returns points, each of a class of the style sheet, in a square; the i-th is that of example i."""
    size = 240.0
    span = float(np.nanmax(np.ptp(points, axis=0))) if len(points) else 1.0
    middle = (np.nanmin(points, axis=0) + np.nanmax(points, axis=0)) / 2
    x, y = (Scale(m - 0.52 * span, m + 0.52 * span, 4, size - 4) for m in middle.tolist())
    elements: list[Element] = [
        ("circle", {"class": f"point {kind}", "cx": x(a), "cy": round(size - y(b), 1), "r": 3, "data-i": number}, "")
        for number, ((a, b), kind) in enumerate(zip(points.tolist(), kinds, strict=True))
        if np.isfinite(a) and np.isfinite(b)
    ]
    return Chart(size, size, label, elements, title, interactive=True)
