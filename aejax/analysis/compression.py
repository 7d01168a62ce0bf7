"""Codes as compressed files: how many bits they take, and what comes back."""

import math
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from aejax.analysis.codec import Codec
from aejax.analysis.denoising import psnr

FLOAT_BITS = 32  # codes as they are


class Quantizer(NamedTuple):
    """Uniform levels for each unit, from its lowest to its highest training code."""

    low: Float[np.ndarray, " latent"]
    step_size: Float[np.ndarray, " latent"]  # between neighbouring levels; 0 for a unit that is constant
    bits: int  # of one level's number

    def quantize(self, codes: Float[np.ndarray, "n latent"]) -> Int[np.ndarray, "n latent"]:
        """The number of the nearest level, 0 to `2^bits - 1`: what would be stored."""
        steps = np.where(self.step_size == 0, 1, self.step_size)
        nearest = np.rint((codes - self.low[None]) / steps[None])
        return np.clip(nearest, 0, 2**self.bits - 1).astype(np.int32)

    def dequantize(self, levels: Int[np.ndarray, "n latent"]) -> Float[np.ndarray, "n latent"]:
        """The codes that levels stand for."""
        return (self.low[None] + levels * self.step_size[None]).astype(np.float32)


def fit_quantizer(codes: Float[np.ndarray, "n latent"], bits: int) -> Quantizer:
    """Levels over the range of training codes: within it nothing is off by more than half a step."""
    low, high = codes.min(axis=0), codes.max(axis=0)
    return Quantizer(low, (high - low) / (2**bits - 1), bits)


class RateDistortionPoint(NamedTuple):
    """One way to store codes: its size and what comes back."""

    storage: Literal["all units", "active units"]
    bits_per_number: int  # 32: as they are; fewer: quantised
    bits_per_code: float  # mean over examples
    psnr: float  # dB


def mean_bits_per_code(codes: Float[np.ndarray, "n latent"], bits_per_number: int, storage: str) -> float:
    """Bits that one code takes, on average over `codes`.

    all units: a number for each. active units: for each unit that is not zero its index and its number, after how many
    there are. The decoder, and the ranges of the units, are taken to be known to who reads the codes.
    """
    latent = codes.shape[1]
    if storage == "all units":
        return float(latent * bits_per_number)
    index_bits = math.ceil(math.log2(latent)) if latent > 1 else 0
    count_bits = math.ceil(math.log2(latent + 1))
    return float(np.mean(np.count_nonzero(codes, axis=1)) * (index_bits + bits_per_number) + count_bits)


def evaluate_compression(
    codec: Codec,
    train_codes: Float[np.ndarray, "m latent"],
    inputs: Float[np.ndarray, "n d"],
    bits_per_number: int,
    data_range: float,
) -> list[RateDistortionPoint]:
    """Store the codes of `inputs` and read them back, in every way that may pay.

    Args:
        codec: encodes and decodes.
        train_codes: on which the ranges of the levels are fitted.
        inputs: what is compressed.
        bits_per_number: 32 for codes as they are, or fewer.
        peak: the range of the inputs, for the PSNR.

    Returns:
        All units stored; and only the active ones, where that takes fewer bits.
    """
    codes = codec.encode(inputs)
    read = codes
    if bits_per_number < FLOAT_BITS:
        quantizer = fit_quantizer(train_codes, bits_per_number)
        read = quantizer.dequantize(quantizer.quantize(codes))
    dense = mean_bits_per_code(codes, bits_per_number, "all units")
    rates = [RateDistortionPoint("all units", bits_per_number, dense, psnr(codec.decode(read), inputs, data_range))]
    sparse = mean_bits_per_code(codes, bits_per_number, "active units")
    if sparse < dense:
        kept = np.where(codes == 0, 0, read)
        rates.append(
            RateDistortionPoint("active units", bits_per_number, sparse, psnr(codec.decode(kept), inputs, data_range))
        )
    return rates
