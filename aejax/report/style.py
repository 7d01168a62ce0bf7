"""How every figure looks: one set of defaults, one palette, and a PNG that is the same bytes every time."""

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
PRIMARY_COLOR = (
    "#0072b2"  # autoencoders, training curves; this and SECONDARY_COLOR are from Okabe and Ito's colour-blind-safe set
)
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

# A decorator for the functions that draw: global settings are as before once they return.
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
    """An empty figure of this size in inches, one that pyplot does not know and so cannot keep alive."""
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG that depends only on the figure, whole or not at all."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    image = _quantize_colors(Image.open(drawn).convert("RGB"))
    plain = io.BytesIO()  # saved again without the metadata that names matplotlib's version
    image.save(plain, format="png", optimize=True)
    write_atomically(path, plain.getvalue())


def _quantize_colors(image: Image.Image) -> Image.Image:
    """The image in 256 colours, a third of the bytes, if that is off by less than one level in 255 on average.

    Charts pass, colour photographs do not and stay as they are.
    """
    reduced = image.quantize(256, dither=Image.Dither.NONE)
    difference = ImageChops.difference(image, reduced.convert("RGB"))
    return reduced if max(ImageStat.Stat(difference).mean) < 1 else image
