"""Walks through code space, and what the decoder makes of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from aejax.analysis.codec import Codec, mean_squared_errors


def interpolate(
    first: Float[np.ndarray, " d"], second: Float[np.ndarray, " d"], n_steps: int
) -> Float[np.ndarray, "steps d"]:
    """`steps` points, evenly spaced, on the line from `first` to `second`, both of them included."""
    share = np.linspace(0, 1, n_steps, dtype=first.dtype)[:, None]
    return (1 - share) * first[None] + share * second[None]


class Interpolation(NamedTuple):
    """The way from one example to another, by the code and by the pixels."""

    latent_path: Float[np.ndarray, "steps d"]  # decoded points between the two codes
    input_path: Float[np.ndarray, "steps d"]  # points between the two inputs themselves
    latent_error: Float[np.ndarray, " steps"]  # how far the autoencoder's reconstruction is from each, squared units
    input_error: Float[np.ndarray, " steps"]


def interpolate_examples(
    codec: Codec, first: Float[np.ndarray, " d"], second: Float[np.ndarray, " d"], n_steps: int
) -> Interpolation:
    """Interpolate between two examples in code space and, to compare, in input space.

    The errors say how foreign each point is to the autoencoder: what it cannot reconstruct is unlike its training
    examples. A blend of two inputs is unlike them in the middle; a way through the code need not be.
    """
    codes = codec.encode(np.stack([first, second]))
    by_code = codec.decode(interpolate(codes[0], codes[1], n_steps))
    by_input = interpolate(first, second, n_steps)
    return Interpolation(by_code, by_input, mean_squared_errors(codec, by_code), mean_squared_errors(codec, by_input))


def midpoint_errors(
    codec: Codec, first: Float[np.ndarray, "pair d"], second: Float[np.ndarray, "pair d"]
) -> tuple[Float[np.ndarray, " pair"], Float[np.ndarray, " pair"]]:
    """The errors of `blend` half way between many pairs: by the code, by the inputs."""
    half_way = codec.decode((codec.encode(first) + codec.encode(second)) / 2)
    return mean_squared_errors(codec, half_way), mean_squared_errors(codec, (first + second) / 2)


def traverse_latents(
    codec: Codec,
    code: Float[np.ndarray, " latent"],
    units: Sequence[int] | Int[np.ndarray, " unit"],
    latent_std: Float[np.ndarray, " latent"],
    offsets: Float[np.ndarray, " step"],
) -> Float[np.ndarray, "unit step d"]:
    """What the decoder makes of `code` when one unit at a time is moved.

    Args:
        codec: its decoder is asked.
        code: around which.
        units: which are moved, one row of the result each.
        deviations: the standard deviation of every unit over training codes.
        offsets: how far, in these deviations.
    """
    moved = np.tile(code, (len(units), len(offsets), 1))
    for row, unit in enumerate(units):
        moved[row, :, unit] += latent_std[unit] * offsets
    decoded = codec.decode(moved.reshape(-1, len(code)))
    return decoded.reshape(len(units), len(offsets), -1)


def ablate_units(codec: Codec, codes: Float[np.ndarray, "n latent"]) -> Float[np.ndarray, " latent"]:
    """How much each unit matters: the mean squared change of the output when the unit is held at its mean over `codes`.

    In squared input units, so comparable across units whatever the scale of the code.
    """
    decoded, means = codec.decode(codes), codes.mean(axis=0)
    effects = np.empty(codes.shape[1])
    for unit in range(codes.shape[1]):
        without = codes.copy()
        without[:, unit] = means[unit]
        effects[unit] = np.mean(np.square(codec.decode(without) - decoded))
    return effects
