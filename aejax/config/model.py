"""Architectures of autoencoders."""

import dataclasses
from typing import Literal

from aejax.config.validation import require_fields
from aejax.errors import require

MAX_UNITS = 1 << 20  # in one layer; the weights between larger layers overflow XLA's sizes and abort the process
ComputeDtype = Literal["float32", "bfloat16"]
Activation = Literal["relu", "leaky_relu", "gelu", "tanh", "sigmoid", "linear"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Widths and activations; which of them apply depends on the kind of autoencoder."""

    hidden: tuple[int, ...] = (128, 64)  # widths of the encoder's hidden layers, from the input inwards
    latent_dim: int | None = None  # width of the code; default: a quarter of the inputs, from 2 to 32
    decoder_hidden: tuple[int, ...] | None = None  # the decoder's hidden widths, code outwards; default: mirrored
    activation: Activation = "relu"  # after every hidden layer
    code_activation: Activation = "linear"  # after the code layer
    batch_norm: bool = False  # batch normalisation between each hidden layer and its activation
    output: Literal["sigmoid", "linear"] | None = None  # last activation; default: sigmoid for range-scaled data
    conventions: Literal["flax", "keras"] = "flax"
    """Initialisation and constants. flax: LeCun normal, BatchNorm epsilon 1e-5, leaky slope 0.01. keras: Glorot
    uniform, BatchNorm epsilon 1e-3, leaky slope 0.3."""

    tied: bool = False  # dense kinds: the decoder's weights are the encoder's, transposed
    overcomplete_dim: int | None = None  # overcomplete: width of the code; default: a quarter more than the inputs
    sparse_dim: int | None = None  # sparse kinds: width of the code; default: twice the inputs, at most 256
    sparse_hidden: tuple[int, ...] = ()  # overcomplete and sparse kinds: hidden widths in place of --hidden
    contractive_code: Literal["wide", "narrow"] = "wide"
    """contractive: layers of the encoder. wide: those of the sparse kinds, --sparse-hidden and --sparse-dim; narrow:
    --hidden and --latent-dim, as in version 0.1.0."""
    vector_units: int | None = None
    """vq, fsq: units of each vector that is quantized; default: the largest divisor of --latent-dim that is at most 4,
    or else all."""
    levels: tuple[int, ...] = (5,)  # fsq: values that each unit of a vector can have; repeated if there are fewer
    codebook_size: int | None = None
    """vq: entries of the codebook, which all vectors share; default: as many values as a vector of fsq has, at most
    1024, so that codes of both have equal bits."""
    expander: tuple[int, ...] = (256, 256, 256)  # vicreg: widths of the layers between the code and the loss
    channels: tuple[int, ...] = (16, 32)  # conv kinds: channels of each strided 3x3 convolution, image inwards
    compute_dtype: ComputeDtype = "float32"
    """Dtype of the layers during training. bfloat16: mixed precision; parameters, losses and evaluation stay float32.
    Meant for accelerators; the speed-up there has not been measured."""
    posterior_code: Literal["mean", "sample", "mean-and-deviation"] = "mean"
    """Variational kinds: the code of an example. sample: one draw, fixed for each example; mean-and-deviation: both,
    concatenated, twice as wide."""

    def __post_init__(self) -> None:
        widths = (*self.hidden, *(self.decoder_hidden or ()), *self.sparse_hidden)
        require(
            all(1 <= w <= MAX_UNITS for w in widths),
            f"--hidden/--decoder-hidden/--sparse-hidden {widths}: every width must be at least 1, at most {MAX_UNITS}",
        )
        dims = ("latent_dim", "overcomplete_dim", "sparse_dim", "vector_units", "codebook_size")
        require_fields(self, lambda width: 1 <= width <= MAX_UNITS, f"at least 1, at most {MAX_UNITS}", *dims)
        for flag, numbers, low in (
            ("channels", self.channels, 1),
            ("expander", self.expander, 1),
            ("levels", self.levels, 2),
        ):
            require(
                len(numbers) >= 1 and all(low <= number <= MAX_UNITS for number in numbers),
                f"--{flag} {numbers}: expected one or more numbers of at least {low}, at most {MAX_UNITS}",
            )
