"""Samples and grids of codes from the prior N(0, I), and the training examples nearest to samples."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.stats import norm
from sklearn.metrics import pairwise_distances_argmin_min

from aejax.analysis.codec import Codec
from aejax.data.shuffling import make_generator

GRID_QUANTILE = 0.02  # the grid runs from this quantile of the prior to one minus it


def sample_prior(n_samples: int, latent_dim: int, seed: int = 0) -> Float[np.ndarray, "count latent"]:
    """Draws codes from the prior; a longer draw with the same seed begins with a shorter one."""
    return make_generator(seed, "prior").standard_normal((n_samples, latent_dim)).astype(np.float32)


def make_prior_grid(latent_dim: int, units: Sequence[int], n_steps: int) -> Float[np.ndarray, "row column latent"]:
    """Returns codes on a square grid over two units, the others at the prior's mean.

    The steps are equal in probability, by the normal quantile function. The first unit increases to the right, the
    second upwards.
    """
    values = norm.ppf(np.linspace(GRID_QUANTILE, 1 - GRID_QUANTILE, n_steps))
    codes = np.zeros((n_steps, n_steps, latent_dim), np.float32)
    codes[:, :, units[0]] = values[None, :]
    codes[:, :, units[1]] = values[::-1, None]
    return codes


def decode_prior_grid(
    codec: Codec, units: Sequence[int], latent_dim: int, n_steps: int
) -> Float[np.ndarray, "row column d"]:
    """Decodes the codes of `make_prior_grid`."""
    codes = make_prior_grid(latent_dim, units, n_steps)
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
