"""Builds autoencoders from a resolved config. Results are cached, so that equal programs compile once."""

import dataclasses
import functools
import math
from typing import Any, Literal

import flax.linen as nn

from aejax.config import ModelConfig
from aejax.errors import require
from aejax.models.autoencoder import Autoencoder, TiedAutoencoder
from aejax.models.conv import ConvDecoder, ConvStack
from aejax.models.dense import DenseDecoder, DenseStack
from aejax.models.encoders import Encoder, GatedEncoder, GaussianEncoder
from aejax.models.variational import VariationalAutoencoder

Shape = tuple[int, ...]


@functools.cache
def dense_autoencoder(config: ModelConfig, n_features: int, sparsity: nn.Module | None = None) -> Autoencoder:
    """A dense autoencoder for examples of `n_features` entries, with tied weights if `config.tied`.

    Raises:
        InputError: tied weights with a decoder that does not mirror the encoder.
    """
    mirrored = config.hidden[::-1]
    require(
        not config.tied or decoder_widths(config) == mirrored,
        f"--tied: the decoder must mirror the encoder; give --decoder-hidden {' '.join(map(str, mirrored))}".rstrip(),
    )
    latent_dim, output = _code_and_output(config)
    hidden, decoder = _dense_stack_and_decoder(config, n_features)
    encoder = Encoder(hidden, latent_dim, config.code_activation, sparsity, config.conventions)
    make = TiedAutoencoder if config.tied else Autoencoder
    return make(encoder, decoder, output, n_features, config.compute_dtype)


@functools.cache
def gated_autoencoder(config: ModelConfig, n_features: int) -> Autoencoder:
    """A dense autoencoder whose code is gated. Raises `InputError` as `dense_autoencoder`."""
    model = dense_autoencoder(config, n_features)
    encoder = GatedEncoder(model.encoder.hidden, model.encoder.latent_dim, config.conventions)
    return dataclasses.replace(model, encoder=encoder)


@functools.cache
def conv_autoencoder(config: ModelConfig, shape: Shape) -> Autoencoder:
    """Strided convolutions into a dense code and back, for images `(height, width, channels)` of any size.

    Raises:
        InputError: examples that are not images.
    """
    latent_dim, output = _code_and_output(config)
    hidden, decoder = _conv_stack_and_decoder(config, shape)
    encoder = Encoder(hidden, latent_dim, config.code_activation, None, config.conventions)
    return Autoencoder(encoder, decoder, output, math.prod(shape), config.compute_dtype)


@functools.cache
def dense_vae(config: ModelConfig, n_features: int, learned_std: bool) -> VariationalAutoencoder:
    """A dense variational autoencoder."""
    return _make_vae(config, *_dense_stack_and_decoder(config, n_features), n_features, learned_std)


@functools.cache
def conv_vae(config: ModelConfig, shape: Shape, learned_std: bool) -> VariationalAutoencoder:
    """A convolutional variational autoencoder.

    Raises:
        InputError: examples that are not images.
    """
    return _make_vae(config, *_conv_stack_and_decoder(config, shape), math.prod(shape), learned_std)


def decoder_widths(config: ModelConfig) -> tuple[int, ...]:
    """Returns the decoder's hidden widths, from the code outwards; by default the encoder's, mirrored."""
    return config.hidden[::-1] if config.decoder_hidden is None else config.decoder_hidden


def wide_code_config(config: ModelConfig, width: int | None, **changes: Any) -> ModelConfig:
    """Returns the config of an autoencoder with a wide code and `--sparse-hidden` layers."""
    return dataclasses.replace(config, hidden=config.sparse_hidden, decoder_hidden=None, latent_dim=width, **changes)


def _code_and_output(config: ModelConfig) -> tuple[int, Literal["sigmoid", "linear"]]:
    assert config.latent_dim is not None
    assert config.output is not None
    return config.latent_dim, config.output


def _layer_options(config: ModelConfig) -> dict[str, Any]:
    return {"activation": config.activation, "batch_norm": config.batch_norm, "conventions": config.conventions}


def _dense_stack_and_decoder(config: ModelConfig, n_features: int) -> tuple[DenseStack, DenseDecoder]:
    options = _layer_options(config)
    return DenseStack(config.hidden, **options), DenseDecoder(decoder_widths(config), n_features, **options)


def _conv_stack_and_decoder(config: ModelConfig, shape: Shape) -> tuple[ConvStack, ConvDecoder]:
    require(
        len(shape) == 3,
        f"--methods conv, conv-denoising, conv-vae: need images, height x width x channels; these examples have shape "
        f"{shape}; leave them out",
    )
    image, options = (shape[0], shape[1], shape[2]), _layer_options(config)
    return ConvStack(image, config.channels, **options), ConvDecoder(image, config.channels, **options)


def _make_vae(
    config: ModelConfig, hidden: nn.Module, decoder: nn.Module, n_features: int, learned_std: bool
) -> VariationalAutoencoder:
    latent_dim, output = _code_and_output(config)
    encoder = GaussianEncoder(hidden, latent_dim, config.conventions)
    return VariationalAutoencoder(
        encoder, decoder, output, n_features, config.compute_dtype, config.posterior_code, learned_std
    )
