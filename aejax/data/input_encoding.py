"""The encoding of raw examples as the numbers that a `Dataset` stores, for models that are used after training."""

import dataclasses
import math
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Shaped

from aejax.data.dataset import Dataset
from aejax.data.table_schema import TableSchema
from aejax.errors import InputError, require

RawInputs: TypeAlias = Shaped[Array | np.ndarray, "..."] | pd.DataFrame


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputEncoding:
    """What readers do to the examples of a source before they are stored as float32."""

    table: TableSchema | None = None  # the columns of a table
    offsets: tuple[float, ...] | None = None  # one per feature, subtracted in float64

    def to_rows(self, inputs: RawInputs, shape: tuple[int, ...]) -> tuple[Float[Array, "batch d"], bool]:
        """Returns raw examples as a dataset stores them, flat and in float32, and whether they are a batch.

        Offsets are subtracted in float64 from what is on the host. From JAX arrays, as inside `jit`, they are
        subtracted in float32, which may merge distinct large values.

        Args:
            inputs: one example `(*shape)` or `(d)`, or a batch of them; or a DataFrame with the table's columns in any
                order, further ones being ignored.
            shape: of an example.

        Raises:
            InputError: a column is missing or cannot be encoded, the source was no table, or the inputs have another
                shape.
        """
        if isinstance(inputs, pd.DataFrame):
            if self.table is None:
                raise InputError("inputs are a DataFrame, but the training data were arrays; give inputs.to_numpy()")
            inputs = self.table.encode(inputs)
        array = inputs if isinstance(inputs, jax.Array) else np.asarray(inputs)
        numeric = any(jnp.issubdtype(array.dtype, kind) for kind in (jnp.floating, jnp.integer, jnp.bool_))
        require(numeric, f"inputs have dtype {array.dtype}; expected real numbers; encode them as numbers first")
        n_features = math.prod(shape)
        accepted = [shape, (n_features,)]
        if len(shape) == 3 and shape[0] > 1 and shape[2] == 1:  # a grey image, with or without the axis of its channel
            accepted.append(shape[:2])
        batched = array.shape[1:] in accepted
        if not batched and array.shape not in accepted:
            expected = " or ".join(f"(batch, {', '.join(map(str, option))})" for option in dict.fromkeys(accepted))
            raise InputError(f"inputs of shape {array.shape}: expected {expected}")
        rows = array.reshape(array.shape[0] if batched else 1, n_features)
        if self.offsets is not None:
            dtype = np.float32 if isinstance(rows, jax.Array) else np.float64
            rows = rows.astype(dtype) - np.asarray([self.offsets], dtype)
        return jnp.asarray(rows, jnp.float32), batched


def encoding_of(dataset: Dataset) -> InputEncoding:
    """Returns the encoding with which a dataset was read."""
    offsets = None if dataset.offsets is None else tuple(dataset.offsets.tolist())
    return InputEncoding(table=dataset.table, offsets=offsets)
