"""The k-nearest-neighbours probe, with the number of neighbours and the temperature chosen by leave-one-out.

Distances are Euclidean, between inputs as scaled by the data's scaler or codes as computed by the encoder. Features are
not standardised: that would give a pixel that hardly varies the same weight as any other, and would replace the metric
that an encoder has learned.

A neighbour at distance d votes with weight exp(-d^2 / (T s)), as in Wu et al. 2018, where s is the mean squared
distance to neighbours, so that T has no unit. With n rows the probability of a class is (n share + 1 / classes) /
(n + 1): as if one more row had voted for all classes alike.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from aejax.probes.features import Features, ProbeRows, fit_standardizer, map_row_blocks

K_CANDIDATES = (1, 3, 5, 11, 21, 51)  # those above the number of possible neighbours are left out
TEMPERATURES = (*(2.0**power for power in range(-7, 3)), 1024.0)  # at the last one all neighbours vote alike
MAX_QUERIES = 10_000  # rows that are left out, one by one, to choose; of more labelled rows, evenly spaced ones
MAX_DISTANCES_IN_MEMORY = 1 << 23  # float32 distances computed at a time: 32 MiB


class KNNResult(NamedTuple):
    """One seed's log-probabilities for the test rows, and the chosen settings."""

    log_probs: Float[Array, "n_test classes"]
    k: Int[Array, ""]  # number of neighbours that vote
    temperature: Float[Array, ""]
    grid_edge: Bool[Array, ""]  # k is the smallest or largest that was tried
    nll: Float[Array, "temperatures grid"]  # of each pair of candidates, in nats, of the rows that were left out


class Neighbors(NamedTuple):
    """The nearest rows of each query, nearest first, ties in order."""

    positions: Int[Array, "m k"]
    squared_distances: Float[Array, "m k"]  # infinite for a row that is no neighbour of the query


def usable_k(n_neighbors: int) -> tuple[int, ...]:
    """Returns the candidates for k where a row has `n_neighbors` possible neighbours."""
    return tuple(k for k in K_CANDIDATES if k <= n_neighbors)


