"""The k-nearest-neighbours probe, with k selected on validation rows.

Distances are Euclidean, between inputs as scaled by the data's scaler or codes as computed by the encoder. Features are
not standardised: that would give a pixel that hardly varies the same weight as any other, and would replace the metric
that an encoder has learned.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from aejax.probe.features import Features, ProbeRows, fit_standardizer, map_row_blocks

K_CANDIDATES = (1, 3, 5, 11, 21, 51)  # those above the number of training rows are left out
MAX_DISTANCES_IN_MEMORY = 1 << 23  # float32 distances computed at a time: 32 MiB
LAPLACE_SMOOTHING = 1.0  # added to the votes of every class, so that no probability is 0


class KNNResult(NamedTuple):
    """One seed's log-probabilities for the test rows, and the selected k."""

    log_probs: Float[Array, "n_test classes"]
    k: Int[Array, ""]  # number of neighbours that vote
    grid_edge: Bool[Array, ""]  # the best k was the smallest or largest that was tried
    valid_accuracy: Float[Array, " grid"]  # of each candidate, with training rows as neighbours


def usable_k(n_train: int) -> tuple[int, ...]:
    """Returns the candidates for k with `n_train` training rows."""
    return tuple(k for k in K_CANDIDATES if k <= n_train)


def nearest_neighbors(
    queries: Float[Array, "m d"],
    features: Features,
    rows: Int[Array, " n"],
    n_neighbors: int,
    block_size: int | None = None,
) -> Int[Array, "m n_neighbors"]:
    """Returns, for each query, the positions in `rows` of its nearest neighbours, nearest first, ties in order.

    Exact, by one float32 product for each block of queries: |x|^2 - 2 q'x has the same order as |q - x|^2. Features are
    centred at the mean of `rows`, so that a large common offset costs no precision.

    Args:
        queries: features whose neighbours are searched.
        features: of the candidates, read block by block.
        rows: the candidates.
        n_neighbors: at most n.
        block_size: queries per block; default: as many as MAX_DISTANCES_IN_MEMORY allows.
    """
    mean = fit_standardizer(features, rows, enabled=True).mean
    (centred,) = map_row_blocks(
        lambda positions: (features.gather(rows[positions]) - mean[None],), len(rows), dependency=rows
    )
    centred = centred.reshape(-1, mean.shape[0])
    half_norms = jnp.sum(jnp.square(centred), axis=1) / 2
    half_norms = jnp.where(jnp.arange(len(centred)) < len(rows), half_norms, jnp.inf)  # padding is never near

    def nearest(query: Float[Array, " d"]) -> Int[Array, " n_neighbors"]:
        return jax.lax.top_k(centred @ (query - mean) - half_norms, n_neighbors)[1]

    with jax.default_matmul_precision("highest"):
        block_size = block_size or max(1, MAX_DISTANCES_IN_MEMORY // len(rows))
        return jax.lax.map(nearest, queries, batch_size=min(block_size, queries.shape[0]))


def count_votes(
    neighbors: Int[Array, "m n_neighbors"], labels: Int[Array, " n"], k: Int[Array, ""] | int, n_classes: int
) -> Float[Array, "m classes"]:
    """Counts the first `k` neighbours of each class."""
    is_voting = jnp.arange(neighbors.shape[1]) < k
    votes = jnp.where(is_voting[None], labels[neighbors], n_classes)  # the class beyond the last is dropped
    return jax.vmap(lambda row: jnp.bincount(row, length=n_classes + 1)[:n_classes])(votes).astype(jnp.float32)


def make_knn_probe(
    n_classes: int,
) -> Callable[[Features, Int[Array, " n"], ProbeRows], KNNResult]:
    """Returns the probe as a pure function of one seed's `(features, labels, rows)`; it needs validation rows.

    k is the one of highest accuracy on the validation rows with the training rows as neighbours (the largest of those
    that tie); then training and validation rows together are the neighbours of the test rows. Probabilities are
    smoothed shares of votes, (votes + 1) / (k + classes), so the NLL is finite, and coarse where k is small. Of classes
    with equal votes the first is predicted, as in scikit-learn.
    """

    def validate(
        features: Features, labels: Int[Array, " n"], rows: ProbeRows, candidates: tuple[int, ...]
    ) -> Float[Array, " grid"]:
        neighbors = nearest_neighbors(features.gather(rows.valid), features, rows.train, candidates[-1])

        def accuracy(k: Int[Array, ""]) -> Float[Array, ""]:
            predicted = jnp.argmax(count_votes(neighbors, labels[rows.train], k, n_classes), axis=1)
            return jnp.mean((predicted == labels[rows.valid]).astype(jnp.float32))

        return jax.lax.map(accuracy, jnp.asarray(candidates))

    def classify(features: Features, labels: Int[Array, " n"], rows: ProbeRows) -> KNNResult:
        candidates = usable_k(rows.train.shape[0])
        valid_accuracy = validate(features, labels, rows, candidates)
        best = len(candidates) - 1 - jnp.argmax(valid_accuracy[::-1])
        k = jnp.asarray(candidates)[best]
        fit_rows = jnp.concatenate([rows.train, rows.valid])
        fit_rows = jnp.where(k > 0, fit_rows, 0)  # a data dependency, so that memory never holds both searches
        neighbors = nearest_neighbors(features.gather(rows.test), features, fit_rows, candidates[-1])
        votes = count_votes(neighbors, labels[fit_rows], k, n_classes) + LAPLACE_SMOOTHING
        log_probs = jnp.log(votes / jnp.sum(votes, axis=1, keepdims=True))
        return KNNResult(log_probs, k, (best == 0) | (best == len(candidates) - 1), valid_accuracy)

    return classify
