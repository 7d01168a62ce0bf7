"""Peak signal-to-noise ratios of reconstructions and of denoised examples."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aejax.analysis.codec import Codec


def psnr(reconstruction: Float[np.ndarray, "n d"], target: Float[np.ndarray, "n d"], data_range: float) -> float:
    """Returns the peak signal-to-noise ratio in decibels: `10 log10(data_range^2 / mean squared error)`.

    The error is averaged over all examples first, so that one perfect reconstruction does not make the ratio infinite.

    Args:
        reconstruction: the reconstructed examples.
        target: the true examples.
        data_range: the range of the values, 1 for inputs scaled to [0, 1].
    """
    error = float(np.mean(np.square(reconstruction - target), dtype=np.float64))
    return float("inf") if error == 0 else float(10 * np.log10(data_range**2 / error))


class DenoisingResult(NamedTuple):
    """Reconstructions of corrupted examples."""

    denoised: Float[np.ndarray, "n d"]
    psnr_before: float  # of the corrupted inputs, dB
    psnr_after: float  # of the reconstructions, dB


def denoise(
    codec: Codec, corrupted: Float[np.ndarray, "n d"], clean: Float[np.ndarray, "n d"], data_range: float
) -> DenoisingResult:
    """Reconstructs `corrupted`, and compares it and the result with `clean`."""
    restored = codec.reconstruct(corrupted)
    return DenoisingResult(restored, psnr(corrupted, clean, data_range), psnr(restored, clean, data_range))
