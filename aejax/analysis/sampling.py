"""What a variational autoencoder draws from its prior, N(0, I)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.stats import norm
from sklearn.metrics import pairwise_distances_argmin_min

from aejax.analysis.codec import Codec
from aejax.data.shuffling import make_generator

GRID_QUANTILE = 0.02  # the grid runs from this quantile of the prior to one minus it


def sample_prior(n_samples: int, latent_dim: int, seed: int = 0) -> Float[np.ndarray, "count latent"]:
    """Draws from the prior; the same for the same seed, and the first of a longer list."""
    return make_generator(seed, "prior").standard_normal((n_samples, latent_dim)).astype(np.float32)


def make_prior_grid(latent_dim: int, units: Sequence[int], n_steps: int) -> Float[np.ndarray, "row column latent"]:
    """Codes on a square over two units, the others at the prior's mean.

    Equal steps in probability and not in value, by the inverse of the normal distribution function: every cell stands
    for an equal share of the prior. The first unit grows to the right, the second upwards, so the first row is its
    highest.
    """
    values = norm.ppf(np.linspace(GRID_QUANTILE, 1 - GRID_QUANTILE, n_steps))
    codes = np.zeros((n_steps, n_steps, latent_dim), np.float32)
    codes[:, :, units[0]] = values[None, :]
    codes[:, :, units[1]] = values[::-1, None]
    return codes


def decode_prior_grid(
    codec: Codec, units: Sequence[int], latent_dim: int, n_steps: int
) -> Float[np.ndarray, "row column d"]:
    """What the decoder makes of `grid_codes`."""
    codes = make_prior_grid(latent_dim, units, n_steps)
    return codec.decode(codes.reshape(-1, latent_dim)).reshape(n_steps, n_steps, -1)


def nearest_examples(
    inputs: Float[np.ndarray, "n d"], candidates: Float[np.ndarray, "m d"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n d"]]:
    """For each input the mean squared difference from the nearest of `others`, and that other one.

    Samples nearer to training examples than test examples are show that the decoder repeats its training set, or that
    it draws the smooth middle between examples; the second is what mean squared differences favour.
    """
    found, distance = pairwise_distances_argmin_min(inputs, candidates)
    return np.square(distance) / inputs.shape[1], candidates[found]
