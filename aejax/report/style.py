"""The style of every figure: defaults, palette, and PNG files with reproducible bytes."""

import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from PIL import Image, ImageChops, ImageStat

from aejax.storage.atomic_io import write_atomically

FIGURE_WIDTH = 8.0  # inches; at DPI, 1120 pixels: sharp at the 830 or so that a README is shown at
DPI = 140

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

# A decorator of functions that draw; it leaves the global settings as they are.
with_style = matplotlib.rc_context(
    {
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
    }
)


def make_figure(height: float, width: float = FIGURE_WIDTH) -> Figure:
    """Returns an empty figure of this size in inches, which pyplot does not keep alive."""
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a PNG whose bytes depend only on the figure. The file is written atomically."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    image = _quantize_colors(Image.open(drawn).convert("RGB"))
    plain = io.BytesIO()  # saved again without the metadata that names matplotlib's version
    image.save(plain, format="png", optimize=True)
    write_atomically(path, plain.getvalue())


def _quantize_colors(image: Image.Image) -> Image.Image:
    """Returns the image in 256 colours if its mean error is below one level in 255: charts, but not photographs."""
    reduced = image.quantize(256, dither=Image.Dither.NONE)
    difference = ImageChops.difference(image, reduced.convert("RGB"))
    return reduced if max(ImageStat.Stat(difference).mean) < 1 else image
