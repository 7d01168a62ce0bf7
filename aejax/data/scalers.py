"""Imputes and scales features by pure functions whose parameters are fitted on training rows only."""

from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from aejax.data.dataset import Dataset
from aejax.data.table_schema import IMPUTING, MissingPolicy
from aejax.errors import require

ScalerKind = Literal["range", "minmax", "standard", "none"]
ROUNDING = 1e-8  # spread relative to the largest magnitude: less than float32 resolves, so a constant
MIN_SPREAD = 1e-37  # whose reciprocal is still a float32 number


class Scaler(NamedTuple):
    """Parameters of `(inputs - shift) * scale`, per feature or shared by all features."""

    shift: Float[np.ndarray, "..."] | Float[Array, "..."]
    scale: Float[np.ndarray, "..."] | Float[Array, "..."]
    fill: Float[np.ndarray, "..."] | Float[Array, "..."] | None = None  # replaces missing values (NaN) before scaling

    def as_variables(self) -> dict[str, Shaped[np.ndarray, "..."] | Shaped[Array, "..."]]:
        """Returns the arrays by name, without a `fill` that is None: `Scaler(**variables)` is its inverse."""
        return {name: leaf for name, leaf in self._asdict().items() if leaf is not None}


def fit_scalers(
    kind: ScalerKind, dataset: Dataset, train: Int[np.ndarray, "seeds n_train"], missing: MissingPolicy = "refuse"
) -> Scaler:
    """Fits a scaler for flat examples to the training rows of each seed, in float64, and returns it in float32.

    Missing values are filled in first, by the mean of the training rows (`mean`, `indicator`) or their median
    (`median`), and by 0 where all are missing; the scaler is then fitted as scikit-learn's `SimpleImputer` and
    `StandardScaler` or `MinMaxScaler` in a pipeline. Features that are constant on the training rows but for rounding
    get the scale 0: what a test row has there says nothing that training could have learned.

    Returns:
        A scaler with a leading seed axis on its leaves: `(seeds, d)`, or `(seeds, 1)` for shift and scale of `range`
        and `none`, which use no rows. `fill` is None unless `missing` is a policy that imputes.

    Raises:
        InputError: `kind` is `range`, and the dataset declares no value range.
    """
    flat = dataset.inputs.reshape(len(dataset.inputs), -1)
    fill = np.stack([_fit_fill(flat[rows], missing) for rows in train]) if missing in IMPUTING else None
    if kind in ("range", "none"):
        low, high = 0.0, 1.0
        if kind == "range":
            require(
                dataset.value_range,
                f"--scaler range: {dataset.name} declares no value range; use minmax, standard or none",
            )
            low, high = dataset.value_range or (low, high)
        ones = np.ones((len(train), 1), np.float32)
        return Scaler(ones * np.float32(low), ones / np.float32(high - low), fill)
    fitted = [
        _fit_scaler(kind, flat[rows] if fill is None else np.where(np.isnan(flat[rows]), fill[seed], flat[rows]))
        for seed, rows in enumerate(train)
    ]
    shift, scale = (np.stack(leaf) for leaf in zip(*fitted, strict=True))
    return Scaler(shift, scale, fill)


def _fit_fill(inputs: Shaped[np.ndarray, "n d"], missing: MissingPolicy) -> Float[np.ndarray, " d"]:
    """Returns the mean or median of the values that are not missing; 0 for a column without any."""
    known = np.where(np.isnan(inputs).all(axis=0), 0.0, inputs.astype(np.float64))
    return (np.nanmedian if missing == "median" else np.nanmean)(known, axis=0).astype(np.float32)


def _fit_scaler(
    kind: ScalerKind, inputs: Shaped[np.ndarray, "n d"]
) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]]:
    """Returns shift and scale."""
    low, high = (limit(axis=0).astype(np.float64) for limit in (inputs.min, inputs.max))
    if kind == "minmax":
        shift, spread = low, high - low
    else:
        shift, spread = inputs.mean(axis=0, dtype=np.float64), inputs.std(axis=0, dtype=np.float64)
    constant = spread <= np.maximum(ROUNDING * np.maximum(np.abs(low), np.abs(high)), MIN_SPREAD)
    scale = np.where(constant, 0.0, 1.0 / np.where(constant, 1.0, spread))
    return shift.astype(np.float32), scale.astype(np.float32)


def apply_scaler(scaler: Scaler, inputs: Shaped[Array | np.ndarray, "batch d"]) -> Float[Array, "batch d"]:
    """Fills in and scales flat examples with the scaler of one seed, to float32; can be jitted."""
    values = jnp.asarray(inputs, jnp.float32)
    if scaler.fill is not None:
        values = jnp.where(jnp.isnan(values), scaler.fill[None], values)
    return (values - scaler.shift[None]) * scaler.scale[None]
