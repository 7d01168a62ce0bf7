"""The style of every figure: defaults, palette, labels, shared elements, and PNG files with reproducible bytes."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, NullFormatter
from PIL import Image, ImageChops, ImageStat

from aejax.errors import escape_unprintable
from aejax.report.results import Results, finite_or_none
from aejax.storage.atomic_io import write_atomically

FIGURE_WIDTH = 8.0  # inches; at DPI, 1120 pixels: sharp at the 830 or so that a README is shown at
DPI = 140
DESCRIPTION_HEIGHT, CHARACTER_WIDTH = 0.2, 0.075  # inches that a line of text and a letter of a label take
MAX_LABEL_LETTERS = 32  # of a name from the data

TEXT_COLOR = "#333333"
NEUTRAL_COLOR = "#8c8c8c"  # controls, originals, reference lines
# From Okabe and Ito's colour-blind-safe set.
PRIMARY_COLOR = "#0072b2"  # autoencoders, training curves
SECONDARY_COLOR = "#d55e00"  # validation curves, reconstructions

# Paul Tol's "muted" set, safe for the common kinds of colour blindness, with a dark grey as the tenth.
CLASS_COLORS = (
    "#cc6677",
    "#332288",
    "#ddcc77",
    "#117733",
    "#88ccee",
    "#882255",
    "#44aa99",
    "#999933",
    "#aa4499",
    "#555555",
)

# The user's own settings (a `matplotlibrc`) are left out, and `$` in a class name is no mathematics.
STYLE: list[Any] = [
    "default",
    {
        "text.parse_math": False,
        "font.family": "DejaVu Sans",  # comes with matplotlib, so the same everywhere
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.titlelocation": "left",
        "axes.labelsize": 9,
        "axes.labelcolor": TEXT_COLOR,
        "axes.edgecolor": "#bbbbbb",
        "axes.linewidth": 0.8,
        "axes.axisbelow": True,
        "grid.color": "#eeeeee",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlecolor": TEXT_COLOR,
        "text.color": TEXT_COLOR,
        "xtick.color": TEXT_COLOR,
        "ytick.color": TEXT_COLOR,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "legend.fontsize": 8,
        "legend.title_fontsize": 8,
        "legend.frameon": False,
        "lines.linewidth": 1.5,
        "figure.facecolor": "white",
        "image.interpolation": "nearest",
    },
]
# A decorator of functions that draw; it leaves the global settings as they are.
with_style = matplotlib.style.context(STYLE)


def make_figure(height: float, width: float = FIGURE_WIDTH) -> Figure:
    """Returns an empty figure of this size in inches, which pyplot does not keep alive."""
    return Figure(figsize=(width, height), layout="constrained")


def label_text(text: object, limit: int = MAX_LABEL_LETTERS) -> str:
    r"""Returns text from data as a label: on one line, printable, and at most `limit` letters long.

    >>> print(label_text("two\nlines"), label_text("abcdefgh", 5))
    two\nlines abcd…
    """
    label = escape_unprintable(str(text))
    return label if len(label) <= limit else f"{label[: limit - 1]}…"


@with_style
def render_figure(figure: Figure, file_format: str, **options: Any) -> bytes:
    """Returns a figure as a file of a format of matplotlib's, without a date; `options` are those of `savefig`."""
    buffer, date = io.BytesIO(), {"svg": "Date", "pdf": "CreationDate"}.get(file_format)
    with warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": "aejax", "svg.fonttype": "none"}):
        warnings.filterwarnings("ignore", r"Glyph .* missing", UserWarning)  # a box for each emoji of a class name
        figure.savefig(buffer, format=file_format, dpi=DPI, metadata={date: None} if date else None, **options)
    return buffer.getvalue()


def render_png(figure: Figure) -> bytes:
    """Returns a figure as a small PNG whose bytes depend only on the figure."""
    drawn = render_figure(figure, "png")
    image = _quantize_colors(Image.open(io.BytesIO(drawn)).convert("RGB"))
    plain = io.BytesIO()  # saved again without the metadata that names matplotlib's version
    image.save(plain, format="png", optimize=True)
    return plain.getvalue()


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a PNG, SVG or PDF, by the path's suffix, whose bytes depend only on the figure; atomically."""
    file_format = path.suffix.removeprefix(".")
    write_atomically(path, render_png(figure) if file_format == "png" else render_figure(figure, file_format))


