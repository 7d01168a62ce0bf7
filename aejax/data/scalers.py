"""Scales features by a pure function whose parameters are fitted on training rows only."""

from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from aejax.data.dataset import Dataset
from aejax.errors import require

ScalerKind = Literal["range", "minmax", "standard", "none"]


class Scaler(NamedTuple):
    """Parameters of `(inputs - shift) * scale`, per feature or shared by all features."""

    shift: Float[np.ndarray, "..."] | Float[Array, "..."]
    scale: Float[np.ndarray, "..."] | Float[Array, "..."]


def fit_scalers(kind: ScalerKind, dataset: Dataset, train: Int[np.ndarray, "seeds n_train"]) -> Scaler:
    """Fits a scaler for flat examples to the training rows of each seed, in float64, and returns it in float32.

    A feature that is constant on the training rows is shifted but not scaled.

    Returns:
        A scaler with a leading seed axis on both leaves: `(seeds, d)`, or `(seeds, 1)` for `range` and `none`, which
        use no rows.

    Raises:
        InputError: `kind` is `range`, and the dataset declares no value range.
    """
    if kind in ("range", "none"):
        low, high = (0.0, 1.0) if kind == "none" else _declared_range(dataset)
        ones = np.ones((len(train), 1), np.float32)
        return Scaler(shift=ones * np.float32(low), scale=ones / np.float32(high - low))
    flat = dataset.inputs.reshape(len(dataset.inputs), -1)
    fitted = [_fit_scaler(kind, flat[rows]) for rows in train]
    return Scaler(*(np.stack(leaf) for leaf in zip(*fitted, strict=True)))


def _declared_range(dataset: Dataset) -> tuple[float, float]:
    require(
        dataset.value_range, f"--scaler range: {dataset.name} declares no value range; use minmax, standard or none"
    )
    assert dataset.value_range is not None
    return dataset.value_range


def _fit_scaler(kind: ScalerKind, inputs: Shaped[np.ndarray, "n d"]) -> Scaler:
    if kind == "minmax":
        shift = inputs.min(axis=0).astype(np.float64)
        spread = inputs.max(axis=0).astype(np.float64) - shift
    else:
        shift = inputs.mean(axis=0, dtype=np.float64)
        spread = inputs.std(axis=0, dtype=np.float64)
    # Rounding leaves a tiny spread in a constant column of large values; dividing by it would amplify noise.
    constant = spread <= 1e-8 * np.abs(shift)
    spread = np.where(constant | (spread == 0), 1.0, spread)
    return Scaler(shift=shift.astype(np.float32), scale=(1.0 / spread).astype(np.float32))


def apply_scaler(scaler: Scaler, inputs: Shaped[Array | np.ndarray, "batch d"]) -> Float[Array, "batch d"]:
    """Scales flat examples with the scaler of one seed, to float32; can be jitted."""
    return (jnp.asarray(inputs, jnp.float32) - scaler.shift[None]) * scaler.scale[None]
