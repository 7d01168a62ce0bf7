"""The architectures in Keras: the same layers from the same initial distribution, without their last activation."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers, ops

from aejax.benchmark.training.architecture import (
    BATCH_NORM_EPSILON,
    LEAKY_SLOPE,
    LOG_VARIANCE_LIMIT,
    TRUNCATED_STD,
    Dense,
    dense_architecture,
)
from aejax.config import ModelConfig, PretrainConfig


def initial(inputs: int, conventions: str) -> keras.initializers.Initializer:
    """LeCun normal (flax) or Glorot uniform (keras) weights; `inputs` reach each output."""
    if conventions == "keras":
        return keras.initializers.GlorotUniform()
    return keras.initializers.TruncatedNormal(stddev=inputs**-0.5 / TRUNCATED_STD)


def affine(fan_in: int, fan_out: int, conventions: str) -> layers.Layer:
    """An affine layer."""
    return layers.Dense(fan_out, kernel_initializer=initial(fan_in, conventions))


def activation(name: str, conventions: str) -> list[layers.Layer]:
    """The elementwise layer that a config names; none for a linear one."""
    if name == "leaky_relu":
        return [layers.LeakyReLU(LEAKY_SLOPE[conventions])]
    if name == "gelu":
        return [layers.Activation(lambda inputs: ops.gelu(inputs, approximate=True))]
    return [] if name == "linear" else [layers.Activation(name)]


def activated(model: ModelConfig) -> list[layers.Layer]:
    """Batch normalisation if asked, then the activation of hidden layers."""
    norm = layers.BatchNormalization(momentum=0.99, epsilon=BATCH_NORM_EPSILON[model.conventions])
    return [*([norm] if model.batch_norm else []), *activation(model.activation, model.conventions)]


def stack(fan_in: int, widths: Sequence[int], model: ModelConfig) -> list[layers.Layer]:
    """Hidden layers: affine, batch normalisation if asked, activation."""
    pairs = itertools.pairwise([fan_in, *widths])
    return [layer for pair in pairs for layer in (affine(*pair, model.conventions), *activated(model))]


def largest(k: int) -> layers.Layer:
    """The `k` largest units of each example are kept."""

    def keep(latents: Any) -> Any:
        least = ops.top_k(ops.stop_gradient(latents), k)[0][:, -1:]
        return latents * ops.cast(latents >= least, latents.dtype)

    return layers.Lambda(keep)


class Draw(layers.Layer):
    """One draw from a Gaussian for each example; its divergence from the prior, in nats, is a loss."""

    def build(self, *shapes: Any) -> None:
        """Begin a stream of noise, which `keras.utils.set_random_seed` seeds."""
        self.noise = keras.random.SeedGenerator()

    def call(self, mean: Any, log_variance: Any) -> Any:
        """Means and log-variances `(batch, code)` to codes."""
        log_variance = ops.clip(log_variance, -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
        units = 0.5 * (ops.square(mean) + ops.exp(log_variance) - log_variance - 1)
        self.add_loss(ops.mean(ops.sum(units, axis=1)))
        return mean + ops.exp(0.5 * log_variance) * keras.random.normal(ops.shape(mean), seed=self.noise)


def applied(chain: Sequence[layers.Layer], inputs: Any) -> Any:
    """Layers one after the other."""
    for layer in chain:
        inputs = layer(inputs)
    return inputs


def encoder_layers(config: PretrainConfig, features: int) -> list[layers.Layer]:
    """Inputs to the code of one head."""
    dense, model = dense_architecture(config), config.model
    return [
        *stack(features, dense.hidden, model),
        affine((features, *dense.hidden)[-1], dense.code, model.conventions),
        *activation(dense.code_activation, model.conventions),
        *([] if dense.kept is None else [largest(dense.kept)]),
    ]


def decoder_layers(dense: Dense, model: ModelConfig, features: int) -> list[layers.Layer]:
    """Codes to outputs."""
    last = affine((dense.code, *dense.decoder_hidden)[-1], features, model.conventions)
    return [*stack(dense.code, dense.decoder_hidden, model), last]


def dense_autoencoder(config: PretrainConfig, shape: Sequence[int]) -> keras.Model:
    """The dense autoencoder of a resolved config."""
    features = math.prod(shape)
    decoder = decoder_layers(dense_architecture(config), config.model, features)
    return keras.Sequential([layers.Input((features,)), *encoder_layers(config, features), *decoder])


def variational_autoencoder(config: PretrainConfig, shape: Sequence[int]) -> keras.Model:
    """The dense variational autoencoder of a resolved config."""
    features = math.prod(shape)
    dense, model = dense_architecture(config), config.model
    last = (features, *dense.hidden)[-1]
    inputs = layers.Input((features,))
    hidden = applied(stack(features, dense.hidden, model), inputs)
    mean, log_variance = (affine(last, dense.code, model.conventions)(hidden) for _ in range(2))
    return keras.Model(inputs, applied(decoder_layers(dense, model, features), Draw()(mean, log_variance)))


def conv_autoencoder(config: PretrainConfig, shape: Sequence[int]) -> keras.Model:
    """The convolutional autoencoder of a resolved config for images `(height, width, channels)`, flat at both ends."""
    model = config.model
    assert model.latent_dim is not None
    height, width, image_channels = shape
    widths, sizes = (image_channels, *model.channels), [(height, width)]
    for _ in model.channels:
        sizes.append((math.ceil(sizes[-1][0] / 2), math.ceil(sizes[-1][1] / 2)))
    deepest = (*sizes[-1], widths[-1])
    down: list[layers.Layer] = []
    for before, after in itertools.pairwise(widths):
        own = initial(9 * before, model.conventions)
        down += [layers.Conv2D(after, 3, 2, padding="same", kernel_initializer=own), *activated(model)]
    up: list[layers.Layer] = []
    for before, after, (rows, columns) in zip(widths[:0:-1], widths[-2::-1], sizes[-2::-1], strict=True):
        own = initial(4 * before, model.conventions)  # of the window's 16 entries, 4 reach each output
        up += [*activated(model), layers.Conv2DTranspose(after, 4, 2, padding="same", kernel_initializer=own)]
        if rows % 2 or columns % 2:
            up.append(layers.Cropping2D(((0, rows % 2), (0, columns % 2))))
    return keras.Sequential(
        [
            *(layers.Input((math.prod(shape),)), layers.Reshape(tuple(shape)), *down, layers.Flatten()),
            affine(math.prod(deepest), model.latent_dim, model.conventions),
            *activation(model.code_activation, model.conventions),
            affine(model.latent_dim, math.prod(deepest), model.conventions),
            *(layers.Reshape(deepest), *up, layers.Flatten()),
        ]
    )


MODELS: dict[str, Callable[[PretrainConfig, Sequence[int]], keras.Model]] = {
    "undercomplete": dense_autoencoder,
    "k-sparse": dense_autoencoder,
    "vae": variational_autoencoder,
    "conv": conv_autoencoder,
}
