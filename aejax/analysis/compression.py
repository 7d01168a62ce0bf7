"""Lossy compression by quantized codes: bits per code, and the PSNR of the decoded examples."""

import math
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from aejax.analysis.codec import Codec, psnr

FLOAT_BITS = 32  # unquantized codes

Storage = Literal["all units", "active units"]


def quantize(
    codes: Float[np.ndarray, "n latent"], train_codes: Float[np.ndarray, "m latent"], bits: int
) -> Float[np.ndarray, "n latent"]:
    """Returns each unit rounded to the nearest of `2^bits` levels, which lie evenly over the range of training codes.

    Within that range the error is at most half a step; beyond it the last level is the nearest.
    """
    low, high = train_codes.min(axis=0), train_codes.max(axis=0)
    step = (high - low) / (2**bits - 1)
    nearest = np.rint((codes - low) / np.where(step == 0, 1, step))  # a constant unit has no steps
    levels = np.clip(nearest, 0, 2**bits - 1).astype(np.int32)
    return (low + levels * step).astype(np.float32)


class RateDistortionPoint(NamedTuple):
    """The size and the quality of codes stored in one way."""

    storage: Storage
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
    """Measures rate and distortion of the codes of `inputs`, quantized on `train_codes` unless they have 32 bits.

    Returns:
        The result of storing all units; and of storing the active units only, if that takes fewer bits.
    """
    codes = codec.encode(inputs)
    decoded = codes
    if bits_per_number < FLOAT_BITS:
        decoded = quantize(codes, train_codes, bits_per_number)
    dense = mean_bits_per_code(codes, bits_per_number, "all units")
    rates = [RateDistortionPoint("all units", dense, psnr(codec.decode(decoded), inputs, data_range))]
    sparse = mean_bits_per_code(codes, bits_per_number, "active units")
    if sparse < dense:
        active = codec.decode(np.where(codes == 0, 0, decoded))
        rates.append(RateDistortionPoint("active units", sparse, psnr(active, inputs, data_range)))
    return rates
