"""Recognises how arrays store images, and arranges them as height, width, channels."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

from aejax.data.memory import require_host_memory
from aejax.errors import InputError, require

CHANNEL_COUNTS = (1, 3, 4)  # grayscale, RGB, RGB with alpha
LAYOUT_FLAG = "give --layout channels-last or channels-first"
MIN_SQUARE_SIDE = 8  # rows of at least 8 x 8 bytes may be images


class ArrangedImages(NamedTuple):
    """Inputs with a trailing channel axis where they are images, and how they were understood."""

    inputs: Shaped[np.ndarray, "n ..."]
    layout: str  # for the description of the data
    notes: tuple[str, ...]

    @property
    def value_range(self) -> tuple[float, float] | None:
        """Limits of the storage format: (0, 255) for images of bytes."""
        return (0.0, 255.0) if self.inputs.dtype == np.uint8 and self.inputs.ndim >= 4 else None


def parse_image_shape(text: str) -> tuple[int, int, int]:
    """Returns height, width and channels of `--image-shape`, whose form its config has checked.

    >>> parse_image_shape("28x28"), parse_image_shape("32x32x3")
    ((28, 28, 1), (32, 32, 3))
    """
    height, width, *channels = (int(size) for size in text.split("x"))
    return height, width, channels[0] if channels else 1


def arrange_images(
    inputs: Shaped[np.ndarray, "n ..."], layout: str, image_shape: str | None, source: str
) -> ArrangedImages:
    """Arranges images as `(n, height, width, channels)`; inputs of other ranks stay as they are.

    `(n, height, width)` gains a channel axis. Of four axes, the channels are the second or the last, whichever has
    1, 3 or 4 entries.

    Args:
        inputs: examples of any rank.
        layout: `auto`, `channels-last` or `channels-first`.
        image_shape: `HEIGHTxWIDTH[xCHANNELS]` of images that are stored as rows.
        source: name of the data in messages.

    Raises:
        InputError: the channel axis is ambiguous, or an option does not fit the inputs.
    """
    if image_shape is not None:
        return _unflatten(inputs, layout, parse_image_shape(image_shape), image_shape, source)
    if inputs.ndim != 4:
        require(
            layout == "auto",
            f"--layout {layout}: {source} has inputs of shape {inputs.shape}, which has no channel axis to choose; "
            "leave it out, or give --image-shape for images stored as rows",
        )
    if inputs.ndim == 3:
        height, width = inputs.shape[1:]
        note = f"{inputs.dtype} inputs {_format_shape(inputs)} taken as images with one channel"
        return ArrangedImages(
            inputs[..., None], f"images {height}x{width}x1", () if inputs.dtype == np.uint8 else (note,)
        )
    if inputs.ndim == 2:
        return ArrangedImages(inputs, f"rows of {inputs.shape[1]} numbers", _hint_at_squares(inputs))
    if inputs.ndim != 4:
        return ArrangedImages(inputs, f"examples of shape {_format_shape(inputs)}", ())
    return _arrange_channels(inputs, layout, source)


def _arrange_channels(inputs: np.ndarray, layout: str, source: str) -> ArrangedImages:
    """Returns images with four axes, channels last."""
    if layout == "auto":
        chosen, note = recognize_channels(inputs.shape[1:], source)
    else:
        chosen, note = layout, None
    if chosen == "channels-first":
        require_host_memory(inputs.nbytes, f"{source}: images with channels moved to the last axis")
        moved = np.ascontiguousarray(np.moveaxis(inputs, 1, -1))
        note = note or f"inputs {_format_shape(inputs)} moved to channels last"
        return ArrangedImages(moved, f"images {_format_shape(moved)}, channels last (stored first)", (note,))
    return ArrangedImages(inputs, f"images {_format_shape(inputs)}, channels last", (note,) if note else ())


def recognize_channels(shape: tuple[int, ...], source: str) -> tuple[str, str | None]:
    """Returns the layout of one example with three axes, and a note where it was not the usual one."""
    first, middle, last = shape
    could_be_first = first in CHANNEL_COUNTS and first <= min(middle, last) and last > 1
    could_be_last = last in CHANNEL_COUNTS
    text = "x".join(map(str, shape))
    if could_be_first and could_be_last:
        raise InputError(f"{source}: examples of shape {text} may have their channels first or last; {LAYOUT_FLAG}")
    if could_be_last:
        return "channels-last", None
    if could_be_first:
        return "channels-first", f"inputs {text} have {first} channel(s) first (--layout channels-last if not)"
    require(
        last < min(first, middle),
        f"{source}: examples of shape {text} do not show which axis holds channels; {LAYOUT_FLAG}",
    )
    return "channels-last", f"inputs {text} taken as {last} channels last (--layout channels-first if not)"


def _unflatten(inputs: np.ndarray, layout: str, shape: tuple[int, int, int], text: str, source: str) -> ArrangedImages:
    """Returns rows as images."""
    require(
        inputs.ndim == 2 and inputs.shape[1] == math.prod(shape),
        f"--image-shape {text}: {source} has inputs of shape {inputs.shape}; expected rows of {math.prod(shape)}",
    )
    height, width, channels = shape
    if layout == "channels-first":
        planes = inputs.reshape(-1, channels, height, width)
        return _arrange_channels(planes, layout, source)
    images = inputs.reshape(-1, height, width, channels)
    hint = "" if channels == 1 else " (--layout channels-first if a row holds one channel after the other, as CIFAR's)"
    note = f"rows of {inputs.shape[1]} taken as images {_format_shape(images)}{hint}"
    return ArrangedImages(images, f"images {_format_shape(images)}, channels last", (note,))


def _hint_at_squares(inputs: np.ndarray) -> tuple[str, ...]:
    """Returns a note for rows of bytes that look like square grayscale images."""
    if inputs.dtype != np.uint8:
        return ()
    side = math.isqrt(inputs.shape[1])
    if side < MIN_SQUARE_SIDE or side * side != inputs.shape[1]:
        return ()
    return (f"rows of {side * side} bytes taken as tables (--image-shape {side}x{side} if they are images)",)


def _format_shape(inputs: np.ndarray) -> str:
    """Returns the shape of one example as `28x28x1`."""
    return "x".join(map(str, inputs.shape[1:]))
