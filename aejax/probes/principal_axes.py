"""Principal axes of centred rows, at the cost of the smaller of the two dimensions, and what rounding makes of them."""

import jax.numpy as jnp
from jaxtyping import Array, Float

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
