"""Encoders with decoders as functions on NumPy arrays: of autoencoders and of principal components; and their errors.

Examples are flat, `(n, d)`, in scaled input units.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from sklearn.decomposition import PCA

from aejax.data.shuffling import make_generator

MAX_FIT_VALUES = 1 << 26  # largest array that is fitted: 85,000 examples of 28 x 28


class Codec(NamedTuple):
    """An encoder with its decoder."""

    encode: Callable[[Float[np.ndarray, "n d"]], Float[np.ndarray, "n latent"]]
    decode: Callable[[Float[np.ndarray, "n latent"]], Float[np.ndarray, "n d"]]

    def reconstruct(self, inputs: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Returns the decoded codes of `inputs`."""
        return self.decode(self.encode(inputs))


class PrincipalComponents(NamedTuple):
    """Principal components, largest variance first."""

    mean: Float[np.ndarray, " d"]
    components: Float[np.ndarray, "components d"]

    def to_codec(self, n_components: int) -> Codec:
        """Returns the codec of the first `n_components` components, or of all if there are fewer."""
        axes = self.components[:n_components]
        return Codec(
            encode=lambda inputs: (inputs - self.mean[None]) @ axes.T,
            decode=lambda codes: codes @ axes + self.mean[None],
        )


def fit_pca(inputs: Float[np.ndarray, "n d"], n_components: int) -> PrincipalComponents:
    """Fits principal components: the best linear codec of each width.

    Args:
        inputs: the training examples; of more than `MAX_FIT_VALUES` numbers, a random subset of rows is used.
        n_components: number of components; at most d and at most n are fitted.
    """
    rows = subsample_rows(inputs)
    pca = PCA(min(n_components, *rows.shape), random_state=0).fit(rows)
    return PrincipalComponents(pca.mean_, pca.components_)


def subsample_rows(inputs: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "m d"]:
    """Returns `inputs`, or a fixed random subset of rows that holds at most `MAX_FIT_VALUES` numbers."""
    count = max(1, MAX_FIT_VALUES // inputs.shape[1])
    if len(inputs) <= count:
        return inputs
    return inputs[np.sort(make_generator(0, "few rows").choice(len(inputs), count, replace=False))]


def mean_squared_errors(codec: Codec, inputs: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """Returns the mean squared error of each example's reconstruction, in squared input units."""
    return np.mean(np.square(codec.reconstruct(inputs) - inputs), axis=1)


def psnr(reconstruction: Float[np.ndarray, "n d"], target: Float[np.ndarray, "n d"], data_range: float) -> float:
    """Returns the peak signal-to-noise ratio in decibels: `10 log10(data_range^2 / mean squared error)`.

    The error is averaged over all examples first, so that one perfect reconstruction does not make the ratio infinite.
    `data_range` is 1 for inputs scaled to [0, 1].
    """
    error = float(np.mean(np.square(reconstruction - target), dtype=np.float64))
    return float("inf") if error == 0 else float(10 * np.log10(data_range**2 / error))
