"""The autoencoders in Keras: the same layers and initial distribution, without the last activation."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers, ops

from aejax.config import ModelConfig, PretrainConfig
from benchmark.architecture import (
    BATCH_NORM_EPSILON,
    LEAKY_SLOPE,
    LOG_VARIANCE_LIMIT,
    TRUNCATED_STD,
    DenseArchitecture,
    conv_architecture,
    dense_architecture,
)


def kernel_initializer(inputs: int, conventions: str) -> keras.initializers.Initializer:
    """Returns LeCun normal (flax) or Glorot uniform (keras) weights; each output depends on `inputs` inputs."""
    if conventions == "keras":
        return keras.initializers.GlorotUniform()
    return keras.initializers.TruncatedNormal(stddev=inputs**-0.5 / TRUNCATED_STD)


def dense_layer(fan_in: int, fan_out: int, conventions: str) -> layers.Layer:
    """Returns an affine layer."""
    return layers.Dense(fan_out, kernel_initializer=kernel_initializer(fan_in, conventions))


def activation_layers(name: str, conventions: str) -> list[layers.Layer]:
    """Returns the elementwise layer that a config names; none for a linear one."""
    if name == "leaky_relu":
        return [layers.LeakyReLU(LEAKY_SLOPE[conventions])]
    if name == "gelu":
        return [layers.Activation(lambda inputs: ops.gelu(inputs, approximate=True))]
    return [] if name == "linear" else [layers.Activation(name)]


def norm_and_activation(model: ModelConfig) -> list[layers.Layer]:
    """Returns batch normalization if configured, then the activation of hidden layers."""
    norm = layers.BatchNormalization(momentum=0.99, epsilon=BATCH_NORM_EPSILON[model.conventions])
    return [*([norm] if model.batch_norm else []), *activation_layers(model.activation, model.conventions)]


def hidden_layers(fan_in: int, widths: Sequence[int], model: ModelConfig) -> list[layers.Layer]:
    """Returns hidden layers: affine, batch normalization if configured, activation."""
    pairs = itertools.pairwise([fan_in, *widths])
    return [layer for pair in pairs for layer in (dense_layer(*pair, model.conventions), *norm_and_activation(model))]


def top_k_layer(k: int) -> layers.Layer:
    """Returns a layer that keeps the `k` largest units of each example and sets the others to zero."""

    def keep(latents: Any) -> Any:
        least = ops.top_k(ops.stop_gradient(latents), k)[0][:, -1:]
        return latents * ops.cast(latents >= least, latents.dtype)

    return layers.Lambda(keep)


class GaussianSampling(layers.Layer):
    """Draws a code from a Gaussian for each example; adds its divergence from the prior, in nats, to the loss."""

    def build(self, *shapes: Any) -> None:
        """Creates the generator of the noise, which `keras.utils.set_random_seed` seeds."""
        self.noise = keras.random.SeedGenerator()

    def call(self, mean: Any, log_variance: Any) -> Any:
        """Returns codes for means and log-variances of shape `(batch, code)`."""
        log_variance = ops.clip(log_variance, -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
        units = 0.5 * (ops.square(mean) + ops.exp(log_variance) - log_variance - 1)
        self.add_loss(ops.mean(ops.sum(units, axis=1)))
        return mean + ops.exp(0.5 * log_variance) * keras.random.normal(ops.shape(mean), seed=self.noise)


def apply_layers(chain: Sequence[layers.Layer], inputs: Any) -> Any:
    """Applies layers one after the other."""
    for layer in chain:
        inputs = layer(inputs)
    return inputs


def encoder_layers(config: PretrainConfig, features: int) -> list[layers.Layer]:
    """Returns the layers from the inputs to a code."""
    dense, model = dense_architecture(config), config.model
    return [
        *hidden_layers(features, dense.hidden, model),
        dense_layer((features, *dense.hidden)[-1], dense.latent_dim, model.conventions),
        *activation_layers(dense.code_activation, model.conventions),
        *([] if dense.top_k is None else [top_k_layer(dense.top_k)]),
    ]


def decoder_layers(dense: DenseArchitecture, model: ModelConfig, features: int) -> list[layers.Layer]:
    """Returns the layers from a code to the outputs."""
    last = dense_layer((dense.latent_dim, *dense.decoder_hidden)[-1], features, model.conventions)
    return [*hidden_layers(dense.latent_dim, dense.decoder_hidden, model), last]


def dense_autoencoder(config: PretrainConfig, shape: Sequence[int]) -> keras.Model:
    """Returns the dense autoencoder of a resolved config."""
    features = math.prod(shape)
    decoder = decoder_layers(dense_architecture(config), config.model, features)
    return keras.Sequential([layers.Input((features,)), *encoder_layers(config, features), *decoder])


def variational_autoencoder(config: PretrainConfig, shape: Sequence[int]) -> keras.Model:
    """Returns the dense variational autoencoder of a resolved config."""
    features = math.prod(shape)
    dense, model = dense_architecture(config), config.model
    last = (features, *dense.hidden)[-1]
    inputs = layers.Input((features,))
    hidden = apply_layers(hidden_layers(features, dense.hidden, model), inputs)
    mean, log_variance = (dense_layer(last, dense.latent_dim, model.conventions)(hidden) for _ in range(2))
    return keras.Model(
        inputs, apply_layers(decoder_layers(dense, model, features), GaussianSampling()(mean, log_variance))
    )


def conv_autoencoder(config: PretrainConfig, shape: Sequence[int]) -> keras.Model:
    """Returns the convolutional autoencoder of a resolved config, with flat inputs and outputs."""
    model, conv = config.model, conv_architecture(config, shape)
    down: list[layers.Layer] = []
    up: list[layers.Layer] = []
    for (rows, columns, outer), (_, _, inner) in itertools.pairwise(conv.maps):
        kernel = kernel_initializer(9 * outer, model.conventions)
        down += [layers.Conv2D(inner, 3, 2, padding="same", kernel_initializer=kernel), *norm_and_activation(model)]
        kernel = kernel_initializer(4 * inner, model.conventions)  # each output depends on 4 of the window's 16 entries
        transposed = layers.Conv2DTranspose(outer, 4, 2, padding="same", kernel_initializer=kernel)
        crop = [layers.Cropping2D(((0, rows % 2), (0, columns % 2)))] if rows % 2 or columns % 2 else []
        up = [*norm_and_activation(model), transposed, *crop, *up]
    features = math.prod(conv.deepest)
    return keras.Sequential(
        [
            *(layers.Input((math.prod(shape),)), layers.Reshape(tuple(shape)), *down, layers.Flatten()),
            dense_layer(features, conv.latent_dim, model.conventions),
            *activation_layers(model.code_activation, model.conventions),
            dense_layer(conv.latent_dim, features, model.conventions),
            *(layers.Reshape(conv.deepest), *up, layers.Flatten()),
        ]
    )


MODELS: dict[str, Callable[[PretrainConfig, Sequence[int]], keras.Model]] = {
    "undercomplete": dense_autoencoder,
    "k-sparse": dense_autoencoder,
    "vae": variational_autoencoder,
    "conv": conv_autoencoder,
}
