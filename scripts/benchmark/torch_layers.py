"""The autoencoders in PyTorch: the same layers and initial distribution, without the last activation."""

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from aejax.config import PretrainConfig
from benchmark import architecture as arch

WeightedLayer = TypeVar("WeightedLayer", nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def init_layer(layer: WeightedLayer, fan_in: int, conventions: str) -> WeightedLayer:
    """Returns the layer with LeCun normal (flax) or Glorot uniform (keras) weights and zero bias."""
    if conventions == "flax":
        std = fan_in**-0.5 / arch.TRUNCATED_STD
        nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
    else:
        nn.init.xavier_uniform_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


class TopK(nn.Module):
    """Keeps the `k` largest units of each example and sets the others to zero."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, latents: Tensor) -> Tensor:
        values, units = latents.topk(self.k, dim=1, sorted=False)
        return torch.zeros_like(latents).scatter(1, units, values)


class Permute(nn.Module):
    """Permutes the axes without copying."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.permute(self.axes)


def build_layer(layer: arch.Layer, conventions: str) -> list[nn.Module]:
    """Returns the modules of a layer. For an even size, PyTorch pads before the first row and column, JAX after the
    last."""
    match layer:
        case arch.Dense():
            return [init_layer(nn.Linear(layer.fan_in, layer.fan_out), layer.fan_in, conventions)]
        case arch.Conv(large, small):
            return [init_layer(nn.Conv2d(large[2], small[2], 3, 2, 1), layer.fan_in, conventions)]
        case arch.TransposedConv(large, small):
            rows, columns = layer.crop
            transposed = init_layer(nn.ConvTranspose2d(small[2], large[2], 4, 2, 1), layer.fan_in, conventions)
            return [transposed, *([nn.ZeroPad2d((0, -columns, 0, -rows))] if rows or columns else [])]
        case arch.BatchNorm(channels, dimensions):
            norm = nn.BatchNorm1d if dimensions == 1 else nn.BatchNorm2d
            return [norm(channels, eps=arch.BATCH_NORM_EPSILON[conventions], momentum=0.01)]
        case arch.Activation(name):
            leaky = nn.LeakyReLU(arch.LEAKY_SLOPE[conventions])
            return [{"relu": nn.ReLU(), "leaky_relu": leaky, "linear": nn.Identity()}[name]]
        case arch.TopK(k):
            return [TopK(k)]
        case arch.Reshape(shape):
            return [nn.Unflatten(1, shape), Permute(0, 3, 1, 2)]
        case arch.Flatten():
            return [Permute(0, 2, 3, 1), nn.Flatten()]


def build_layers(layers: Sequence[arch.Layer], conventions: str) -> nn.Sequential:
    """Returns layers, one after the other."""
    return nn.Sequential(*(module for layer in layers for module in build_layer(layer, conventions)))


class VariationalAutoencoder(nn.Module):
    """Encodes each example as a Gaussian over codes, draws one code and decodes it."""

    def __init__(self, layers: arch.Architecture, conventions: str) -> None:
        super().__init__()
        *hidden, heads = layers.encoder
        self.hidden = build_layers(hidden, conventions)
        self.mean, self.log_variance = (build_layer(heads, conventions)[0] for _ in range(2))
        self.decoder = build_layers(layers.decoder, conventions)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.hidden(inputs)
        mean = self.mean(hidden)
        log_variance = self.log_variance(hidden).clamp(-arch.LOG_VARIANCE_LIMIT, arch.LOG_VARIANCE_LIMIT)
        latents = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return self.decoder(latents), mean, log_variance


def build_autoencoder(config: PretrainConfig, shape: Sequence[int]) -> nn.Module:
    """Returns the autoencoder of a resolved config, with flat inputs and outputs."""
    layers, conventions = arch.make_architecture(config, shape), config.model.conventions
    if config.method == "vae":
        return VariationalAutoencoder(layers, conventions)
    channels_last: Any = {"memory_format": torch.channels_last}  # missing in torch's annotations
    return build_layers([*layers.encoder, *layers.decoder], conventions).to(**channels_last)
