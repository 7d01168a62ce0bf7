"""Lossy compression by quantized codes: bits per code, and the PSNR of the decoded examples."""

import math
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from aejax.analysis.codec import Codec
from aejax.analysis.denoising import psnr

FLOAT_BITS = 32  # unquantized codes

Storage = Literal["all units", "active units"]


class Quantizer(NamedTuple):
    """A uniform quantizer of each unit over the range of its training codes."""

    low: Float[np.ndarray, " latent"]
    step_size: Float[np.ndarray, " latent"]  # between adjacent levels; 0 for a constant unit
    bits: int  # per level index

    def quantize(self, codes: Float[np.ndarray, "n latent"]) -> Int[np.ndarray, "n latent"]:
        """Returns the index of the nearest level, 0 to `2^bits - 1`."""
        steps = np.where(self.step_size == 0, 1, self.step_size)
        nearest = np.rint((codes - self.low[None]) / steps[None])
        return np.clip(nearest, 0, 2**self.bits - 1).astype(np.int32)

    def dequantize(self, levels: Int[np.ndarray, "n latent"]) -> Float[np.ndarray, "n latent"]:
        """Returns the codes of level indices."""
        return (self.low[None] + levels * self.step_size[None]).astype(np.float32)


def fit_quantizer(codes: Float[np.ndarray, "n latent"], bits: int) -> Quantizer:
    """Fits levels to the range of training codes; within it the error is at most half a step."""
    low, high = codes.min(axis=0), codes.max(axis=0)
    return Quantizer(low, (high - low) / (2**bits - 1), bits)


class RateDistortionPoint(NamedTuple):
    """The size and the quality of codes stored in one way."""

    storage: Storage
    bits_per_number: int  # 32: unquantized
    bits_per_code: float  # mean over examples
    psnr: float  # dB


def mean_bits_per_code(codes: Float[np.ndarray, "n latent"], bits_per_number: int, storage: Storage) -> float:
    """Returns the mean number of bits that one of `codes` takes.

    "all units" stores a number for each unit; "active units" stores the count of nonzero units, then the index and the
    number of each. The decoder and the ranges of the units do not count.
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
    """Measures rate and distortion of the quantized codes of `inputs`.

    Args:
        codec: the encoder and decoder.
        train_codes: codes on which the quantizer is fitted.
        inputs: the examples to compress.
        bits_per_number: 32 for unquantized codes, or fewer.
        data_range: the range of the inputs, for the PSNR.

    Returns:
        The result of storing all units; and of storing the active units only, if that takes fewer bits.
    """
    codes = codec.encode(inputs)
    decoded = codes
    if bits_per_number < FLOAT_BITS:
        quantizer = fit_quantizer(train_codes, bits_per_number)
        decoded = quantizer.dequantize(quantizer.quantize(codes))
    dense = mean_bits_per_code(codes, bits_per_number, "all units")
    rates = [RateDistortionPoint("all units", bits_per_number, dense, psnr(codec.decode(decoded), inputs, data_range))]
    sparse = mean_bits_per_code(codes, bits_per_number, "active units")
    if sparse < dense:
        active = np.where(codes == 0, 0, decoded)
        rates.append(
            RateDistortionPoint("active units", bits_per_number, sparse, psnr(codec.decode(active), inputs, data_range))
        )
    return rates
