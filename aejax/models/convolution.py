"""Strided and transposed convolutions that are as fast inside `scan` on CPU as anywhere else.

Everything here is one trilinear form, `T(x, k, y) = <y, x * k>` with `*` a strided convolution under SAME padding, and
its three partial maps: to outputs (the convolution), to inputs (its transpose in `x`: the transposed convolution) and
to kernels. The derivative of each is made of the other two, so reverse mode closes over the three to any order.

On GPU and TPU each map is XLA's convolution. On CPU it is one matrix product between patches: `patches` gathers the
window of each output by space-to-depth and stride-1 slices, `overlap_add`, its transpose, adds windows back into an
image by phases; nothing is dilated. XLA's own convolution ran 11 times slower inside `scan` there.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Images = Float[Array, "batch h w c"]
Kernel = Float[Array, "kh kw c o"]
Outputs = Float[Array, "batch oh ow o"]
Pair = tuple[int, int]

AXES = ("NHWC", "HWIO", "NHWC")


class Axis(NamedTuple):
    """How windows lie along one axis of `size` entries under SAME padding."""

    size: int
    window: int
    stride: int

    @property
    def outputs(self) -> int:
        """Windows."""
        return math.ceil(self.size / self.stride)

    @property
    def before(self) -> int:
        """Zeros in front of the first entry: half of those needed, rounded down, as XLA has it."""
        return max((self.outputs - 1) * self.stride + self.window - self.size, 0) // 2

    @property
    def blocks(self) -> int:
        """Blocks of `stride` entries that the windows reach into."""
        return self.outputs + (self.window - 1) // self.stride

    @property
    def after(self) -> int:
        """Entries from the last of the axis to the end of the last block; negative where that cuts some off."""
        return self.blocks * self.stride - self.before - self.size

    def slices(self, tap: int) -> tuple[slice, int]:
        """Where tap `tap` of every window lies: which blocks, and at which phase within them."""
        block, phase = divmod(tap, self.stride)
        return slice(block, block + self.outputs), phase


def patches(images: Images, rows: Axis, columns: Axis) -> Float[Array, "batch oh ow taps"]:
    """The window of each output, as one row of `kh * kw * c` numbers."""
    batch, channels, stride = images.shape[0], images.shape[3], rows.stride
    padded = jax.lax.pad(
        images,
        jnp.zeros((), images.dtype),
        ((0, 0, 0), (rows.before, rows.after, 0), (columns.before, columns.after, 0), (0, 0, 0)),
    )
    blocks = padded.reshape(batch, rows.blocks, stride, columns.blocks, stride, channels)
    taps = []
    for tap_row in range(rows.window):
        for tap_column in range(columns.window):
            (block_rows, row), (block_columns, column) = rows.slices(tap_row), columns.slices(tap_column)
            taps.append(blocks[:, block_rows, row, block_columns, column])
    return jnp.concatenate(taps, axis=-1)


def overlap_add(windows: Float[Array, "batch oh ow taps"], rows: Axis, columns: Axis) -> Images:
    """The transpose of `patches`: the sum of all windows, each at its place."""
    stride, zero = rows.stride, jnp.zeros((), windows.dtype)
    taps = windows.reshape(*windows.shape[:3], rows.window, columns.window, -1)

    def phase(row: int, column: int) -> Array:
        parts = []
        for tap_row in range(row, rows.window, stride):
            for tap_column in range(column, columns.window, stride):
                down, right = tap_row // stride, tap_column // stride
                vertical = (down, rows.blocks - rows.outputs - down, 0)
                horizontal = (right, columns.blocks - columns.outputs - right, 0)
                part = taps[:, :, :, tap_row, tap_column]
                parts.append(jax.lax.pad(part, zero, ((0, 0, 0), vertical, horizontal, (0, 0, 0))))
        if not parts:  # a window narrower than its stride skips this phase
            return jnp.zeros((len(windows), rows.blocks, columns.blocks, taps.shape[-1]), windows.dtype)
        return functools.reduce(jnp.add, parts)

    blocks = jnp.stack([jnp.stack([phase(p, q) for q in range(stride)], axis=3) for p in range(stride)], axis=2)
    padded = blocks.reshape(len(windows), rows.blocks * stride, columns.blocks * stride, -1)
    edges = ((0, 0, 0), (-rows.before, -rows.after, 0), (-columns.before, -columns.after, 0), (0, 0, 0))
    return jax.lax.pad(padded, zero, edges)


def _axes(size: Sequence[int], window: Sequence[int], stride: int) -> tuple[Axis, Axis]:
    return Axis(size[0], window[0], stride), Axis(size[1], window[1], stride)


class Maps(NamedTuple):
    """The three maps of the trilinear form, in one implementation."""

    to_outputs: Callable[..., Any]  # (images, kernel, *, stride) to outputs
    to_inputs: Callable[..., Any]  # (outputs, kernel, *, size, stride) to images of `size`
    to_kernel: Callable[..., Any]  # (images, outputs, *, window, stride) to kernels of `window`


def _product_outputs(images: Images, kernel: Kernel, *, stride: int) -> Outputs:
    gathered = patches(images, *_axes(images.shape[1:3], kernel.shape[:2], stride))
    return gathered @ kernel.reshape(-1, kernel.shape[3])


def _product_inputs(outputs: Outputs, kernel: Kernel, *, size: Pair, stride: int) -> Images:
    windows = outputs @ kernel.reshape(-1, kernel.shape[3]).T
    return overlap_add(windows, *_axes(size, kernel.shape[:2], stride))


def _product_kernel(images: Images, outputs: Outputs, *, window: Pair, stride: int) -> Kernel:
    gathered = patches(images, *_axes(images.shape[1:3], window, stride))
    kernel = gathered.reshape(-1, gathered.shape[3]).T @ outputs.reshape(-1, outputs.shape[3])
    return kernel.reshape(*window, images.shape[3], outputs.shape[3])


def _lax_outputs(images: Images, kernel: Kernel, *, stride: int) -> Outputs:
    return jax.lax.conv_general_dilated(images, kernel, (stride, stride), "SAME", dimension_numbers=AXES)


def _lax_inputs(outputs: Outputs, kernel: Kernel, *, size: Pair, stride: int) -> Images:
    images = jax.ShapeDtypeStruct((len(outputs), *size, kernel.shape[2]), outputs.dtype)
    (found,) = jax.linear_transpose(lambda x: _lax_outputs(x, kernel, stride=stride), images)(outputs)
    return found


def _lax_kernel(images: Images, outputs: Outputs, *, window: Pair, stride: int) -> Kernel:
    kernel = jax.ShapeDtypeStruct((*window, images.shape[3], outputs.shape[3]), images.dtype)
    (found,) = jax.linear_transpose(lambda k: _lax_outputs(images, k, stride=stride), kernel)(outputs)
    return found


PRODUCTS = Maps(_product_outputs, _product_inputs, _product_kernel)
LAX = Maps(_lax_outputs, _lax_inputs, _lax_kernel)


def _by_platform(cpu: Callable[..., Any], default: Callable[..., Any], *operands: Array, **static: Any) -> Array:
    """Chosen when the program is lowered, so one trace serves, and exports, to several platforms."""
    return jax.lax.platform_dependent(
        *operands, cpu=functools.partial(cpu, **static), default=functools.partial(default, **static)
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def strided_conv(inputs: Images, kernel: Kernel, stride: int = 2) -> Outputs:
    """A convolution (cross-correlation, as in every framework) with SAME padding.

    Args:
        inputs: images, NHWC, of any size.
        kernel: `(kh, kw, c, o)`.
        stride: between windows, along both axes.

    Returns:
        `(batch, ceil(h / stride), ceil(w / stride), o)`, what `lax.conv_general_dilated(..., "SAME")` gives.
    """
    return _by_platform(PRODUCTS.to_outputs, LAX.to_outputs, inputs, kernel, stride=stride)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv_to_inputs(outputs: Outputs, kernel: Kernel, size: Pair, stride: int) -> Images:
    """The transpose of `strided_conv` in its inputs, which have `size`."""
    return _by_platform(PRODUCTS.to_inputs, LAX.to_inputs, outputs, kernel, size=size, stride=stride)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv_to_kernel(inputs: Images, outputs: Outputs, window: Pair, stride: int) -> Kernel:
    """The transpose of `strided_conv` in its kernel, which has `window`."""
    return _by_platform(PRODUCTS.to_kernel, LAX.to_kernel, inputs, outputs, window=window, stride=stride)


def transposed_conv(inputs: Outputs, kernel: Float[Array, "kh kw o c"], size: Pair, stride: int = 2) -> Images:
    """The convolution that goes back up: the transpose of `strided_conv` from images of `size`.

    Entry `(i, j)` adds `inputs[i, j] @ kernel[a, b]` to the output at `(stride i + a - p, stride j + b - q)`, where `p`
    and `q` are the zeros that SAME padding puts in front. With a 4x4 kernel and stride 2 that is 1, and the result is
    PyTorch's `ConvTranspose2d(4, 2, padding=1)`, without the last row where `size` is odd; `lax.conv_transpose(...,
    "SAME")` gives the same of the kernel flipped in both directions.

    Args:
        inputs: feature maps `(batch, h, w, o)`.
        kernel: `(kh, kw, o, c)`, from channels before to channels after.
        size: height and width of the result, whose `ceil(size / stride)` is `(h, w)`; for stride 2, `2 h` or `2 h - 1`.
        stride: between windows, along both axes.

    Returns:
        Images `(batch, *size, c)`.
    """
    return conv_to_inputs(inputs, jnp.swapaxes(kernel, 2, 3), size, stride)


def _outputs_rule(stride: int, kept: tuple[Array, Array], change: Array) -> tuple[Array, Array]:
    images, kernel = kept
    size, window = images.shape[1:3], kernel.shape[:2]
    return conv_to_inputs(change, kernel, size, stride), conv_to_kernel(images, change, window, stride)


def _inputs_rule(size: Pair, stride: int, kept: tuple[Array, Array], change: Array) -> tuple[Array, Array]:
    outputs, kernel = kept
    return strided_conv(change, kernel, stride), conv_to_kernel(change, outputs, kernel.shape[:2], stride)


def _kernel_rule(window: Pair, stride: int, kept: tuple[Array, Array], change: Array) -> tuple[Array, Array]:
    images, outputs = kept
    return conv_to_inputs(outputs, change, images.shape[1:3], stride), strided_conv(images, change, stride)


strided_conv.defvjp(lambda x, k, *static: (strided_conv(x, k, *static), (x, k)), _outputs_rule)
conv_to_inputs.defvjp(lambda y, k, *static: (conv_to_inputs(y, k, *static), (y, k)), _inputs_rule)
conv_to_kernel.defvjp(lambda x, y, *static: (conv_to_kernel(x, y, *static), (x, y)), _kernel_rule)
