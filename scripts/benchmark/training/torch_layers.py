"""The architectures in PyTorch: the same layers from the same initial distribution, without their last activation."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from aejax.config import ModelConfig, PretrainConfig
from benchmark.training.architecture import (
    BATCH_NORM_EPSILON,
    LEAKY_SLOPE,
    LOG_VARIANCE_LIMIT,
    TRUNCATED_STD,
    DenseArchitecture,
    dense_architecture,
)

WeightedLayer = TypeVar("WeightedLayer", nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def init_layer(layer: WeightedLayer, inputs: int, conventions: str) -> WeightedLayer:
    """The layer with LeCun normal (flax) or Glorot uniform (keras) weights and no bias; `inputs` reach each output."""
    if conventions == "flax":
        std = inputs**-0.5 / TRUNCATED_STD
        nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
    else:
        nn.init.xavier_uniform_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def linear_layer(fan_in: int, fan_out: int, conventions: str) -> nn.Linear:
    """An affine layer."""
    return init_layer(nn.Linear(fan_in, fan_out), fan_in, conventions)


def activation_layer(name: str, conventions: str) -> nn.Module:
    """The elementwise layer that a config names."""
    layers: dict[str, Callable[[], nn.Module]] = {
        "relu": nn.ReLU,
        "leaky_relu": lambda: nn.LeakyReLU(LEAKY_SLOPE[conventions]),
        "gelu": lambda: nn.GELU(approximate="tanh"),
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
        "linear": nn.Identity,
    }
    return layers[name]()


def hidden_layers(fan_in: int, widths: Sequence[int], model: ModelConfig) -> list[nn.Module]:
    """Hidden layers: affine, batch normalisation if asked, activation."""
    layers: list[nn.Module] = []
    for before, width in zip([fan_in, *widths], widths, strict=False):
        layers.append(linear_layer(before, width, model.conventions))
        if model.batch_norm:
            layers.append(nn.BatchNorm1d(width, eps=BATCH_NORM_EPSILON[model.conventions], momentum=0.01))
        layers.append(activation_layer(model.activation, model.conventions))
    return layers


class TopK(nn.Module):
    """The `k` largest units of each example are kept."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, latents: Tensor) -> Tensor:
        values, units = latents.topk(self.k, dim=1, sorted=False)
        return torch.zeros_like(latents).scatter(1, units, values)


def dense_encoder(config: PretrainConfig, features: int) -> nn.Sequential:
    """Inputs to the code of one head."""
    dense, model = dense_architecture(config), config.model
    return nn.Sequential(
        *hidden_layers(features, dense.hidden, model),
        linear_layer((features, *dense.hidden)[-1], dense.latent_dim, model.conventions),
        activation_layer(dense.code_activation, model.conventions),
        *([] if dense.top_k is None else [TopK(dense.top_k)]),
    )


def dense_decoder(dense: DenseArchitecture, model: ModelConfig, features: int) -> nn.Sequential:
    """Codes to outputs."""
    return nn.Sequential(
        *hidden_layers(dense.latent_dim, dense.decoder_hidden, model),
        linear_layer((dense.latent_dim, *dense.decoder_hidden)[-1], features, model.conventions),
    )


def dense_autoencoder(config: PretrainConfig, shape: Sequence[int]) -> nn.Sequential:
    """The dense autoencoder of a resolved config."""
    features = math.prod(shape)
    decoder = dense_decoder(dense_architecture(config), config.model, features)
    return nn.Sequential(*dense_encoder(config, features), *decoder)


class VariationalAutoencoder(nn.Module):
    """A Gaussian over codes for each example, one draw from it, and what that decodes to."""

    def __init__(self, config: PretrainConfig, features: int) -> None:
        super().__init__()
        dense, model = dense_architecture(config), config.model
        last = (features, *dense.hidden)[-1]
        self.hidden = nn.Sequential(*hidden_layers(features, dense.hidden, model))
        self.mean = linear_layer(last, dense.latent_dim, model.conventions)
        self.log_variance = linear_layer(last, dense.latent_dim, model.conventions)
        self.decoder = dense_decoder(dense, model, features)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.hidden(inputs)
        mean = self.mean(hidden)
        log_variance = self.log_variance(hidden).clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
        latents = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return self.decoder(latents), mean, log_variance


def variational_autoencoder(config: PretrainConfig, shape: Sequence[int]) -> nn.Module:
    """The dense variational autoencoder of a resolved config."""
    return VariationalAutoencoder(config, math.prod(shape))


class Permute(nn.Module):
    """Axes in another order; nothing moves."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.permute(self.axes)


def conv_autoencoder(config: PretrainConfig, shape: Sequence[int]) -> nn.Sequential:
    """The convolutional autoencoder of a resolved config for images `(height, width, channels)`, flat at both ends.

    Where a size is even, PyTorch pads in front what JAX pads behind.
    """
    model = config.model
    assert model.latent_dim is not None
    height, width, image_channels = shape
    widths, sizes = (image_channels, *model.channels), [(height, width)]
    for _ in model.channels:
        sizes.append((math.ceil(sizes[-1][0] / 2), math.ceil(sizes[-1][1] / 2)))
    deepest = (*sizes[-1], widths[-1])

    def activated(channels: int) -> list[nn.Module]:
        norm = nn.BatchNorm2d(channels, eps=BATCH_NORM_EPSILON[model.conventions], momentum=0.01)
        return [*([norm] if model.batch_norm else []), activation_layer(model.activation, model.conventions)]

    down: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        down += [init_layer(nn.Conv2d(before, after, 3, 2, 1), 9 * before, model.conventions), *activated(after)]
    up: list[nn.Module] = []
    for before, after, (rows, columns) in zip(widths[:0:-1], widths[-2::-1], sizes[-2::-1], strict=True):
        # Of the window's 16 entries, 4 reach each output.
        up += [
            *activated(before),
            init_layer(nn.ConvTranspose2d(before, after, 4, 2, 1), 4 * before, model.conventions),
        ]
        if rows % 2 or columns % 2:
            up.append(nn.ZeroPad2d((0, -(columns % 2), 0, -(rows % 2))))
    layers = nn.Sequential(
        *(nn.Unflatten(1, tuple(shape)), Permute(0, 3, 1, 2), *down, Permute(0, 2, 3, 1), nn.Flatten()),
        linear_layer(math.prod(deepest), model.latent_dim, model.conventions),
        activation_layer(model.code_activation, model.conventions),
        linear_layer(model.latent_dim, math.prod(deepest), model.conventions),
        *(nn.Unflatten(1, deepest), Permute(0, 3, 1, 2), *up, Permute(0, 2, 3, 1), nn.Flatten()),
    )
    channels_last: Any = {"memory_format": torch.channels_last}  # which torch's annotations leave out
    return layers.to(**channels_last)


MODELS: dict[str, Callable[[PretrainConfig, Sequence[int]], nn.Module]] = {
    "undercomplete": dense_autoencoder,
    "k-sparse": dense_autoencoder,
    "vae": variational_autoencoder,
    "conv": conv_autoencoder,
}
