"""What exploring needs of an autoencoder: two functions on arrays. Principal components are two such functions too.

Everything in this room is computed on the host from such pairs, examples flat `(n, d)` in scaled input units.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from sklearn.decomposition import PCA

from aejax.data.shuffling import make_generator

MAX_FIT_VALUES = 1 << 26  # numbers that a fit on inputs looks at, at most: 85,000 examples of 28 x 28, half a gigabyte


class Codec(NamedTuple):
    """An encoder and a decoder that belong together."""

    encode: Callable[[Float[np.ndarray, "n d"]], Float[np.ndarray, "n latent"]]
    decode: Callable[[Float[np.ndarray, "n latent"]], Float[np.ndarray, "n d"]]

    def reconstruct(self, inputs: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """What decoding the codes of `inputs` gives back."""
        return self.decode(self.encode(inputs))


class PrincipalComponents(NamedTuple):
    """Principal axes, largest variance first; those of any smaller number are the first of these."""

    mean: Float[np.ndarray, " d"]
    components: Float[np.ndarray, "components d"]

    def to_codec(self, n_components: int) -> Codec:
        """The first `components` as a codec; at most all there are."""
        axes = self.components[:n_components]
        return Codec(
            encode=lambda inputs: (inputs - self.mean[None]) @ axes.T,
            decode=lambda codes: codes @ axes + self.mean[None],
        )


def fit_pca(inputs: Float[np.ndarray, "n d"], n_components: int) -> PrincipalComponents:
    """Principal components of `inputs`: the best linear codec of each width.

    Args:
        inputs: what they are fitted on, or a draw of it where that is more than `FIT_VALUES` numbers.
        components: how many; at most d and at most n are taken.
    """
    rows = subsample_rows(inputs)
    pca = PCA(min(n_components, *rows.shape), random_state=0).fit(rows)
    return PrincipalComponents(pca.mean_, pca.components_)


def subsample_rows(inputs: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "m d"]:
    """`inputs`, or as many of its rows, drawn the same way every time, as make `FIT_VALUES` numbers."""
    count = max(1, MAX_FIT_VALUES // inputs.shape[1])
    if len(inputs) <= count:
        return inputs
    return inputs[np.sort(make_generator(0, "few rows").choice(len(inputs), count, replace=False))]


def mean_squared_errors(codec: Codec, inputs: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """Mean squared error of each example's reconstruction, in squared input units."""
    return np.mean(np.square(codec.reconstruct(inputs) - inputs), axis=1)
