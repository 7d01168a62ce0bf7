"""How well inputs come back, and how much of a corruption is taken away."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aejax.explore.codec import Codec


def psnr(recon: Float[np.ndarray, "n d"], target: Float[np.ndarray, "n d"], peak: float) -> float:
    """Peak signal-to-noise ratio of all examples together, in decibels: `10 log10(peak^2 / mean squared error)`.

    Taken of the mean error and not as a mean of each example's ratio, so that one perfect reconstruction does not
    make it infinite; it is infinite where everything is perfect.

    Args:
        recon: what stands for the target.
        target: what should have come back.
        peak: the range of the values, 1 for inputs scaled to [0, 1].
    """
    error = float(np.mean(np.square(recon - target), dtype=np.float64))
    return float("inf") if error == 0 else float(10 * np.log10(peak**2 / error))


class Restoration(NamedTuple):
    """Corrupted examples, and what an autoencoder makes of them."""

    restored: Float[np.ndarray, "n d"]
    psnr_before: float  # of the corrupted inputs, dB
    psnr_after: float  # of the restored ones, dB


def restore(
    codec: Codec, corrupted: Float[np.ndarray, "n d"], clean: Float[np.ndarray, "n d"], peak: float
) -> Restoration:
    """Reconstruct `corrupted`, and compare it and the result with `clean`."""
    restored = codec.reconstruct(corrupted)
    return Restoration(restored, psnr(corrupted, clean, peak), psnr(restored, clean, peak))
