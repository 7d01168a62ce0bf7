"""The autoencoders in PyTorch: the same layers and initial distribution, without the last activation."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

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

WeightedLayer = TypeVar("WeightedLayer", nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def init_layer(layer: WeightedLayer, inputs: int, conventions: str) -> WeightedLayer:
    """Returns the layer with LeCun normal (flax) or Glorot uniform (keras) weights and zero bias.

    Each output depends on `inputs` inputs.
    """
    if conventions == "flax":
        std = inputs**-0.5 / TRUNCATED_STD
        nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
    else:
        nn.init.xavier_uniform_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def linear_layer(fan_in: int, fan_out: int, conventions: str) -> nn.Linear:
    """Returns an affine layer."""
    return init_layer(nn.Linear(fan_in, fan_out), fan_in, conventions)


def activation_layer(name: str, conventions: str) -> nn.Module:
    """Returns the elementwise layer that a config names."""
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
    """Returns hidden layers: affine, batch normalization if configured, activation."""
    layers: list[nn.Module] = []
    for before, width in itertools.pairwise([fan_in, *widths]):
        layers.append(linear_layer(before, width, model.conventions))
        if model.batch_norm:
            layers.append(nn.BatchNorm1d(width, eps=BATCH_NORM_EPSILON[model.conventions], momentum=0.01))
        layers.append(activation_layer(model.activation, model.conventions))
    return layers


class TopK(nn.Module):
    """Keeps the `k` largest units of each example and sets the others to zero."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, latents: Tensor) -> Tensor:
        values, units = latents.topk(self.k, dim=1, sorted=False)
        return torch.zeros_like(latents).scatter(1, units, values)


def dense_encoder(config: PretrainConfig, features: int) -> nn.Sequential:
    """Returns the layers from the inputs to a code."""
    dense, model = dense_architecture(config), config.model
    return nn.Sequential(
        *hidden_layers(features, dense.hidden, model),
        linear_layer((features, *dense.hidden)[-1], dense.latent_dim, model.conventions),
        activation_layer(dense.code_activation, model.conventions),
        *([] if dense.top_k is None else [TopK(dense.top_k)]),
    )


def dense_decoder(dense: DenseArchitecture, model: ModelConfig, features: int) -> nn.Sequential:
    """Returns the layers from a code to the outputs."""
    return nn.Sequential(
        *hidden_layers(dense.latent_dim, dense.decoder_hidden, model),
        linear_layer((dense.latent_dim, *dense.decoder_hidden)[-1], features, model.conventions),
    )


def dense_autoencoder(config: PretrainConfig, shape: Sequence[int]) -> nn.Sequential:
    """Returns the dense autoencoder of a resolved config."""
    features = math.prod(shape)
    decoder = dense_decoder(dense_architecture(config), config.model, features)
    return nn.Sequential(*dense_encoder(config, features), *decoder)


class VariationalAutoencoder(nn.Module):
    """Encodes each example as a Gaussian over codes, draws one code and decodes it."""

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
    """Returns the dense variational autoencoder of a resolved config."""
    return VariationalAutoencoder(config, math.prod(shape))


class Permute(nn.Module):
    """Permutes the axes without copying."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.permute(self.axes)


def conv_autoencoder(config: PretrainConfig, shape: Sequence[int]) -> nn.Sequential:
    """Returns the convolutional autoencoder of a resolved config, with flat inputs and outputs.

    For an even size, PyTorch pads before the first row and column, JAX after the last.
    """
    model, conv = config.model, conv_architecture(config, shape)
    conventions = model.conventions

    def activated(channels: int) -> list[nn.Module]:
        norm = nn.BatchNorm2d(channels, eps=BATCH_NORM_EPSILON[conventions], momentum=0.01)
        return [*([norm] if model.batch_norm else []), activation_layer(model.activation, conventions)]

    down: list[nn.Module] = []
    up: list[nn.Module] = []
    for (rows, columns, outer), (_, _, inner) in itertools.pairwise(conv.maps):
        down += [init_layer(nn.Conv2d(outer, inner, 3, 2, 1), 9 * outer, conventions), *activated(inner)]
        # Each output depends on 4 of the window's 16 entries.
        transposed = init_layer(nn.ConvTranspose2d(inner, outer, 4, 2, 1), 4 * inner, conventions)
        crop = [nn.ZeroPad2d((0, -(columns % 2), 0, -(rows % 2)))] if rows % 2 or columns % 2 else []
        up = [*activated(inner), transposed, *crop, *up]
    features = math.prod(conv.deepest)
    layers = nn.Sequential(
        *(nn.Unflatten(1, tuple(shape)), Permute(0, 3, 1, 2), *down, Permute(0, 2, 3, 1), nn.Flatten()),
        linear_layer(features, conv.latent_dim, conventions),
        activation_layer(model.code_activation, conventions),
        linear_layer(conv.latent_dim, features, conventions),
        *(nn.Unflatten(1, conv.deepest), Permute(0, 3, 1, 2), *up, Permute(0, 2, 3, 1), nn.Flatten()),
    )
    channels_last: Any = {"memory_format": torch.channels_last}  # missing in torch's annotations
    return layers.to(**channels_last)


MODELS: dict[str, Callable[[PretrainConfig, Sequence[int]], nn.Module]] = {
    "undercomplete": dense_autoencoder,
    "k-sparse": dense_autoencoder,
    "vae": variational_autoencoder,
    "conv": conv_autoencoder,
}
