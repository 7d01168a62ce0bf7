"""The style of every figure: defaults, palette, labels from data, and PNG files with reproducible bytes."""

import io
import warnings
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.figure import Figure
from PIL import Image, ImageChops, ImageStat

from aejax.errors import escape_unprintable
from aejax.storage.atomic_io import write_atomically

FIGURE_WIDTH = 8.0  # inches; at DPI, 1120 pixels: sharp at the 830 or so that a README is shown at
DPI = 140
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


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a PNG, SVG or PDF, by the path's suffix, whose bytes depend only on the figure; atomically."""
    if path.suffix != ".png":
        write_atomically(path, render_figure(figure, path.suffix.removeprefix(".")))
        return
    drawn = render_figure(figure, "png")
    image = _quantize_colors(Image.open(io.BytesIO(drawn)).convert("RGB"))
    plain = io.BytesIO()  # saved again without the metadata that names matplotlib's version
    image.save(plain, format="png", optimize=True)
    write_atomically(path, plain.getvalue())


def _quantize_colors(image: Image.Image) -> Image.Image:
    """Returns the image in 256 colours if its mean error is below one level in 255: charts, but not photographs."""
    reduced = image.quantize(256, dither=Image.Dither.NONE)
    difference = ImageChops.difference(image, reduced.convert("RGB"))
    return reduced if max(ImageStat.Stat(difference).mean) < 1 else image
