"""The architectures in PyTorch: the same layers from the same initial distribution, without their last activation."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from aejax.benchmark.training.architecture import (
    BATCH_NORM_EPSILON,
    LEAKY_SLOPE,
    LOG_VARIANCE_LIMIT,
    TRUNCATED_STD,
    Dense,
    dense_architecture,
)
from aejax.config import ModelConfig, PretrainConfig

Affine = TypeVar("Affine", nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def started(layer: Affine, inputs: int, conventions: str) -> Affine:
    """The layer with LeCun normal (flax) or Glorot uniform (keras) weights and no bias; `inputs` reach each output."""
    if conventions == "flax":
        std = inputs**-0.5 / TRUNCATED_STD
        nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
    else:
        nn.init.xavier_uniform_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def affine(fan_in: int, fan_out: int, conventions: str) -> nn.Linear:
    """An affine layer."""
    return started(nn.Linear(fan_in, fan_out), fan_in, conventions)


def activation(name: str, conventions: str) -> nn.Module:
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


def stack(fan_in: int, widths: Sequence[int], model: ModelConfig) -> list[nn.Module]:
    """Hidden layers: affine, batch normalisation if asked, activation."""
    layers: list[nn.Module] = []
    for before, width in zip([fan_in, *widths], widths, strict=False):
        layers.append(affine(before, width, model.conventions))
        if model.batch_norm:
            layers.append(nn.BatchNorm1d(width, eps=BATCH_NORM_EPSILON[model.conventions], momentum=0.01))
        layers.append(activation(model.activation, model.conventions))
    return layers


class Largest(nn.Module):
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
        *stack(features, dense.hidden, model),
        affine((features, *dense.hidden)[-1], dense.code, model.conventions),
        activation(dense.code_activation, model.conventions),
        *([] if dense.kept is None else [Largest(dense.kept)]),
    )


def dense_decoder(dense: Dense, model: ModelConfig, features: int) -> nn.Sequential:
    """Codes to outputs."""
    return nn.Sequential(
        *stack(dense.code, dense.decoder_hidden, model),
        affine((dense.code, *dense.decoder_hidden)[-1], features, model.conventions),
    )


def dense_autoencoder(config: PretrainConfig, shape: Sequence[int]) -> nn.Sequential:
    """The dense autoencoder of a resolved config."""
    features = math.prod(shape)
    decoder = dense_decoder(dense_architecture(config), config.model, features)
    return nn.Sequential(*dense_encoder(config, features), *decoder)


class Variational(nn.Module):
    """A Gaussian over codes for each example, one draw from it, and what that decodes to."""

    def __init__(self, config: PretrainConfig, features: int) -> None:
        super().__init__()
        dense, model = dense_architecture(config), config.model
        last = (features, *dense.hidden)[-1]
        self.hidden = nn.Sequential(*stack(features, dense.hidden, model))
        self.mean = affine(last, dense.code, model.conventions)
        self.log_variance = affine(last, dense.code, model.conventions)
        self.decoder = dense_decoder(dense, model, features)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.hidden(inputs)
        mean = self.mean(hidden)
        log_variance = self.log_variance(hidden).clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
        latents = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return self.decoder(latents), mean, log_variance


def variational_autoencoder(config: PretrainConfig, shape: Sequence[int]) -> nn.Module:
    """The dense variational autoencoder of a resolved config."""
    return Variational(config, math.prod(shape))


class Permuted(nn.Module):
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
        return [*([norm] if model.batch_norm else []), activation(model.activation, model.conventions)]

    down: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        down += [started(nn.Conv2d(before, after, 3, 2, 1), 9 * before, model.conventions), *activated(after)]
    up: list[nn.Module] = []
    for before, after, (rows, columns) in zip(widths[:0:-1], widths[-2::-1], sizes[-2::-1], strict=True):
        # Of the window's 16 entries, 4 reach each output.
        up += [*activated(before), started(nn.ConvTranspose2d(before, after, 4, 2, 1), 4 * before, model.conventions)]
        if rows % 2 or columns % 2:
            up.append(nn.ZeroPad2d((0, -(columns % 2), 0, -(rows % 2))))
    layers = nn.Sequential(
        *(nn.Unflatten(1, tuple(shape)), Permuted(0, 3, 1, 2), *down, Permuted(0, 2, 3, 1), nn.Flatten()),
        affine(math.prod(deepest), model.latent_dim, model.conventions),
        activation(model.code_activation, model.conventions),
        affine(model.latent_dim, math.prod(deepest), model.conventions),
        *(nn.Unflatten(1, deepest), Permuted(0, 3, 1, 2), *up, Permuted(0, 2, 3, 1), nn.Flatten()),
    )
    channels_last: Any = {"memory_format": torch.channels_last}  # which torch's annotations leave out
    return layers.to(**channels_last)


MODELS: dict[str, Callable[[PretrainConfig, Sequence[int]], nn.Module]] = {
    "undercomplete": dense_autoencoder,
    "k-sparse": dense_autoencoder,
    "vae": variational_autoencoder,
    "conv": conv_autoencoder,
}