def _quantize_colors(image: Image.Image) -> Image.Image:
    """Returns the image in 256 colours if its mean error is below one level in 255: charts, but not photographs."""
    reduced = image.quantize(256, dither=Image.Dither.NONE)
    difference = ImageChops.difference(image, reduced.convert("RGB"))
    return reduced if max(ImageStat.Stat(difference).mean) < 1 else image


def describe_design(results: Results) -> str:
    """Returns data set, trainings, sizes and design in one line; of an exploration, the data set and the seed."""
    dataset, name = results["dataset"], label_text(results["dataset"]["name"], 60)
    entries = results.get("methods") or results.get("points") or []
    summary = entries[0]["test_accuracy"] if entries else results.get("reconstruction_mse")
    sizes = f"{dataset['n_train']:,} training and {dataset['n_test']:,} test examples"
    if summary is None:
        return f"{name}: {sizes}, seed {results['seed']}"
    design = {"cross-validation": "cross-validation", "holdout": "one test set"}[results.get("design", "holdout")]
    count = len(summary["per_seed"])
    return f"{name}: {count} {'seed' if count == 1 else 'seeds'}, {sizes}, {design}"


@with_style
def add_description(figure: Figure, text: str) -> Figure:
    """Writes a line, as of `describe_design`, above a figure, or below one that has a title; returns the figure."""
    if not text:
        return figure
    write = figure.supxlabel if figure.get_suptitle() else figure.suptitle
    figure.set_figheight(figure.get_figheight() + DESCRIPTION_HEIGHT)
    write(text, x=0.01, ha="left", fontsize=8, color=NEUTRAL_COLOR)
    return figure


def set_log_scale(axes: Axes, name: Literal["x", "y"], values: Sequence[float | None], min_ratio: float) -> None:
    """Makes an axis logarithmic if the values are positive and the largest is more than `min_ratio` times the least."""
    finite = [number for value in values if (number := finite_or_none(value)) is not None]
    if not finite or min(finite) <= 0 or max(finite) <= min_ratio * min(finite):
        return
    axes.set(**{f"{name}scale": "log"})
    axis = axes.xaxis if name == "x" else axes.yaxis
    subs = (1, 2, 5) if max(finite) < 200 * min(finite) else (1,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=20))  # with fewer ticks a narrow axis may have none
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def draw_seeds(
    axes: Axes, row: int, summary: Results, color: str, scale: float = 1, crosses: Sequence[int] = ()
) -> None:
    """Draws a method's row: a dot for each seed, a cross for those in `crosses`, and a diamond for the mean.

    Values are `per_seed` and `mean` of `summary` times `scale`; those that are not finite are not drawn.
    """
    x = scale * np.array(summary["per_seed"], dtype=float)
    # Multiples of the golden ratio spread any number of seeds evenly, and a seed keeps its height when more are added.
    y = row + 0.5 * ((np.arange(len(x)) * 0.618034) % 1 - 0.5)
    crossed = np.isin(np.arange(len(x)), crosses)
    axes.scatter(x[~crossed], y[~crossed], s=14, color=color, alpha=0.45, linewidths=0)
    if crossed.any():
        axes.scatter(x[crossed], y[crossed], s=22, color=SECONDARY_COLOR, marker="x", linewidths=1.2)
    mean = finite_or_none(summary["mean"])
    if mean is not None:
        axes.plot(scale * mean, row, "D", color=color, markersize=5, markeredgecolor="white", zorder=4)


def embolden(labels: Sequence[Text], is_bold: Sequence[bool]) -> None:
    """Writes some labels in bold, such as those of autoencoders among controls."""
    for label, bold in zip(labels, is_bold, strict=True):
        label.set_fontweight("bold" if bold else "normal")


def make_panels(count: int, aspect: float, most: int = 3) -> tuple[Figure, list[Axes]]:
    """Returns a figure and its panels, `most` or fewer in a row; `aspect` is a panel's height over its width."""
    across = min({1: 1, 2: 2, 4: 2}.get(count, 3), most)
    rows = max(-(-count // across), 1)
    width = 0.6 * FIGURE_WIDTH if across == 1 else FIGURE_WIDTH
    figure = make_figure(rows * aspect * width / across + 0.5, width)
    grid = figure.add_gridspec(rows, across)
    return figure, [figure.add_subplot(grid[divmod(index, across)]) for index in range(count)]


def shared_legend(figure: Figure, panels: Sequence[Axes], title: str | None) -> None:
    """Adds one legend of all panels below them."""
    handles = {}
    for axes in panels:
        handles.update({label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)})
    if handles:
        columns = min(len(handles), 5 if max(map(len, handles)) > 4 else 10)
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns, title=title)
