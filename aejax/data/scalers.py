"""Scaling as a pure function of numbers fitted on training rows only."""

from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from aejax.data.dataset import Dataset
from aejax.errors import require

ScalerKind = Literal["range", "minmax", "standard", "none"]


class Scaler(NamedTuple):
    """`(inputs - shift) * scale`, per feature or for all features at once."""

    shift: Float[np.ndarray, "..."] | Float[Array, "..."]
    scale: Float[np.ndarray, "..."] | Float[Array, "..."]


def fit_scalers(kind: ScalerKind, dataset: Dataset, train: Int[np.ndarray, "seeds n_train"]) -> Scaler:
    """One scaler for each seed's training rows, for flat examples; computed in float64, kept in float32.

    A feature that is constant on the training rows is shifted and not scaled.

    Returns:
        A scaler with a leading seed axis on both leaves: `(seeds, d)`, or `(seeds, 1)` for `range` and `none`, which
        look at no row.

    Raises:
        InputError: `range` for data that declare no limits.
    """
    if kind in ("range", "none"):
        low, high = (0.0, 1.0) if kind == "none" else _declared_range(dataset)
        ones = np.ones((len(train), 1), np.float32)
        return Scaler(shift=ones * np.float32(low), scale=ones / np.float32(high - low))
    flat = dataset.inputs.reshape(len(dataset.inputs), -1)
    fitted = [_fit_scaler(kind, flat[rows]) for rows in train]
    return Scaler(*(np.stack(leaf) for leaf in zip(*fitted, strict=True)))


def _declared_range(dataset: Dataset) -> tuple[float, float]:
    require(dataset.value_range, f"--scaler range: {dataset.name} declares no limits; use minmax, standard or none")
    assert dataset.value_range is not None
    return dataset.value_range


def _fit_scaler(kind: ScalerKind, inputs: Shaped[np.ndarray, "n d"]) -> Scaler:
    if kind == "minmax":
        shift = inputs.min(axis=0).astype(np.float64)
        spread = inputs.max(axis=0).astype(np.float64) - shift
    else:
        shift = inputs.mean(axis=0, dtype=np.float64)
        spread = inputs.std(axis=0, dtype=np.float64)
    # Rounding leaves a tiny spread in a constant column of large values; dividing by it would make noise of it.
    constant = spread <= 1e-8 * np.abs(shift)
    spread = np.where(constant | (spread == 0), 1.0, spread)
    return Scaler(shift=shift.astype(np.float32), scale=(1.0 / spread).astype(np.float32))


def apply_scaler(scaler: Scaler, inputs: Shaped[Array | np.ndarray, "batch d"]) -> Float[Array, "batch d"]:
    """Stored flat examples to scaled float32, for one seed's scaler. Jittable."""
    return (jnp.asarray(inputs, jnp.float32) - scaler.shift[None]) * scaler.scale[None]
