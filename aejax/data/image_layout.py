"""Recognises how arrays store images, and arranges them as height, width, channels."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

from aejax.data.memory import require_host_memory
from aejax.errors import require

CHANNEL_COUNTS = (1, 3, 4)  # grayscale, RGB, RGB with alpha
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
        return _unflatten(inputs, layout, image_shape, source)
    if inputs.ndim == 4:
        return _arrange_channels(inputs, layout, source)
    require(
        layout == "auto",
        f"--layout {layout}: {source} has inputs of shape {inputs.shape}, without an axis of channels; leave it out, "
        "or give --image-shape for images stored as rows",
    )
    shape = _format_shape(inputs)
    if inputs.ndim == 3:
        notes = () if inputs.dtype == np.uint8 else (f"{inputs.dtype} inputs {shape} taken as images with one channel",)
        return ArrangedImages(inputs[..., None], f"images {shape}x1", notes)
    if inputs.ndim == 2:
        return ArrangedImages(inputs, f"rows of {shape} numbers", _hint_at_squares(inputs))
    return ArrangedImages(inputs, f"examples of shape {shape}", ())


def _arrange_channels(inputs: np.ndarray, layout: str, source: str) -> ArrangedImages:
    """Returns images with four axes, channels last."""
    chosen, note = recognize_channels(inputs.shape[1:], source) if layout == "auto" else (layout, None)
    if chosen == "channels-last":
        return ArrangedImages(inputs, f"images {_format_shape(inputs)}, channels last", (note,) if note else ())
    require_host_memory(inputs.nbytes, f"{source}: images with channels moved to the last axis")
    moved = np.ascontiguousarray(np.moveaxis(inputs, 1, -1))
    note = note or f"inputs {_format_shape(inputs)} moved to channels last"
    return ArrangedImages(moved, f"images {_format_shape(moved)}, channels last (stored first)", (note,))


def recognize_channels(shape: tuple[int, ...], source: str) -> tuple[str, str | None]:
    """Returns the layout of one example with three axes, and a note where it was not the usual one."""
    first, middle, last = shape
    could_be_first = first in CHANNEL_COUNTS and first <= min(middle, last) and last > 1
    could_be_last = last in CHANNEL_COUNTS
    text = "x".join(map(str, shape))
    if could_be_first and not could_be_last:
        return "channels-first", f"inputs {text} have {first} channel(s) first (--layout channels-last if not)"
    require(
        could_be_last != could_be_first or (not could_be_last and last < min(first, middle)),
        f"{source}: examples of shape {text} may have their channels first or last; give --layout channels-last or "
        "channels-first",
    )
    note = f"inputs {text} taken as {last} channels last (--layout channels-first if not)"
    return "channels-last", None if could_be_last else note


def _unflatten(inputs: np.ndarray, layout: str, image_shape: str, source: str) -> ArrangedImages:
    """Returns rows as images."""
    height, width, channels, *_ = (*map(int, image_shape.split("x")), 1)
    size = height * width * channels
    require(
        inputs.ndim == 2 and inputs.shape[1] == size,
        f"--image-shape {image_shape}: {source} has inputs of shape {inputs.shape}; expected rows of {size}",
    )
    if layout == "channels-first":
        return _arrange_channels(inputs.reshape(-1, channels, height, width), layout, source)
    images = inputs.reshape(-1, height, width, channels)
    hint = "" if channels == 1 else " (--layout channels-first if a row holds one channel after the other, as CIFAR's)"
    note = f"rows of {size} taken as images {_format_shape(images)}{hint}"
    return ArrangedImages(images, f"images {_format_shape(images)}, channels last", (note,))


def _hint_at_squares(inputs: np.ndarray) -> tuple[str, ...]:
    """Returns a note for rows of bytes that look like square grayscale images."""
    side = math.isqrt(inputs.shape[1])
    if inputs.dtype != np.uint8 or side < MIN_SQUARE_SIDE or side * side != inputs.shape[1]:
        return ()
    return (f"rows of {side * side} bytes taken as tables (--image-shape {side}x{side} if they are images)",)


def _format_shape(inputs: np.ndarray) -> str:
    """Returns the shape of one example as `28x28x1`."""
    return "x".join(map(str, inputs.shape[1:]))
