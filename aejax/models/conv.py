"""Convolutional encoder stacks and mirrored decoders, flat at both ends.

Flat images are those of `(batch, h, w, c)`; inside, the batch is last, as `conv_ops` needs it.
"""

import math
from collections.abc import Sequence
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from aejax.config import Activation
from aejax.models.conv_ops import strided_conv, transposed_conv
from aejax.models.dense import FRAMEWORK_DEFAULTS, activation_function

ImageShape = tuple[int, int, int]  # height, width, channels
STRIDE = 2  # of every layer, in both directions
ENCODER_WINDOW = (3, 3)  # height and width of the encoder's kernels
DECODER_WINDOW = (4, 4)  # height and width of the decoder's kernels

# Each output of a transposed convolution sums over every `STRIDE`-th row and column of the window, so a fan-in that
# counts the whole window is four times too large, and LeCun's variance four times too small. Keras counts it so, and
# its convention stays with it.
TRANSPOSED_KERNEL_INIT = {
    "flax": nn.initializers.variance_scaling(STRIDE**2, "fan_in", "truncated_normal"),
    "keras": FRAMEWORK_DEFAULTS["keras"].kernel_init,
}


def feature_map_shapes(shape: ImageShape, channels: tuple[int, ...]) -> list[ImageShape]:
    """The image's shape and that of every feature map below it: each half the size, rounded up.

    >>> feature_map_shapes((28, 28, 1), (16, 32))
    [(28, 28, 1), (14, 14, 16), (7, 7, 32)]
    """
    shapes = [shape]
    for width in channels:
        height, breadth, _ = shapes[-1]
        shapes.append((math.ceil(height / STRIDE), math.ceil(breadth / STRIDE), width))
    return shapes


def to_feature_maps(flat: Float[Array, "batch d"], shape: Sequence[int]) -> Float[Array, "c h w batch"]:
    """Feature maps of `shape` (height, width, channels), batch last. The batch may be a symbol, which has no `len`."""
    return jnp.transpose(flat.reshape(flat.shape[0], *shape), (3, 1, 2, 0))


def from_feature_maps(features: Float[Array, "c h w batch"]) -> Float[Array, "batch d"]:
    """Inverts `to_feature_maps`."""
    return jnp.transpose(features, (3, 1, 2, 0)).reshape(features.shape[3], -1)


class Convolution(nn.Module):
    """A 3x3 convolution of stride 2, with a bias."""

    channels: int
    conventions: Literal["flax", "keras"]

    @nn.compact
    def __call__(self, images: Float[Array, "c h w batch"]) -> Float[Array, "o oh ow batch"]:
        init = FRAMEWORK_DEFAULTS[self.conventions].kernel_init
        kernel = self.param("kernel", init, (*ENCODER_WINDOW, len(images), self.channels), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.channels,), jnp.float32)
        return strided_conv(images, kernel, STRIDE) + bias[:, None, None, None]


class TransposedConvolution(nn.Module):
    """A 4x4 transposed convolution of stride 2, with a bias, to images of `size`."""

    channels: int
    size: tuple[int, int]
    conventions: Literal["flax", "keras"]

    @nn.compact
    def __call__(self, features: Float[Array, "o oh ow batch"]) -> Float[Array, "c h w batch"]:
        init = TRANSPOSED_KERNEL_INIT[self.conventions]
        kernel = self.param("kernel", init, (*DECODER_WINDOW, len(features), self.channels), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.channels,), jnp.float32)
        return transposed_conv(features, kernel, self.size, STRIDE) + bias[:, None, None, None]


class Activated(nn.Module):
    """Optional batch normalisation over channels, then the activation."""

    activation: Activation
    batch_norm: bool
    conventions: Literal["flax", "keras"]

    @nn.compact
    def __call__(self, features: Float[Array, "c h w batch"], *, train: bool) -> Float[Array, "c h w batch"]:
        constants = FRAMEWORK_DEFAULTS[self.conventions]
        if self.batch_norm:
            features = nn.BatchNorm(
                use_running_average=not train, axis=0, momentum=0.99, epsilon=constants.batch_norm_epsilon
            )(features)
        return activation_function(self.activation, constants)(features)


class ConvStack(nn.Module):
    """Hidden layers of an image encoder: strided convolution, optional batch normalisation, activation.

    Batches of flat images of `shape` in, the last feature map flat out, of width
    `prod(feature_map_shapes(shape, channels)[-1])`.
    """

    shape: ImageShape
    channels: tuple[int, ...]
    activation: Activation
    batch_norm: bool
    conventions: Literal["flax", "keras"]

    @nn.compact
    def __call__(self, inputs: Float[Array, "batch d"], *, train: bool) -> Float[Array, "batch h"]:
        features = to_feature_maps(inputs, self.shape)
        for width in self.channels:
            features = Convolution(width, self.conventions)(features)
            features = Activated(self.activation, self.batch_norm, self.conventions)(features, train=train)
        return from_feature_maps(features)


class ConvDecoder(nn.Module):
    """Codes to flat images before their last activation: an affine layer to the encoder's last feature map, then
    transposed convolutions, each to the shape of the encoder's feature map at that level."""

    shape: ImageShape
    channels: tuple[int, ...]
    activation: Activation
    batch_norm: bool
    conventions: Literal["flax", "keras"]

    @nn.compact
    def __call__(self, latents: Float[Array, "batch latent"], *, train: bool) -> Float[Array, "batch d"]:
        *targets, deepest = feature_map_shapes(self.shape, self.channels)
        init = FRAMEWORK_DEFAULTS[self.conventions].kernel_init
        features = to_feature_maps(nn.Dense(math.prod(deepest), kernel_init=init)(latents), deepest)
        for height, breadth, width in reversed(targets):
            features = Activated(self.activation, self.batch_norm, self.conventions)(features, train=train)
            features = TransposedConvolution(width, (height, breadth), self.conventions)(features)
        return from_feature_maps(features)
