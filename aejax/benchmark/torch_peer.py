"""PyTorch, eager, as a contender: the same architecture, initial distribution, loss, optimizer, batches and steps.

At its best honest setting on CPU, each choice measured against its alternatives: data resident as scaled float32,
`index_select` by a permutation per epoch, Adam fused, gradients set to None, the loss kept on the tensor side until
the epoch ends, images in channels-last memory. This is the only module that imports torch.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from aejax.benchmark.job import Job, Trainer
from aejax.config import ModelConfig, OptimizerConfig
from aejax.data.order import steps_per_epoch

BATCH_NORM_EPSILON = {"flax": 1e-5, "keras": 1e-3}
LEAKY_SLOPE = {"flax": 0.01, "keras": 0.3}
Affine = TypeVar("Affine", nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
TRUNCATED_STD = 0.87962566103423978  # standard deviation of a unit normal cut at -2 and 2


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


def dense(fan_in: int, fan_out: int, conventions: str) -> nn.Linear:
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
        layers.append(dense(before, width, model.conventions))
        if model.batch_norm:
            layers.append(nn.BatchNorm1d(width, eps=BATCH_NORM_EPSILON[model.conventions], momentum=0.01))
        layers.append(activation(model.activation, model.conventions))
    return layers


def dense_autoencoder(model: ModelConfig, shape: Sequence[int]) -> nn.Sequential:
    """The dense autoencoder of a resolved config, without its last activation."""
    assert model.latent_dim is not None
    features = math.prod(shape)
    decoder_hidden = model.hidden[::-1] if model.decoder_hidden is None else model.decoder_hidden
    return nn.Sequential(
        *stack(features, model.hidden, model),
        dense((features, *model.hidden)[-1], model.latent_dim, model.conventions),
        activation(model.code_activation, model.conventions),
        *stack(model.latent_dim, decoder_hidden, model),
        dense((model.latent_dim, *decoder_hidden)[-1], features, model.conventions),
    )


class Permuted(nn.Module):
    """Axes in another order; nothing moves."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.permute(self.axes)


def conv_autoencoder(model: ModelConfig, shape: Sequence[int]) -> nn.Sequential:
    """The convolutional autoencoder of a resolved config for images `(height, width, channels)`, flat at both ends.

    Where a size is even, PyTorch pads in front what JAX pads behind.
    """
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
        dense(math.prod(deepest), model.latent_dim, model.conventions),
        activation(model.code_activation, model.conventions),
        dense(model.latent_dim, math.prod(deepest), model.conventions),
        *(nn.Unflatten(1, deepest), Permuted(0, 3, 1, 2), *up, Permuted(0, 2, 3, 1), nn.Flatten()),
    )
    channels_last: Any = {"memory_format": torch.channels_last}  # which torch's annotations leave out
    return layers.to(**channels_last)


MODELS: dict[str, Callable[[ModelConfig, Sequence[int]], nn.Sequential]] = {
    "undercomplete": dense_autoencoder,
    "conv": conv_autoencoder,
}


def make_optimizer(config: OptimizerConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a config, with the constants that this project gives it."""
    optimizers: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "adam": lambda: torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True),
        "adadelta": lambda: torch.optim.Adadelta(model.parameters(), lr=config.learning_rate, rho=0.95, eps=1e-7),
    }
    assert config.schedule == "constant"
    assert config.warmup_epochs == 0
    assert config.clip_norm is None
    return optimizers[config.optimizer]()


def make_loss(reconstruction: str | None, output: str | None) -> Callable[[Tensor, Tensor], Tensor]:
    """Mean over batch and features, from outputs before their last activation."""
    if reconstruction == "bce":
        return nn.BCEWithLogitsLoss()
    squared = nn.MSELoss()
    return (lambda logits, target: squared(torch.sigmoid(logits), target)) if output == "sigmoid" else squared


def epoch_order(rows: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """A permutation cut into full batches `(steps, batch)`; the last is filled up with the first rows."""
    batch = min(batch_size, rows)
    shuffled = torch.randperm(rows, generator=generator)
    missing = steps_per_epoch(rows, batch) * batch - rows
    return torch.cat([shuffled, shuffled[:missing]]).view(-1, batch)


def make_trainer(job: Job, seeds: Sequence[int], threads: int) -> Trainer:
    """One model per seed, trained one after the other with `threads` threads."""
    torch.set_num_threads(threads)
    config = job.config
    flat = job.dataset.inputs.reshape(len(job.dataset.inputs), -1)[job.rows]
    inputs = torch.from_numpy(flat).float().sub_(torch.from_numpy(job.shift)).mul_(torch.from_numpy(job.scale))
    loss_of = make_loss(config.objective.reconstruction, config.model.output)
    steps = steps_per_epoch(len(inputs), config.train.batch_size)
    models, optimizers, generators = [], [], []
    for seed in seeds:
        torch.manual_seed(seed)
        models.append(MODELS[config.method](config.model, job.dataset.inputs.shape[1:]).train())
        optimizers.append(make_optimizer(config.optimizer, models[-1]))
        generators.append(torch.Generator().manual_seed(seed))

    def one_epoch(model: nn.Module, optimizer: torch.optim.Optimizer, order: Tensor) -> Tensor:
        total = torch.zeros(())
        for rows in order:
            batch = inputs.index_select(0, rows)
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(model(batch), batch)
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return total / len(order)

    def train(epochs: int) -> dict[str, Any]:
        losses = []
        for model, optimizer, generator in zip(models, optimizers, generators, strict=True):
            for _ in range(epochs):
                order = epoch_order(len(inputs), config.train.batch_size, generator)
                loss = one_epoch(model, optimizer, order)
            losses.append(float(loss))
        return {"loss": losses, "steps": steps}

    return Trainer(train, lambda: {"version": torch.__version__})
