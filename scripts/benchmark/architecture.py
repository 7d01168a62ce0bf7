"""The timed autoencoders as lists of layers, which every library builds; imports no JAX."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from aejax.config import OptimizerConfig, PretrainConfig

LOG_VARIANCE_LIMIT = 10.0  # as in `aejax.models.encoders`
TRUNCATED_STD = 0.87962566103423978  # standard deviation of a unit normal truncated at -2 and 2
BATCH_NORM_EPSILON = {"flax": 1e-5, "keras": 1e-3}
LEAKY_SLOPE = {"flax": 0.01, "keras": 0.3}
FeatureMap = tuple[int, int, int]  # height, width, channels


class Dense(NamedTuple):
    """An affine layer."""

    fan_in: int
    fan_out: int


class GaussianHeads(Dense):
    """Two affine layers, for the mean and the log-variance of a code, which is then drawn."""


class Conv(NamedTuple):
    """A 3x3 convolution of stride 2 from one feature map to one of half the size."""

    large: FeatureMap
    small: FeatureMap

    @property
    def fan_in(self) -> int:
        """Inputs on which each output depends."""
        return 9 * self.large[2]


class TransposedConv(NamedTuple):
    """A 4x4 transposed convolution of stride 2 from one feature map to one of twice the size."""

    large: FeatureMap
    small: FeatureMap

    @property
    def fan_in(self) -> int:
        """Inputs on which each output depends: 4 of the window's 16 entries."""
        return 4 * self.small[2]

    @property
    def crop(self) -> tuple[int, int]:
        """Rows and columns at the end that an odd size leaves out."""
        return self.large[0] % 2, self.large[1] % 2


class BatchNorm(NamedTuple):
    """Batch normalization of vectors (`dimensions` 1) or feature maps (2)."""

    channels: int
    dimensions: int


class Activation(NamedTuple):
    """An elementwise function by its name in a config."""

    name: str


class TopK(NamedTuple):
    """Keeps the `k` largest units of each example and sets the others to zero."""

    k: int


class Reshape(NamedTuple):
    """Turns flat examples into feature maps."""

    shape: FeatureMap


class Flatten(NamedTuple):
    """Turns feature maps into flat examples."""


Layer = Dense | Conv | TransposedConv | BatchNorm | Activation | TopK | Reshape | Flatten


class Architecture(NamedTuple):
    """The layers of an autoencoder without the last activation; inputs and outputs are flat."""

    encoder: list[Layer]
    decoder: list[Layer]


def multiplications(layer: Layer) -> int:
    """Returns the multiplications of a layer for one example. A k-sparse code is multiplied in full."""
    match layer:
        case Dense(fan_in, fan_out):
            return fan_in * fan_out * (2 if isinstance(layer, GaussianHeads) else 1)
        case Conv(large, small):  # each entry of the smaller map reads one window
            return 9 * large[2] * math.prod(small)
        case TransposedConv(large, small):  # each entry of the smaller map writes one window
            return 16 * large[2] * math.prod(small)
    return 0


def flops_per_example(config: PretrainConfig, shape: Sequence[int]) -> int:
    """Returns the floating-point operations of the matrix products in one training step, per example.

    `6 sum_l(m_l) - 2 m_1` for `m_l` multiplications in layer l: a multiply and an add for the outputs, for the gradient
    of the weights and for the gradient of the inputs, which the first layer does not need. Elementwise operations do
    not count.
    """
    encoder, decoder = make_architecture(config, shape)
    products = [count for layer in (*encoder, *decoder) if (count := multiplications(layer))]
    return 6 * sum(products) - 2 * products[0]


def make_architecture(config: PretrainConfig, shape: Sequence[int]) -> Architecture:
    """Returns the autoencoder of a resolved config for examples of a shape."""
    return (_conv_architecture if config.method == "conv" else _dense_architecture)(config, shape)


def _activation_layers(config: PretrainConfig, channels: int, dimensions: int) -> list[Layer]:
    """Returns batch normalization, if configured, and the activation of hidden layers."""
    norm = [BatchNorm(channels, dimensions)] if config.model.batch_norm else []
    return [*norm, Activation(config.model.activation)]


def _dense_architecture(config: PretrainConfig, shape: Sequence[int]) -> Architecture:
    model, features = config.model, math.prod(shape)
    hidden, code, decoder_hidden = model.hidden, model.latent_dim, model.decoder_hidden
    code_layers: list[Layer] = [Activation(model.code_activation)]
    if config.method == "k-sparse":
        hidden, code, decoder_hidden = model.sparse_hidden, model.sparse_dim, None
        assert config.objective.k is not None
        code_layers = [TopK(config.objective.k)]
    assert config.method in ("undercomplete", "k-sparse", "vae")
    assert code is not None
    if decoder_hidden is None:
        decoder_hidden = hidden[::-1]

    def hidden_layers(*widths: int) -> list[Layer]:
        pairs = itertools.pairwise(widths)
        return [layer for pair in pairs for layer in (Dense(*pair), *_activation_layers(config, pair[1], 1))]

    last = (features, *hidden)[-1]
    code_layers = [GaussianHeads(last, code)] if config.method == "vae" else [Dense(last, code), *code_layers]
    return Architecture(
        [*hidden_layers(features, *hidden), *code_layers],
        [*hidden_layers(code, *decoder_hidden), Dense((code, *decoder_hidden)[-1], features)],
    )


def _conv_architecture(config: PretrainConfig, shape: Sequence[int]) -> Architecture:
    model = config.model
    height, width, channels = shape
    maps: list[FeatureMap] = [(height, width, channels)]
    for channels in model.channels:
        maps.append((math.ceil(maps[-1][0] / 2), math.ceil(maps[-1][1] / 2), channels))
    down: list[Layer] = []
    up: list[Layer] = []
    for large, small in itertools.pairwise(maps):
        activation = _activation_layers(config, small[2], 2)
        down += [Conv(large, small), *activation]
        up = [*activation, TransposedConv(large, small), *up]
    features, code = math.prod(maps[-1]), model.latent_dim
    assert code is not None
    return Architecture(
        [Reshape(maps[0]), *down, Flatten(), Dense(features, code), Activation(model.code_activation)],
        [Dense(code, features), Reshape(maps[-1]), *up, Flatten()],
    )


def require_plain_optimizer(config: OptimizerConfig) -> None:
    """Asserts that a config asks for nothing that peers do not have: constant rate, no warm-up, no clipping."""
    assert (config.schedule, config.warmup_epochs, config.clip_norm) == ("constant", 0, None)
    assert config.optimizer in ("adam", "adadelta")
