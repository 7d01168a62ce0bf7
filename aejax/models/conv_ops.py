"""Strided and transposed convolutions that are as fast inside `scan` on CPU as outside it.

Everything here is one trilinear form, `T(x, k, y) = <y, x * k>` with `*` a strided convolution under SAME padding, and
its three partial maps: to outputs (the convolution), to inputs (its transpose in `x`: the transposed convolution) and
to kernels. The derivative of each is made of the other two, so reverse mode closes over the three to any order.

On GPU and TPU each map is XLA's convolution. Inside `scan` on CPU that is slower by far than outside it (jax issue
12868); here each map is one matrix product, and a step faster than PyTorch's (`conv` in `results/benchmark`).
`extract_patches` gathers the window of each output by slices, and `overlap_add`, its transpose, adds windows back into
images phase by phase. With JAX's own derivative of the slices a step took 1.8 times as long.

Images are `(c, h, w, batch)`. With the batch last every slice moves runs of a whole batch, whatever its stride, and
the products that gather a kernel's gradient run at two to three times their speed with channels last: a step took
0.8 of its time there.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.custom_batching
import jax.numpy as jnp
from jaxtyping import Array, Float

Images = Float[Array, "c h w batch"]
Kernel = Float[Array, "kh kw c o"]
Outputs = Float[Array, "o oh ow batch"]
Size2D = tuple[int, int]

DIMENSION_NUMBERS = ("CHWN", "HWIO", "CHWN")


class WindowedAxis(NamedTuple):
    """The positions of windows along one axis of `size` entries under SAME padding."""

    size: int
    window: int
    stride: int

    @property
    def n_windows(self) -> int:
        """Number of windows: the size divided by the stride, rounded up."""
        return math.ceil(self.size / self.stride)

    @property
    def start_span(self) -> int:
        """Number of entries from the first entry of the first window to the first entry of the last, inclusive."""
        return (self.n_windows - 1) * self.stride + 1

    @property
    def pad_before(self) -> int:
        """Number of zeros before the first entry: half of all zeros, rounded down, as in XLA."""
        return max(self.start_span - 1 + self.window - self.size, 0) // 2

    @property
    def pad_after(self) -> int:
        """Number of zeros after the last entry; negative if the windows leave entries out."""
        return self.start_span - 1 + self.window - self.size - self.pad_before

    def shifts(self, phase: int) -> list[tuple[int, int]]:
        """Returns pairs `(tap, k)`: tap `tap` of window `i + k` covers entry `stride * i + phase`."""
        offsets = [(tap, phase + self.pad_before - tap) for tap in range(self.window)]
        return [(tap, ahead // self.stride) for tap, ahead in offsets if ahead % self.stride == 0]


def extract_patches(images: Images, rows: WindowedAxis, columns: WindowedAxis) -> Float[Array, "taps oh ow batch"]:
    """Returns the window of each output as one column of `kh * kw * c` numbers (im2col)."""
    edges = ((0, 0, 0), (rows.pad_before, rows.pad_after, 0), (columns.pad_before, columns.pad_after, 0), (0, 0, 0))
    padded = jax.lax.pad(images, jnp.zeros((), images.dtype), edges)
    taps = [
        padded[:, a : a + rows.start_span : rows.stride, b : b + columns.start_span : columns.stride]
        for a in range(rows.window)
        for b in range(columns.window)
    ]
    return jnp.concatenate(taps)


def overlap_add(windows: Float[Array, "taps oh ow batch"], rows: WindowedAxis, columns: WindowedAxis) -> Images:
    """The transpose of `extract_patches`: adds all windows, each at its position.

    Entries of one phase, those with the same position modulo `stride`, are a sum of shifted taps.
    """
    stride, zero, batch = rows.stride, jnp.zeros((), windows.dtype), windows.shape[3]
    taps = windows.reshape(rows.window, columns.window, -1, *windows.shape[1:])

    def phase(row: int, column: int) -> Float[Array, "c oh ow batch"]:
        total = jnp.zeros(taps.shape[2:], windows.dtype)
        for a, up in rows.shifts(row):
            for b, left in columns.shifts(column):
                total += jax.lax.pad(taps[a, b], zero, ((0, 0, 0), (-up, up, 0), (-left, left, 0), (0, 0, 0)))
        return total

    phases = jnp.stack([jnp.stack([phase(p, q) for q in range(stride)], axis=3) for p in range(stride)], axis=2)
    joined = phases.reshape(-1, rows.n_windows * stride, columns.n_windows * stride, batch)
    return joined[:, : rows.size, : columns.size]


class ConvImplementation(NamedTuple):
    """The three maps of the trilinear form, in one implementation."""

    forward: Callable[..., Any]  # (images, kernel, *, stride) to outputs
    input_transpose: Callable[..., Any]  # (outputs, kernel, *, size, stride) to images of `size`
    kernel_transpose: Callable[..., Any]  # (images, outputs, *, window, stride) to kernels of `window`


def _windowed_axes(size: Sequence[int], window: Sequence[int], stride: int) -> tuple[WindowedAxis, WindowedAxis]:
    return WindowedAxis(size[0], window[0], stride), WindowedAxis(size[1], window[1], stride)


def _flatten_spatial(array: Array) -> Float[Array, "channels places"]:
    return array.reshape(array.shape[0], -1)


def _matmul_forward(images: Images, kernel: Kernel, *, stride: int) -> Outputs:
    gathered = extract_patches(images, *_windowed_axes(images.shape[1:3], kernel.shape[:2], stride))
    outputs = kernel.reshape(-1, kernel.shape[3]).T @ _flatten_spatial(gathered)
    return outputs.reshape(-1, *gathered.shape[1:])


def _matmul_input_transpose(outputs: Outputs, kernel: Kernel, *, size: Size2D, stride: int) -> Images:
    windows = kernel.reshape(-1, kernel.shape[3]) @ _flatten_spatial(outputs)
    return overlap_add(windows.reshape(-1, *outputs.shape[1:]), *_windowed_axes(size, kernel.shape[:2], stride))


def _matmul_kernel_transpose(images: Images, outputs: Outputs, *, window: Size2D, stride: int) -> Kernel:
    gathered = extract_patches(images, *_windowed_axes(images.shape[1:3], window, stride))
    return (_flatten_spatial(gathered) @ _flatten_spatial(outputs).T).reshape(*window, len(images), len(outputs))


def _xla_forward(images: Images, kernel: Kernel, *, stride: int) -> Outputs:
    return jax.lax.conv_general_dilated(images, kernel, (stride, stride), "SAME", dimension_numbers=DIMENSION_NUMBERS)


def _xla_input_transpose(outputs: Outputs, kernel: Kernel, *, size: Size2D, stride: int) -> Images:
    images = jax.ShapeDtypeStruct((kernel.shape[2], *size, outputs.shape[3]), outputs.dtype)
    (transposed,) = jax.linear_transpose(lambda x: _xla_forward(x, kernel, stride=stride), images)(outputs)
    return transposed


def _xla_kernel_transpose(images: Images, outputs: Outputs, *, window: Size2D, stride: int) -> Kernel:
    kernel = jax.ShapeDtypeStruct((*window, len(images), len(outputs)), images.dtype)
    (transposed,) = jax.linear_transpose(lambda k: _xla_forward(images, k, stride=stride), kernel)(outputs)
    return transposed


MATMUL = ConvImplementation(_matmul_forward, _matmul_input_transpose, _matmul_kernel_transpose)
XLA = ConvImplementation(_xla_forward, _xla_input_transpose, _xla_kernel_transpose)


def _select_by_platform(cpu: Callable[..., Any], default: Callable[..., Any], **static: Any) -> Callable[..., Any]:
    """Returns a function whose branch is chosen at lowering, so that one trace exports to several platforms."""
    branches = functools.partial(cpu, **static), functools.partial(default, **static)
    return lambda *operands: jax.lax.platform_dependent(*operands, cpu=branches[0], default=branches[1])


def _fold_vmap_into_batch(function: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """Returns `function` of maps and a kernel such that `vmap` over the maps alone extends their batch axis.

    Single examples under `vmap` then run as fast as a batch instead of at half its speed.
    """
    mapped = jax.custom_batching.custom_vmap(function)

    @mapped.def_vmap
    def rule(size: int, batched: list[bool], maps: Array, kernel: Array) -> tuple[Array, bool]:
        if batched[1]:
            return jax.vmap(function, [0 if is_batched else None for is_batched in batched])(maps, kernel), True
        joined = jnp.moveaxis(maps, 0, 3)
        results = mapped(joined.reshape(*joined.shape[:3], -1), kernel)
        return jnp.moveaxis(results.reshape(*results.shape[:3], size, -1), 3, 0), True

    return mapped


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def strided_conv(inputs: Images, kernel: Kernel, stride: int = 2) -> Outputs:
    """A convolution (cross-correlation, as in every framework) with SAME padding.

    Args:
        inputs: images `(c, h, w, batch)` of any size.
        kernel: `(kh, kw, c, o)`.
        stride: between windows, along both axes.

    Returns:
        `(o, ceil(h / stride), ceil(w / stride), batch)`, what `lax.conv_general_dilated(..., "SAME")` gives.
    """
    return _fold_vmap_into_batch(_select_by_platform(MATMUL.forward, XLA.forward, stride=stride))(inputs, kernel)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv_input_transpose(outputs: Outputs, kernel: Kernel, size: Size2D, stride: int) -> Images:
    """The transpose of `strided_conv` in its inputs, which have `size`."""
    return _fold_vmap_into_batch(
        _select_by_platform(MATMUL.input_transpose, XLA.input_transpose, size=size, stride=stride)
    )(outputs, kernel)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv_kernel_transpose(inputs: Images, outputs: Outputs, window: Size2D, stride: int) -> Kernel:
    """The transpose of `strided_conv` in its kernel, which has `window`."""
    return _select_by_platform(MATMUL.kernel_transpose, XLA.kernel_transpose, window=window, stride=stride)(
        inputs, outputs
    )


def transposed_conv(inputs: Outputs, kernel: Float[Array, "kh kw o c"], size: Size2D, stride: int = 2) -> Images:
    """A transposed convolution: the transpose of `strided_conv` on images of `size`.

    The feature at `(i, j)` adds `feature @ kernel[a, b]` to the output at `(stride i + a - p, stride j + b - q)`, where
    `p` and `q` are the zeros that SAME padding puts before the first row and column. With a 4x4 kernel and stride 2
    that is 1, and the result is PyTorch's `ConvTranspose2d(4, 2, padding=1)`, without its last row or column where
    `size` is odd; `lax.conv_transpose(..., "SAME")` gives the same of the kernel flipped in both directions.

    Args:
        inputs: feature maps `(o, h, w, batch)`.
        kernel: `(kh, kw, o, c)`, from channels before to channels after.
        size: height and width of the result, whose `ceil(size / stride)` is `(h, w)`; for stride 2, `2 h` or `2 h - 1`.
        stride: between windows, along both axes.

    Returns:
        Images `(c, *size, batch)`.
    """
    return conv_input_transpose(inputs, jnp.swapaxes(kernel, 2, 3), size, stride)


def _strided_conv_vjp(stride: int, kept: tuple[Array, Array], change: Array) -> tuple[Array, Array]:
    images, kernel = kept
    size, window = images.shape[1:3], kernel.shape[:2]
    return conv_input_transpose(change, kernel, size, stride), conv_kernel_transpose(images, change, window, stride)


def _input_transpose_vjp(size: Size2D, stride: int, kept: tuple[Array, Array], change: Array) -> tuple[Array, Array]:
    outputs, kernel = kept
    return strided_conv(change, kernel, stride), conv_kernel_transpose(change, outputs, kernel.shape[:2], stride)


def _kernel_transpose_vjp(window: Size2D, stride: int, kept: tuple[Array, Array], change: Array) -> tuple[Array, Array]:
    images, outputs = kept
    return conv_input_transpose(outputs, change, images.shape[1:3], stride), strided_conv(images, change, stride)


strided_conv.defvjp(lambda x, k, *static: (strided_conv(x, k, *static), (x, k)), _strided_conv_vjp)
conv_input_transpose.defvjp(lambda y, k, *static: (conv_input_transpose(y, k, *static), (y, k)), _input_transpose_vjp)
conv_kernel_transpose.defvjp(
    lambda x, y, *static: (conv_kernel_transpose(x, y, *static), (x, y)), _kernel_transpose_vjp
)
