"""Decoded codes: samples and grids from the prior N(0, I), interpolations, changes of single units, and ablations."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import norm
from sklearn.metrics import pairwise_distances_argmin_min

from aejax.analysis.codec import Codec, mean_squared_errors
from aejax.data.shuffling import make_generator

GRID_QUANTILE = 0.02  # the grid runs from this quantile of the prior to one minus it


def sample_prior(n_samples: int, latent_dim: int, seed: int = 0) -> Float[np.ndarray, "count latent"]:
    """Draws codes from the prior; a longer draw with the same seed begins with a shorter one."""
    return make_generator(seed, "prior").standard_normal((n_samples, latent_dim)).astype(np.float32)


def decode_prior_grid(
    codec: Codec, units: Sequence[int], latent_dim: int, n_steps: int
) -> Float[np.ndarray, "row column d"]:
    """Decodes codes on a square grid over two units, the others at the prior's mean.

    The steps are equal in probability, by the normal quantile function. The first unit increases to the right, the
    second upwards.
    """
    values = norm.ppf(np.linspace(GRID_QUANTILE, 1 - GRID_QUANTILE, n_steps))
    codes = np.zeros((n_steps, n_steps, latent_dim), np.float32)
    codes[:, :, units[0]] = values[None, :]
    codes[:, :, units[1]] = values[::-1, None]
    return codec.decode(codes.reshape(-1, latent_dim)).reshape(n_steps, n_steps, -1)


def nearest_examples(
    inputs: Float[np.ndarray, "n d"], candidates: Float[np.ndarray, "m d"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n d"]]:
    """Returns the mean squared distance of each input to its nearest candidate, and that candidate.

    If samples are nearer to training examples than test examples are, the decoder repeats its training set or averages
    examples; the mean squared distance favours averages.
    """
    nearest, distance = pairwise_distances_argmin_min(inputs, candidates)
    return np.square(distance) / inputs.shape[1], candidates[nearest]


def interpolate(
    first: Float[np.ndarray, " d"], second: Float[np.ndarray, " d"], n_steps: int
) -> Float[np.ndarray, "steps d"]:
    """Returns `n_steps` evenly spaced points from `first` to `second`, both included."""
    share = np.linspace(0, 1, n_steps, dtype=first.dtype)[:, None]
    return (1 - share) * first[None] + share * second[None]


class Interpolation(NamedTuple):
    """Paths from one example to another, in code space and in input space."""

    latent_path: Float[np.ndarray, "steps d"]  # decoded interpolated codes
    input_path: Float[np.ndarray, "steps d"]  # interpolated inputs
    latent_error: Float[np.ndarray, " steps"]  # mean squared reconstruction error of each step
    input_error: Float[np.ndarray, " steps"]


def interpolate_examples(
    codec: Codec, first: Float[np.ndarray, " d"], second: Float[np.ndarray, " d"], n_steps: int
) -> Interpolation:
    """Interpolates between two examples in code space and, to compare, in input space.

    A large reconstruction error marks a point that is unlike the training examples, such as the blend of two inputs.
    """
    codes = codec.encode(np.stack([first, second]))
    by_code = codec.decode(interpolate(codes[0], codes[1], n_steps))
    by_input = interpolate(first, second, n_steps)
    return Interpolation(by_code, by_input, mean_squared_errors(codec, by_code), mean_squared_errors(codec, by_input))


def midpoint_errors(
    codec: Codec, first: Float[np.ndarray, "pair d"], second: Float[np.ndarray, "pair d"]
) -> tuple[Float[np.ndarray, " pair"], Float[np.ndarray, " pair"]]:
    """Returns the reconstruction errors at the midpoints of pairs, in code space and in input space."""
    midpoint = codec.decode((codec.encode(first) + codec.encode(second)) / 2)
    return mean_squared_errors(codec, midpoint), mean_squared_errors(codec, (first + second) / 2)


def traverse_latents(
    codec: Codec,
    code: Float[np.ndarray, " latent"],
    units: Sequence[int] | Int[np.ndarray, " unit"],
    latent_std: Float[np.ndarray, " latent"],
    offsets: Float[np.ndarray, " step"],
) -> Float[np.ndarray, "unit step d"]:
    """Decodes `code` with one of `units` at a time changed by `offsets`.

    Offsets are in `latent_std`, the standard deviation of every unit over training codes.
    """
    moved = np.tile(code, (len(units), len(offsets), 1))
    for row, unit in enumerate(units):
        moved[row, :, unit] += latent_std[unit] * offsets
    decoded = codec.decode(moved.reshape(-1, len(code)))
    return decoded.reshape(len(units), len(offsets), -1)


def ablate_units(codec: Codec, codes: Float[np.ndarray, "n latent"]) -> Float[np.ndarray, " latent"]:
    """Returns the mean squared change of the output when each unit is replaced by its mean over `codes`.

    In squared input units, so comparable across units of any scale.
    """
    decoded, means = codec.decode(codes), codes.mean(axis=0)
    effects = np.empty(codes.shape[1])
    for unit in range(codes.shape[1]):
        without = codes.copy()
        without[:, unit] = means[unit]
        effects[unit] = np.mean(np.square(codec.decode(without) - decoded))
    return effects
