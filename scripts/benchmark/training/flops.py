"""The arithmetic of a training step: multiplications of its layers, floating-point operations of its products."""

import itertools
import math
from collections.abc import Sequence

from aejax.config import PretrainConfig
from aejax.models.conv import DECODER_WINDOW, ENCODER_WINDOW, feature_map_shapes
from benchmark.training.architecture import dense_architecture


def layer_multiplications(config: PretrainConfig, shape: Sequence[int]) -> list[int]:
    """Multiplications that each layer takes for the outputs of one example, from its inputs to its outputs.

    The two heads of a `vae` count as one layer. A code of which few units are kept is multiplied whole.
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
    # A window of the image for each entry below, going down; the same upwards, from each entry below into a window.
    down = [math.prod(ENCODER_WINDOW) * above[2] * math.prod(below) for above, below in itertools.pairwise(maps)]
    up = [math.prod(DECODER_WINDOW) * above[2] * math.prod(below) for above, below in itertools.pairwise(maps)]
    assert model.latent_dim is not None
    code = math.prod(maps[-1]) * model.latent_dim
    return [*down, code, code, *up[::-1]]


def flops_per_example(multiplications: Sequence[int]) -> int:
    """Floating-point operations of the matrix products in one training step, per example.

    `6 sum_l(m_l) - 2 m_1` for `m_l` multiplications in layer l: a multiply and an add for the outputs, for the gradient
    of the weights and for the gradient of the inputs, which the first layer does not need. Nothing elementwise counts.
    """
    return 6 * sum(multiplications) - 2 * multiplications[0]
