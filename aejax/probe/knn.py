"""k nearest neighbours: what can be read from features without any fit, with k chosen on validation rows.

Distances are Euclidean, between features as they are given: pixels and columns as the data's scaler left them, codes
as the encoder made them. They are not standardised, neither for inputs nor for codes: that would give a pixel that
hardly ever varies as much say as any other, and would replace the metric that an encoder has learned.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from aejax.probe.features import Features, fit_standardizer, map_row_blocks
from aejax.probe.logistic_probe import ProbeRows

K_CANDIDATES = (1, 3, 5, 11, 21, 51)  # candidates for k, as far as there are training rows
MAX_DISTANCES_IN_MEMORY = 1 << 23  # float32 distances held at a time: 32 MiB
LAPLACE_SMOOTHING = 1.0  # votes that every class has before any neighbour votes (Laplace), so that no probability is 0


class KNNResult(NamedTuple):
    """What one seed's neighbours say of the test rows."""

    log_probs: Float[Array, "n_test classes"]
    k: Int[Array, ""]  # neighbours that vote
    grid_edge: Bool[Array, ""]  # the best k was the smallest or largest that was tried
    valid_accuracy: Float[Array, " grid"]  # of each candidate, neighbours being training rows


def usable_k(n_train: int) -> tuple[int, ...]:
    """The values of k that are tried with so many training rows."""
    return tuple(k for k in K_CANDIDATES if k <= n_train)


def nearest_neighbors(
    queries: Float[Array, "m d"],
    features: Features,
    rows: Int[Array, " n"],
    n_neighbors: int,
    block_size: int | None = None,
) -> Int[Array, "m count"]:
    """For each query the places in `rows` of its `count` nearest, nearest first; equally near ones in their order.

    Exact, by one float32 product for each block of queries. |q - x|^2 - |q|^2 = |x|^2 - 2 q'x, which ranks the same,
    of features moved to the mean of `rows`, so that what all of them share costs no digits.

    Args:
        queries: whose neighbours are sought.
        features: among which they are sought, read block by block.
        rows: those that may be neighbours.
        count: how many; at most n.
        block: queries taken at once; default: as many as `DISTANCES_AT_ONCE` allows.
    """
    mean = fit_standardizer(features, rows, enabled=True).mean
    (centred,) = map_row_blocks(
        lambda places: (features.gather(rows[places]) - mean[None],), len(rows), dependency=rows
    )
    centred = centred.reshape(-1, mean.shape[0])
    half_norms = jnp.sum(jnp.square(centred), axis=1) / 2
    half_norms = jnp.where(jnp.arange(len(centred)) < len(rows), half_norms, jnp.inf)  # what fills up is never near

    def of_one(query: Float[Array, " d"]) -> Int[Array, " n_neighbors"]:
        return jax.lax.top_k(centred @ (query - mean) - half_norms, n_neighbors)[1]

    with jax.default_matmul_precision("highest"):
        block_size = block_size or max(1, MAX_DISTANCES_IN_MEMORY // len(rows))
        return jax.lax.map(of_one, queries, batch_size=min(block_size, queries.shape[0]))


def count_votes(
    neighbors: Int[Array, "m count"], labels: Int[Array, " n"], k: Int[Array, ""] | int, n_classes: int
) -> Float[Array, "m classes"]:
    """How many of the first `k` neighbours are of each class."""
    voting = jnp.arange(neighbors.shape[1]) < k
    own = jnp.where(voting[None], labels[neighbors], n_classes)  # a class beyond the last has no column
    return jax.vmap(lambda row: jnp.bincount(row, length=n_classes + 1)[:n_classes])(own).astype(jnp.float32)


def make_knn_probe(
    n_classes: int,
) -> Callable[[Features, Int[Array, " n"], ProbeRows], KNNResult]:
    """The classifier as a pure function of one seed's `(features, labels, rows)`; the rows need validation rows.

    k is the one of highest accuracy on the validation rows when the training rows are their neighbours (of those that
    tie, the largest); then training and validation rows together are the neighbours of the test rows. Probabilities
    are shares of votes, each class having `SMOOTHING` votes to begin with: (votes + 1) / (k + classes). So the NLL is
    finite, and coarse where k is small. Classes with equally many votes: the first one, as in scikit-learn.
    """

    def choose(
        features: Features, labels: Int[Array, " n"], rows: ProbeRows, tried: tuple[int, ...]
    ) -> Float[Array, " grid"]:
        found = nearest_neighbors(features.gather(rows.valid), features, rows.train, tried[-1])

        def accuracy(k: Int[Array, ""]) -> Float[Array, ""]:
            predicted = jnp.argmax(count_votes(found, labels[rows.train], k, n_classes), axis=1)
            return jnp.mean((predicted == labels[rows.valid]).astype(jnp.float32))

        return jax.lax.map(accuracy, jnp.asarray(tried))

    def classify(features: Features, labels: Int[Array, " n"], rows: ProbeRows) -> KNNResult:
        tried = usable_k(rows.train.shape[0])
        valid_accuracy = choose(features, labels, rows, tried)
        best = len(tried) - 1 - jnp.argmax(valid_accuracy[::-1])
        k = jnp.asarray(tried)[best]
        both = jnp.concatenate([rows.train, rows.valid])
        both = jnp.where(k > 0, both, 0)  # depends on the choice, so that memory never holds both sets of neighbours
        found = nearest_neighbors(features.gather(rows.test), features, both, tried[-1])
        counts = count_votes(found, labels[both], k, n_classes) + LAPLACE_SMOOTHING
        log_probs = jnp.log(counts / jnp.sum(counts, axis=1, keepdims=True))
        return KNNResult(log_probs, k, (best == 0) | (best == len(tried) - 1), valid_accuracy)

    return classify
