"""The autoencoders in Keras: the same layers and initial distribution, without the last activation."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from aejax.config import PretrainConfig
from benchmark import architecture as arch


def kernel_initializer(fan_in: int, conventions: str) -> keras.initializers.Initializer:
    """Returns LeCun normal (flax) or Glorot uniform (keras) weights; each output depends on `fan_in` inputs."""
    if conventions == "keras":
        return keras.initializers.GlorotUniform()
    return keras.initializers.TruncatedNormal(stddev=fan_in**-0.5 / arch.TRUNCATED_STD)


def dense_layer(layer: arch.Dense, conventions: str) -> layers.Layer:
    """Returns an affine layer."""
    return layers.Dense(layer.fan_out, kernel_initializer=kernel_initializer(layer.fan_in, conventions))


def top_k_layer(k: int) -> layers.Layer:
    """Returns a layer that keeps the `k` largest units of each example and sets the others to zero."""

    def keep(latents: Any) -> Any:
        least = ops.top_k(ops.stop_gradient(latents), k)[0][:, -1:]
        return latents * ops.cast(latents >= least, latents.dtype)

    return layers.Lambda(keep)


class GaussianSampling(layers.Layer):
    """Draws a code from a Gaussian for each example; adds its divergence from the prior, in nats, to the loss."""

    mean: layers.Layer
    log_variance: layers.Layer

    def build(self, input_shape: Any) -> None:
        """Creates the weights of both heads, and the generator, which `keras.utils.set_random_seed` seeds."""
        self.mean.build(input_shape)
        self.log_variance.build(input_shape)
        self.noise = keras.random.SeedGenerator()

    def call(self, hidden: Any) -> Any:
        """Returns codes of shape `(batch, code)` for the last hidden layer."""
        mean, limit = self.mean(hidden), arch.LOG_VARIANCE_LIMIT
        log_variance = ops.clip(self.log_variance(hidden), -limit, limit)
        units = 0.5 * (ops.square(mean) + ops.exp(log_variance) - log_variance - 1)
        self.add_loss(ops.mean(ops.sum(units, axis=1)))
        return mean + ops.exp(0.5 * log_variance) * keras.random.normal(ops.shape(mean), seed=self.noise)


def build_layer(layer: arch.Layer, conventions: str) -> list[layers.Layer]:
    """Returns the Keras layers of a layer."""
    match layer:
        case arch.GaussianHeads():
            sampling = GaussianSampling()
            sampling.mean, sampling.log_variance = (dense_layer(layer, conventions) for _ in range(2))
            return [sampling]
        case arch.Dense():
            return [dense_layer(layer, conventions)]
        case arch.Conv(_, small):
            kernel = kernel_initializer(layer.fan_in, conventions)
            return [layers.Conv2D(small[2], 3, 2, padding="same", kernel_initializer=kernel)]
        case arch.TransposedConv(large, _):
            kernel, (rows, columns) = kernel_initializer(layer.fan_in, conventions), layer.crop
            transposed = layers.Conv2DTranspose(large[2], 4, 2, padding="same", kernel_initializer=kernel)
            return [transposed, *([layers.Cropping2D(((0, rows), (0, columns)))] if rows or columns else [])]
        case arch.BatchNorm():
            return [layers.BatchNormalization(momentum=0.99, epsilon=arch.BATCH_NORM_EPSILON[conventions])]
        case arch.Activation("leaky_relu"):
            return [layers.LeakyReLU(arch.LEAKY_SLOPE[conventions])]
        case arch.Activation(name):
            return [layers.Activation(name)]
        case arch.TopK(k):
            return [top_k_layer(k)]
        case arch.Reshape(shape):
            return [layers.Reshape(shape)]
        case arch.Flatten():
            return [layers.Flatten()]


def build_model(parts: Sequence[arch.Layer], features: int, conventions: str) -> keras.Model:
    """Returns layers, one after the other, from flat inputs."""
    built = [one for layer in parts for one in build_layer(layer, conventions)]
    return keras.Sequential([layers.Input((features,)), *built])


def build_autoencoder(config: PretrainConfig, shape: Sequence[int]) -> keras.Model:
    """Returns the autoencoder of a resolved config, with flat inputs and outputs."""
    encoder, decoder = arch.make_architecture(config, shape)
    return build_model([*encoder, *decoder], math.prod(shape), config.model.conventions)
