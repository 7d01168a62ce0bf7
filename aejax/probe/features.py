"""Features as classifiers read them: a block of rows at a time, so that one copy of them, laid out for use, is all."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from aejax.data.scalers import Scaler, apply_scaler

CPU_ROWS_PER_BLOCK = 512  # per block on a CPU; other devices take all rows as one block


class Features(NamedTuple):
    """One seed's features of every row, or inputs that are yet to be scaled."""

    values: Shaped[Array, "n d"]
    scaler: Scaler | None = None  # of inputs in storage dtype; codes have none

    def gather(self, rows: Int[Array, " m"]) -> Float[Array, "m d"]:
        """The features of `rows`; of inputs only these are widened."""
        taken = jnp.take(self.values, rows, axis=0, mode="clip")
        return taken if self.scaler is None else apply_scaler(self.scaler, taken)


class RowBlocks(NamedTuple):
    """The places 0 .. n-1 in blocks of one size; what fills the last one up repeats the last place."""

    indices: Int[Array, "blocks size"]
    is_valid: Bool[Array, "blocks size"]  # not a repetition


def make_row_blocks(n_rows: int) -> RowBlocks:
    """Blocks of as many rows as a processor's cache holds."""
    size = min(n_rows, CPU_ROWS_PER_BLOCK) if jax.default_backend() == "cpu" else n_rows
    places = jnp.arange(-(-n_rows // size) * size).reshape(-1, size)
    return RowBlocks(jnp.minimum(places, n_rows - 1), places < n_rows)


def map_row_blocks(
    fn: Callable[[Int[Array, " size"]], tuple[Float[Array, "size _"], ...]], n_rows: int, dependency: Int[Array, " _"]
) -> tuple[Float[Array, "blocks size _"], ...]:
    """`function` of the places of every block, stacked, with zeros where the last block is filled up.

    XLA is free to set up what a loop writes into long before the loop, beside memory that is given back until then. So
    it begins as a number that is always zero, but not known to be before `after` is, which must not be negative.
    """
    blocks = make_row_blocks(n_rows)
    zero = jnp.where(dependency[0] < 0, 1.0, 0.0)
    made = jax.eval_shape(fn, blocks.indices[0])
    start = tuple(jnp.full((len(blocks.indices), *part.shape), zero) for part in made)

    def fill(at: Int[Array, ""], parts: tuple[Array, ...]) -> tuple[Array, ...]:
        real, new = blocks.is_valid[at][:, None], fn(blocks.indices[at])
        return tuple(part.at[at].set(jnp.where(real, own, 0.0)) for part, own in zip(parts, new, strict=True))

    return jax.lax.fori_loop(0, len(blocks.indices), fill, start)


class Standardizer(NamedTuple):
    """`(features - mean) / deviation`."""

    mean: Float[Array, " d"]
    std: Float[Array, " d"]


def fit_standardizer(features: Features, rows: Int[Array, " m"], enabled: bool) -> Standardizer:
    """Mean and deviation of each feature over `rows`; 0 and 1 unless `wanted`.

    Block by block, the moments of each put together with those before (Chan, Golub and LeVeque 1983).
    """
    d = features.values.shape[1]
    if not enabled:
        return Standardizer(jnp.zeros(d), jnp.ones(d))

    def add(known: tuple[Array, Array, Array], block: RowBlocks) -> tuple[tuple[Array, Array, Array], None]:
        count, mean, squares = known
        own, counts = features.gather(rows[block.indices]), block.is_valid[:, None]
        new = jnp.sum(block.is_valid)
        total = count + new
        centre = jnp.sum(own, axis=0, where=counts) / new
        spread = jnp.sum(jnp.square(own - centre[None]), axis=0, where=counts)
        apart = centre - mean
        squares = squares + spread + apart * (apart * (count * new / total))
        return (total, mean + apart * (new / total), squares), None

    none = jnp.zeros(()), jnp.zeros(d), jnp.zeros(d)
    (count, mean, squares), _ = jax.lax.scan(add, none, make_row_blocks(rows.shape[0]))
    deviation = jnp.sqrt(squares / count)
    # A constant column is left at zero rather than blown up by what rounding made of it.
    return Standardizer(mean, jnp.where(deviation > 1e-6 * jnp.abs(mean), deviation, jnp.inf))


def standardize(standardizer: Standardizer, features: Float[Array, "n d"]) -> Float[Array, "n d"]:
    """Features as the classifier sees them."""
    return (features - standardizer.mean[None]) / standardizer.std[None]
