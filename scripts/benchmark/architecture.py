"""The layers of the timed autoencoders, from which every library builds its models; imports no JAX."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from aejax.config import OptimizerConfig, PretrainConfig

LOG_VARIANCE_LIMIT = 10.0  # as in `aejax.models.encoders`
TRUNCATED_STD = 0.87962566103423978  # standard deviation of a unit normal truncated at -2 and 2
BATCH_NORM_EPSILON = {"flax": 1e-5, "keras": 1e-3}
LEAKY_SLOPE = {"flax": 0.01, "keras": 0.3}
DENSE_KINDS = ("undercomplete", "k-sparse", "vae")


class DenseArchitecture(NamedTuple):
    """Widths of a dense autoencoder, from the inputs to the outputs."""

    hidden: tuple[int, ...]
    latent_dim: int
    decoder_hidden: tuple[int, ...]
    code_activation: str
    n_heads: int  # outputs of the encoder: a code, or means and log-variances
    top_k: int | None  # units of the code that each example keeps; None: all


def dense_architecture(config: PretrainConfig) -> DenseArchitecture:
    """Returns the dense autoencoder of a resolved config."""
    assert config.method in DENSE_KINDS
    model = config.model
    hidden, code, decoder_hidden = model.hidden, model.latent_dim, model.decoder_hidden
    if config.method == "k-sparse":
        hidden, code, decoder_hidden = model.sparse_hidden, model.sparse_dim, None
    assert code is not None
    decoder_hidden = hidden[::-1] if decoder_hidden is None else decoder_hidden
    activation = model.code_activation if config.method == "undercomplete" else "linear"
    top_k = config.objective.k if config.method == "k-sparse" else None
    return DenseArchitecture(hidden, code, decoder_hidden, activation, 2 if config.method == "vae" else 1, top_k)


class ConvArchitecture(NamedTuple):
    """Feature maps `(height, width, channels)` of a convolutional autoencoder, from the image to the last one."""

    maps: list[tuple[int, int, int]]
    latent_dim: int

    @property
    def deepest(self) -> tuple[int, int, int]:
        """The last feature map."""
        return self.maps[-1]


def conv_architecture(config: PretrainConfig, shape: Sequence[int]) -> ConvArchitecture:
    """Returns the convolutional autoencoder of a resolved config for images of a shape; each layer halves the size."""
    height, width, channels = shape
    maps = [(height, width, channels)]
    for channels in config.model.channels:
        maps.append((math.ceil(maps[-1][0] / 2), math.ceil(maps[-1][1] / 2), channels))
    assert config.model.latent_dim is not None
    return ConvArchitecture(maps, config.model.latent_dim)


def require_plain_optimizer(config: OptimizerConfig) -> None:
    """Asserts that a config asks for nothing that peers do not have: constant rate, no warm-up, no clipping."""
    assert config.schedule == "constant"
    assert config.warmup_epochs == 0
    assert config.clip_norm is None
    assert config.optimizer in ("adam", "adadelta")
