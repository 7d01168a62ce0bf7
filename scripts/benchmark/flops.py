"""Floating-point operations of a training step."""

import itertools
import math
from collections.abc import Sequence

from aejax.config import PretrainConfig
from aejax.models.conv import DECODER_WINDOW, ENCODER_WINDOW, feature_map_shapes
from benchmark.architecture import dense_architecture


def layer_multiplications(config: PretrainConfig, shape: Sequence[int]) -> list[int]:
    """Returns the multiplications of each layer for one example, in the order of the layers.

    The two heads of a `vae` count as one layer. A k-sparse code is multiplied in full.
    """
    model = config.model
    if config.method != "conv":
        dense, features = dense_architecture(config), math.prod(shape)
        inwards = (features, *dense.hidden, dense.n_heads * dense.latent_dim)
        outwards = (dense.latent_dim, *dense.decoder_hidden, features)
        pairs = [*itertools.pairwise(inwards), *itertools.pairwise(outwards)]
        return [fan_in * fan_out for fan_in, fan_out in pairs]
    height, width, channels = shape
    maps = feature_map_shapes((height, width, channels), model.channels)
    # Each entry of the smaller map reads (encoder) or writes (decoder) one window of the larger map.
    down = [math.prod(ENCODER_WINDOW) * above[2] * math.prod(below) for above, below in itertools.pairwise(maps)]
    up = [math.prod(DECODER_WINDOW) * above[2] * math.prod(below) for above, below in itertools.pairwise(maps)]
    assert model.latent_dim is not None
    code = math.prod(maps[-1]) * model.latent_dim
    return [*down, code, code, *up[::-1]]


def flops_per_example(multiplications: Sequence[int]) -> int:
    """Returns the floating-point operations of the matrix products in one training step, per example.

    `6 sum_l(m_l) - 2 m_1` for `m_l` multiplications in layer l: a multiply and an add for the outputs, for the gradient
    of the weights and for the gradient of the inputs, which the first layer does not need. Elementwise operations do
    not count.
    """
    return 6 * sum(multiplications) - 2 * multiplications[0]
