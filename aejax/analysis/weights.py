"""Filters of the encoder's first layer, and atoms of the decoder."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict
from jaxtyping import Bool, Float, Int

from aejax.analysis.codec import Codec

ACTIVITY_PERCENTILE = 95  # percentile of a unit's activity at which its atom is drawn


def first_layer_filters(
    encoder: Mapping[str, Any], n_features: int
) -> tuple[str, Float[np.ndarray, "unit d"] | Float[np.ndarray, "unit height width channel"]] | None:
    """Returns the dotted name and the weights of the first layer, or None if no kernel has `n_features` inputs.

    The weights are `(unit, d)` or, for a convolution, `(unit, height, width, channel)`. Hidden layers come before the
    code.
    """
    leaves = flatten_dict(encoder, sep=".")
    for name in sorted(leaves, key=lambda name: (not name.startswith("hidden."), name)):
        kernel = np.asarray(leaves[name])
        if name.endswith("kernel") and kernel.ndim == 4:
            return name, np.moveaxis(kernel, 3, 0)
        if name.endswith("kernel") and kernel.ndim == 2 and kernel.shape[0] == n_features:
            return name, kernel.T
    return None


def baseline_code(codes: Float[np.ndarray, "n latent"]) -> Float[np.ndarray, " latent"]:
    """Returns each unit's inactive value: 0 if it is ever exactly 0, as in sparse codes, else its mean."""
    return np.where((codes == 0).any(axis=0), 0, codes.mean(axis=0)).astype(np.float32)


def typical_activity(
    codes: Float[np.ndarray, "n latent"], baseline: Float[np.ndarray, " latent"]
) -> Float[np.ndarray, " latent"]:
    """Returns the 95th percentile of each unit above its baseline, over the examples in which it is active; 0 if none.

    Over all examples, a unit active in fewer than one of twenty would have the percentile 0.
    """
    moved = [unit[unit != 0] for unit in (codes - baseline[None]).T]
    return np.array([np.percentile(unit, ACTIVITY_PERCENTILE) if unit.size else 0.0 for unit in moved], np.float32)


def constant_units(codes: Float[np.ndarray, "n latent"]) -> Bool[np.ndarray, " latent"]:
    """Returns a mask of the units that are equal for all examples."""
    return codes.min(axis=0) == codes.max(axis=0)


def most_active_units(codes: Float[np.ndarray, "n latent"], n_units: int) -> Int[np.ndarray, " unit"]:
    """Returns at most `n_units` units by mean absolute activity, largest first, without constant ones."""
    activity = np.where(constant_units(codes), -1.0, np.abs(codes).mean(axis=0))
    order = np.argsort(-activity, kind="stable")[:n_units]
    return order[activity[order] >= 0]


def compute_atoms(
    codec: Codec,
    baseline: Float[np.ndarray, " latent"],
    activity: Float[np.ndarray, " latent"],
    units: Sequence[int] | Int[np.ndarray, " unit"],
) -> Float[np.ndarray, "unit d"]:
    """Returns `decode(baseline + activity_j e_j) - decode(baseline)` for each unit j.

    For a linear decoder these are its rows times the activity.
    """
    active = np.tile(baseline, (len(units) + 1, 1))
    active[np.arange(len(units)), units] += activity[units]
    decoded = codec.decode(active)
    return decoded[:-1] - decoded[-1:]


def coherence(vectors: Float[np.ndarray, "unit d"]) -> Float[np.ndarray, " unit"]:
    """Returns the largest absolute cosine of each vector with another one; 0 for a zero vector."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = vectors / np.where(lengths == 0, 1, lengths)
    cosines = np.abs(directions @ directions.T)
    np.fill_diagonal(cosines, 0)
    return cosines.max(axis=1)
