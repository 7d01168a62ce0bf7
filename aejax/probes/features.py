"""Features, read in blocks of rows so that memory holds a single standardised copy, and their principal axes."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from aejax.data.scalers import Scaler, apply_scaler

CPU_ROWS_PER_BLOCK = 512  # other devices process all rows as one block
ROUNDING = 1e-6  # a deviation of this share of a largest one is the rounding error of float32 features


def principal_axes(centred: Float[Array, "n d"]) -> tuple[Float[Array, " k"], Float[Array, "d k"]]:
    """Returns variances and unit axes of the principal components, k = min(n, d), in ascending or descending order.

    With at least as many rows as columns they are the eigenvalues and eigenvectors of the covariance, ascending. Else
    they come from `centred' = Q R` and the singular value decomposition of the n x n matrix R, descending: nothing has
    d x d entries, and small components are as accurate as float32 allows (Golub and Van Loan 2013, section 8.6.3).
    """
    n, d = centred.shape
    if n >= d:
        return jnp.linalg.eigh(centred.T @ centred / n)
    basis, factor = jnp.linalg.qr(centred.T)
    left, singular, _ = jnp.linalg.svd(factor)
    return jnp.square(singular) / n, basis @ left


def leading_axes(centred: Float[Array, "n d"], count: int) -> Float[Array, "d k"]:
    """Returns the leading `count` axes, at most n - 1, as centred rows have no more; axes beyond the rank are zero.

    A component is beyond the numerical rank if its deviation is rounding error relative to the rows' norm. Its axis is
    replaced by zeros and not left out, so that the axes of all seeds have one shape.
    """
    n, d = centred.shape
    _, axes = principal_axes(centred)
    leading = (axes[:, ::-1] if n >= d else axes)[:, : max(1, min(count, n - 1))]
    squares = jnp.sum(jnp.square(centred @ leading), axis=0)
    total = jnp.sum(jnp.square(centred))
    return jnp.where(squares > ROUNDING**2 * total, leading, 0.0)


class Features(NamedTuple):
    """One seed's features of every row, or unscaled inputs with their scaler."""

    values: Shaped[Array, "n d"]
    scaler: Scaler | None = None  # for inputs in storage dtype; None for codes

    def gather(self, rows: Int[Array, " m"]) -> Float[Array, "m d"]:
        """Returns the features of `rows`; only these rows of unscaled inputs are converted to float32."""
        values = jnp.take(self.values, rows, axis=0, mode="clip")
        return values if self.scaler is None else apply_scaler(self.scaler, values)

    def select(self, columns: Int[Array, " k"]) -> "Features":
        """Returns some of the features, of every row."""
        d = self.values.shape[1]
        scaler = jax.tree.map(lambda leaf: leaf[columns] if leaf.shape[0] == d else leaf, self.scaler)
        return Features(self.values[:, columns], scaler)


class ProbeRows(NamedTuple):
    """One seed's rows of the dataset, by what they are used for.

    A fold divides the labelled rows in two: a classifier is fitted on one part for every setting, and the other part
    validates it. The setting with the best mean over the folds is then fitted on all labelled rows.
    """

    fit: Int[Array, " n_fit"]  # labelled rows
    standardize: Int[Array, " n_train"]  # training inputs, labelled or not, which standardise the features
    fold_train: Int[Array, "folds n_fold_train"]  # positions in `fit`
    fold_valid: Int[Array, "folds n_fold_valid"]  # positions in `fit`
    test: Int[Array, " n_test"]
    groups: Int[Array, " n"] | None = None  # group of every row of the dataset; None: every row is its own


class RowBlocks(NamedTuple):
    """The positions 0 .. n-1 in blocks of one size; the last block is padded with the last position."""

    indices: Int[Array, "blocks size"]
    is_valid: Bool[Array, "blocks size"]  # not padding


