"""How well inputs come back, and how much of a corruption is taken away."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aejax.analysis.codec import Codec


def psnr(reconstruction: Float[np.ndarray, "n d"], target: Float[np.ndarray, "n d"], data_range: float) -> float:
    """Peak signal-to-noise ratio of all examples together, in decibels: `10 log10(peak^2 / mean squared error)`.

    Taken of the mean error and not as a mean of each example's ratio, so that one perfect reconstruction does not
    make it infinite; it is infinite where everything is perfect.

    Args:
        recon: what stands for the target.
        target: what should have come back.
        peak: the range of the values, 1 for inputs scaled to [0, 1].
    """
    error = float(np.mean(np.square(reconstruction - target), dtype=np.float64))
    return float("inf") if error == 0 else float(10 * np.log10(data_range**2 / error))


class DenoisingResult(NamedTuple):
    """Corrupted examples, and what an autoencoder makes of them."""

    denoised: Float[np.ndarray, "n d"]
    psnr_before: float  # of the corrupted inputs, dB
    psnr_after: float  # of the restored ones, dB


def denoise(
    codec: Codec, corrupted: Float[np.ndarray, "n d"], clean: Float[np.ndarray, "n d"], data_range: float
) -> DenoisingResult:
    """Reconstruct `corrupted`, and compare it and the result with `clean`."""
    restored = codec.reconstruct(corrupted)
    return DenoisingResult(restored, psnr(corrupted, clean, data_range), psnr(restored, clean, data_range))