def nearest_neighbors(
    queries: Float[Array, "m d"],
    features: Features,
    rows: Int[Array, " n"],
    n_neighbors: int,
    groups: tuple[Int[Array, " m"], Int[Array, " n"]] | None = None,
) -> Neighbors:
    """Returns, for each query, the positions in `rows` of its nearest neighbours and their distances.

    Exact, by one float32 product for each block of queries: |x|^2 - 2 q'x has the same order as |q - x|^2. Features are
    centred at the mean of `rows`, so that a large common offset costs no precision.

    Args:
        queries: features whose neighbours are searched.
        features: of the candidates, read block by block.
        rows: the candidates.
        n_neighbors: at most n.
        groups: of the queries and of the candidates; a candidate of a query's own group is no neighbour.
    """
    mean = fit_standardizer(features, rows, enabled=True).mean
    (centred,) = map_row_blocks(
        lambda positions: (features.gather(rows[positions]) - mean[None],), len(rows), dependency=rows
    )
    centred = centred.reshape(-1, mean.shape[0])
    half_norms = jnp.sum(jnp.square(centred), axis=1) / 2
    half_norms = jnp.where(jnp.arange(len(centred)) < len(rows), half_norms, jnp.inf)  # padding is never near
    no_group = jnp.full(len(queries), -1), jnp.zeros(len(rows), int)
    query_groups, row_groups = groups or no_group
    row_groups = jnp.pad(row_groups, (0, len(centred) - len(rows)))

    def nearest(query: tuple[Float[Array, " d"], Int[Array, ""]]) -> Neighbors:
        shifted, group = query[0] - mean, query[1]
        closeness = jnp.where(row_groups == group, -jnp.inf, centred @ shifted - half_norms)
        largest, positions = jax.lax.top_k(closeness, n_neighbors)
        return Neighbors(positions, jnp.maximum(jnp.sum(jnp.square(shifted)) - 2 * largest, 0.0))

    with jax.default_matmul_precision("highest"):
        block_size = max(1, MAX_DISTANCES_IN_MEMORY // len(rows))
        return jax.lax.map(nearest, (queries, query_groups), batch_size=min(block_size, queries.shape[0]))


def voting_weights(neighbors: Neighbors, bandwidth: Float[Array, ""]) -> Float[Array, "m k"]:
    """Returns exp(-d^2 / bandwidth) relative to the nearest neighbour; 0 for rows that are no neighbours."""
    squares = neighbors.squared_distances
    excess = jnp.where(jnp.isfinite(squares), squares - squares[:, :1], jnp.inf)
    return jnp.exp(-excess / bandwidth)


def make_knn_probe(n_classes: int) -> Callable[[Features, Int[Array, " n"], ProbeRows], KNNResult]:
    """Returns the probe as a pure function of one seed's `(features, labels, rows)`.

    k and the temperature are those of lowest negative log-likelihood when each labelled row (at most MAX_QUERIES) is
    classified by the others, without those of its own group; of pairs that tie, the largest k at the highest
    temperature. All labelled rows are the neighbours of the test rows.
    """

    def smooth(share: Float[Array, "..."], n: int) -> Float[Array, "..."]:
        return jnp.log((n * share + 1 / n_classes) / (n + 1))

    def leave_one_out(
        features: Features, labels: Int[Array, " n"], rows: ProbeRows, candidates: tuple[int, ...]
    ) -> tuple[Float[Array, "temperatures grid"], Float[Array, ""]]:
        n = rows.fit.shape[0]
        left_out = jnp.asarray(np.arange(min(n, MAX_QUERIES)) * n // min(n, MAX_QUERIES))
        own = rows.fit if rows.groups is None else rows.groups[rows.fit]
        queries = features.gather(rows.fit[left_out])
        neighbors = nearest_neighbors(queries, features, rows.fit, candidates[-1], (own[left_out], own))
        is_neighbor = jnp.isfinite(neighbors.squared_distances)
        scale = jnp.mean(neighbors.squared_distances, where=is_neighbor)
        scale = jnp.where(scale > 0, scale, 1.0)
        true = labels[rows.fit]
        agree = true[neighbors.positions] == true[left_out][:, None]

        def nll(temperature: Float[Array, ""]) -> Float[Array, " grid"]:
            weights = voting_weights(neighbors, temperature * scale)
            votes = jnp.cumsum(jnp.where(is_neighbor, weights, 0.0), axis=1)[:, np.array(candidates) - 1]
            right = jnp.cumsum(jnp.where(agree & is_neighbor, weights, 0.0), axis=1)[:, np.array(candidates) - 1]
            return -jnp.mean(smooth(right / jnp.maximum(votes, 1e-30), n), axis=0)

        return jax.lax.map(nll, jnp.asarray(TEMPERATURES)), scale

    def classify(features: Features, labels: Int[Array, " n"], rows: ProbeRows) -> KNNResult:
        n = rows.fit.shape[0]
        candidates = usable_k(n - 1)
        losses, scale = leave_one_out(features, labels, rows, candidates)
        best = losses.size - 1 - jnp.argmin(losses.T.ravel()[::-1])  # k first: of those that tie, the last
        k_index, t_index = best // len(TEMPERATURES), best % len(TEMPERATURES)
        k, temperature = jnp.asarray(candidates)[k_index], jnp.asarray(TEMPERATURES)[t_index]
        fit = jnp.where(k > 0, rows.fit, 0)  # a data dependency, so that memory never holds both searches
        neighbors = nearest_neighbors(features.gather(rows.test), features, fit, candidates[-1])
        weights = jnp.where(jnp.arange(candidates[-1]) < k, voting_weights(neighbors, temperature * scale), 0.0)
        shares = class_shares(labels[fit][neighbors.positions], weights, n_classes)
        edge = (k_index == 0) | (k_index == len(candidates) - 1)
        return KNNResult(smooth(shares, n), k, temperature, edge, losses)

    return classify


def class_shares(labels: Int[Array, "m k"], weights: Float[Array, "m k"], n_classes: int) -> Float[Array, "m classes"]:
    """Returns the share of each class in the weights."""
    votes = jax.vmap(lambda row, weight: jnp.bincount(row, weight, length=n_classes))(labels, weights)
    return votes / jnp.sum(votes, axis=1, keepdims=True)