def make_row_blocks(n_rows: int) -> RowBlocks:
    """Splits rows into blocks that fit a processor's cache."""
    size = min(n_rows, CPU_ROWS_PER_BLOCK) if jax.default_backend() == "cpu" else n_rows
    positions = jnp.arange(-(-n_rows // size) * size).reshape(-1, size)
    return RowBlocks(jnp.minimum(positions, n_rows - 1), positions < n_rows)


def map_row_blocks(
    fn: Callable[[Int[Array, " size"]], tuple[Float[Array, "size _"], ...]], n_rows: int, dependency: Int[Array, " _"]
) -> tuple[Float[Array, "blocks size _"], ...]:
    """Applies `fn` to the positions of every block and stacks the results, with zeros for padding.

    XLA may allocate a loop's output long before the loop, while memory that is freed in between is still in use. So the
    output is initialised with a zero that is only known once `dependency`, which must not be negative, is computed.
    """
    blocks = make_row_blocks(n_rows)
    zero = jnp.where(dependency[0] < 0, 1.0, 0.0)
    shapes = jax.eval_shape(fn, blocks.indices[0])
    start = tuple(jnp.full((len(blocks.indices), *part.shape), zero) for part in shapes)

    def fill(at: Int[Array, ""], parts: tuple[Array, ...]) -> tuple[Array, ...]:
        is_valid, new = blocks.is_valid[at][:, None], fn(blocks.indices[at])
        return tuple(part.at[at].set(jnp.where(is_valid, value, 0.0)) for part, value in zip(parts, new, strict=True))

    return jax.lax.fori_loop(0, len(blocks.indices), fill, start)


_Moments = tuple[Array, Array, Array, Array, Array]  # number of rows; mean, sum of squares, lowest and highest value


class Standardizer(NamedTuple):
    """Mean and standard deviation of each feature; `(features - mean) / std` is the standardised feature."""

    mean: Float[Array, " d"]
    std: Float[Array, " d"]  # infinite for a feature that is dropped


def fit_standardizer(features: Features, rows: Int[Array, " m"], enabled: bool) -> Standardizer:
    """Computes mean and standard deviation of each feature over `rows`; 0 and 1 unless `enabled`.

    The moments of blocks are combined one by one (Chan, Golub and LeVeque 1983). Features that vary by rounding error
    only are dropped, as standardising would amplify it: the deviation is infinite, the standardised feature 0. Inputs
    are exact, so these are the constant ones, whatever their mean; codes have passed through sums in float32, so theirs
    are compared with their mean and with the largest deviation of all.
    """
    d = features.values.shape[1]
    if not enabled:
        return Standardizer(jnp.zeros(d), jnp.ones(d))

    def add(moments: _Moments, block: RowBlocks) -> tuple[_Moments, None]:
        count, mean, squares, low, high = moments
        values, is_valid = features.gather(rows[block.indices]), block.is_valid[:, None]
        new = jnp.sum(block.is_valid)
        total = count + new
        block_mean = jnp.sum(values, axis=0, where=is_valid) / new
        block_squares = jnp.sum(jnp.square(values - block_mean[None]), axis=0, where=is_valid)
        shift = block_mean - mean
        squares = squares + block_squares + shift * (shift * (count * new / total))
        low, high = jnp.minimum(low, jnp.min(values, axis=0)), jnp.maximum(high, jnp.max(values, axis=0))
        return (total, mean + shift * (new / total), squares, low, high), None

    start = jnp.zeros(()), jnp.zeros(d), jnp.zeros(d), jnp.full(d, jnp.inf), jnp.full(d, -jnp.inf)
    (count, mean, squares, low, high), _ = jax.lax.scan(add, start, make_row_blocks(rows.shape[0]))
    std = jnp.sqrt(squares / count)
    varies = high > low
    if features.scaler is None:
        varies &= std > ROUNDING * jnp.maximum(jnp.abs(mean), jnp.max(jnp.where(varies, std, 0.0)))
    return Standardizer(mean, jnp.where(varies, std, jnp.inf))


def standardize(standardizer: Standardizer, features: Float[Array, "n d"]) -> Float[Array, "n d"]:
    """Returns standardised features."""
    return (features - standardizer.mean[None]) / standardizer.std[None]
