"""NumPy source code of a dense encoder's forward pass, for use without JAX or this package."""

import math
from collections.abc import Iterator

import numpy as np

from aejax.config import Activation
from aejax.models.autoencoder import Autoencoder
from aejax.models.dense import FRAMEWORK_DEFAULTS, DenseStack
from aejax.models.encoders import MAX_ABS_LOG_VARIANCE, Encoder, GatedEncoder, GaussianEncoder
from aejax.models.quantization import FiniteScalarQuantizer, VectorQuantizer, level_constants
from aejax.models.sparsity import BatchTopK, JumpReLU, LifetimeTopK, TopK
from aejax.models.variational import VariationalAutoencoder

INDENT_SPACES = "    "
_GATED_LINES = [
    'h = h @ arrays["params.code.kernel"]',
    'is_open = h + arrays["params.gate_bias"] > 0',
    'h = h * np.exp(arrays["params.log_scale"]) + arrays["params.magnitude_bias"]',
    "return np.maximum(h, 0) * is_open",
]


def numpy_forward(model: Autoencoder, *, fills_missing: bool = False) -> str | None:
    """Returns the source of `encode(arrays, inputs)`, where `arrays` has one seed's arrays by their dotted names.

    The source uses only what NumPy and `jax.numpy` have in common. Returns None if the encoder has other than dense
    layers, or its code is a random sample.

    Args:
        model: the encoder's model.
        fills_missing: whether the arrays have the numbers that replace missing values.
    """
    encoder = model.encoder
    if not isinstance(encoder, Encoder | GatedEncoder | GaussianEncoder) or not isinstance(encoder.hidden, DenseStack):
        return None
    if isinstance(encoder, GaussianEncoder):
        assert isinstance(model, VariationalAutoencoder)
        if model.posterior_code == "sample":
            return None
        ending: list[str] | None = _gaussian_lines(with_deviation=model.posterior_code == "mean-and-deviation")
    elif isinstance(encoder, GatedEncoder):
        ending = _GATED_LINES
    else:
        ending = _code_lines(encoder)
    if ending is None:
        return None
    body = [
        "h = np.asarray(inputs, np.float32).reshape(len(inputs), -1)",
        *(['h = np.where(np.isnan(h), arrays["scaler.fill"], h)'] if fills_missing else []),
        'h = (h - arrays["scaler.shift"]) * arrays["scaler.scale"]',
        *_hidden_lines(encoder.hidden),
        *ending,
    ]
    return "\n".join(
        ["import numpy as np", "", "", "def encode(arrays, inputs):", *(INDENT_SPACES + line for line in body)]
    )


def _affine_line(layer: str, result: str = "h") -> str:
    return f'{result} = h @ arrays["params.{layer}.kernel"] + arrays["params.{layer}.bias"]'


def _hidden_lines(stack: DenseStack) -> Iterator[str]:
    constants = FRAMEWORK_DEFAULTS[stack.conventions]
    for index in range(len(stack.widths)):
        yield _affine_line(f"hidden.Dense_{index}")
        if stack.batch_norm:
            norm = f"hidden.BatchNorm_{index}"
            stats = f"batch_stats.{norm}"
            yield f'deviation = np.sqrt(arrays["{stats}.var"] + np.float32({constants.batch_norm_epsilon}))'
            yield f'h = (h - arrays["{stats}.mean"]) / deviation'
            yield f'h = h * arrays["params.{norm}.scale"] + arrays["params.{norm}.bias"]'
        yield from _activation_lines(stack.activation, constants.negative_slope)


def _code_lines(encoder: Encoder) -> list[str] | None:
    after = {
        type(None): [],
        LifetimeTopK: [],  # removes nothing outside training
        TopK: [
            "rank = np.argsort(np.argsort(-h, axis=1, stable=True), axis=1)",
            f"h = h * (rank < {getattr(encoder.sparsity, 'k_encode', 0)})",
        ],
        BatchTopK: ['h = h * (h > np.maximum(arrays["batch_stats.sparsity.threshold"], 0))'],
        JumpReLU: ['h = h * (h > np.exp(arrays["params.sparsity.log_threshold"]))'],
        VectorQuantizer: [
            'codebook = arrays["batch_stats.sparsity.codebook"]',
            "products = h.reshape(-1, codebook.shape[1]) @ codebook.T",
            "nearest = np.argmin((codebook * codebook).sum(axis=1) - 2 * products, axis=1)",
            "h = codebook[nearest].reshape(h.shape)",
        ],
        FiniteScalarQuantizer: list(_level_lines(encoder)),
    }
    if type(encoder.sparsity) not in after:
        return None
    activation = _activation_lines(encoder.code_activation, FRAMEWORK_DEFAULTS[encoder.conventions].negative_slope)
    return [_affine_line("code"), *activation, *after[type(encoder.sparsity)], "return h"]


def _level_lines(encoder: Encoder) -> Iterator[str]:
    if isinstance(encoder.sparsity, FiniteScalarQuantizer):
        levels = np.resize(encoder.sparsity.levels, encoder.latent_dim)
        for name, values in zip(("half", "offset", "shift"), level_constants(levels), strict=True):
            yield f"{name} = np.array({values.tolist()}, np.float32)"
        yield f"h = np.round(np.tanh(h + shift) * half - offset) / np.array({(levels // 2).tolist()}, np.float32)"


def _gaussian_lines(*, with_deviation: bool) -> list[str]:
    mean = _affine_line("code", "mean")
    if not with_deviation:
        return [mean, "return mean"]
    limit = MAX_ABS_LOG_VARIANCE
    deviation = f"np.exp(np.clip(log_variance, -{limit}, {limit}) / 2)"
    return [mean, _affine_line("log_variance", "log_variance"), f"return np.concatenate([mean, {deviation}], axis=1)"]


def _activation_lines(name: Activation, leaky_slope: float) -> list[str]:
    tanh = f"np.tanh({math.sqrt(2 / math.pi)!r} * (h + 0.044715 * h * h * h))"
    lines = {
        "relu": ["h = np.maximum(h, 0)"],
        "leaky_relu": [f"h = np.where(h > 0, h, {leaky_slope} * h)"],
        "gelu": [f"h = 0.5 * h * (1 + {tanh})"],
        "tanh": ["h = np.tanh(h)"],
        "sigmoid": ["h = 0.5 * (1 + np.tanh(0.5 * h))"],
        "linear": [],
    }
    return lines[name]
