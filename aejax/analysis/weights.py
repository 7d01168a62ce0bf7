"""What single units look for and what they draw: filters of the encoder, atoms of the decoder."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from aejax.analysis.codec import Codec

ACTIVITY_PERCENTILE = 95  # percentile of a unit's activity at which its atom is drawn


def iter_kernels(encoder: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Every kernel of an encoder's parameters with its dotted name: hidden layers before the code, `Dense_2` before
    `Dense_10`.
    """

    def place(name: str) -> tuple[bool, list[str | int]]:
        parts = re.split(r"(\d+)", name)
        return name != "hidden", [int(part) if part.isdigit() else part for part in parts]

    for name in sorted(encoder, key=place):
        value = encoder[name]
        if isinstance(value, Mapping):
            yield from ((f"{name}.{deeper}", kernel) for deeper, kernel in iter_kernels(value))
        elif name == "kernel":
            yield name, np.asarray(value)


def first_layer_filters(
    encoder: Mapping[str, Any], n_features: int
) -> tuple[str, Float[np.ndarray, "unit d"] | Float[np.ndarray, "unit height width channel"]] | None:
    """What each unit of the first layer is most excited by: its weights on the inputs, `(unit, d)`, or its little
    image where the layer is a convolution, `(unit, height, width, channel)`; and the kernel's name.

    None if no kernel stands on inputs of `features` numbers.
    """
    for name, kernel in iter_kernels(encoder):
        if kernel.ndim == 4:
            return name, np.moveaxis(kernel, 3, 0)
        if kernel.ndim == 2 and kernel.shape[0] == n_features:
            return name, kernel.T
    return None


def baseline_code(codes: Float[np.ndarray, "n latent"]) -> Float[np.ndarray, " latent"]:
    """What a unit is when it says nothing: 0 where units are ever exactly 0, as in sparse codes, else its mean."""
    return np.where((codes == 0).any(axis=0), 0, codes.mean(axis=0)).astype(np.float32)


def typical_activity(
    codes: Float[np.ndarray, "n latent"], baseline: Float[np.ndarray, " latent"]
) -> Float[np.ndarray, " latent"]:
    """The 95th percentile of each unit above its rest, over the examples in which it is not at rest; 0 without any.

    Over all examples a unit that is active in fewer than one of twenty would have none.
    """
    moved = [unit[unit != 0] for unit in (codes - baseline[None]).T]
    return np.array([np.percentile(unit, ACTIVITY_PERCENTILE) if unit.size else 0.0 for unit in moved], np.float32)


def constant_units(codes: Float[np.ndarray, "n latent"]) -> Bool[np.ndarray, " latent"]:
    """Units that say the same of every example."""
    return codes.min(axis=0) == codes.max(axis=0)


def most_active_units(codes: Float[np.ndarray, "n latent"], n_units: int) -> Int[np.ndarray, " unit"]:
    """The `count` units, at most, with the largest mean absolute activity, largest first; no dead ones."""
    activity = np.where(constant_units(codes), -1.0, np.abs(codes).mean(axis=0))
    order = np.argsort(-activity, kind="stable")[:n_units]
    return order[activity[order] >= 0]


def compute_atoms(
    codec: Codec,
    baseline: Float[np.ndarray, " latent"],
    activity: Float[np.ndarray, " latent"],
    units: Sequence[int] | Int[np.ndarray, " unit"],
) -> Float[np.ndarray, "unit d"]:
    """What each unit adds to the output by itself: `decode(rest + activity_j e_j) - decode(rest)`.

    For a linear decoder these are its rows, each times the unit's activity.
    """
    alone = np.tile(baseline, (len(units) + 1, 1))
    alone[np.arange(len(units)), units] += activity[units]
    decoded = codec.decode(alone)
    return decoded[:-1] - decoded[-1:]


def coherence(vectors: Float[np.ndarray, "unit d"]) -> Float[np.ndarray, " unit"]:
    """Each vector's largest absolute cosine with another: 1 for a copy, 0 where all are orthogonal.

    Vectors of no length are at 0 from all.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = vectors / np.where(lengths == 0, 1, lengths)
    cosines = np.abs(directions @ directions.T)
    np.fill_diagonal(cosines, 0)
    return cosines.max(axis=1)
