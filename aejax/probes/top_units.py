"""Sparse probes: for each class, a logistic regression on the few units that differ most between it and the others.

k-sparse probing (Gurnee et al. 2023, section 3.2; Kantamneni et al. 2025): units are ranked by the absolute difference
of their mean over the examples of a class and over all others, in the units' own scale, on labelled rows; the first k
are kept. The probability of a class is that of its own probe, divided by the sum over the classes; two classes share
one probe.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from aejax.config import ProbeConfig
from aejax.probes.duality_gap import Certificate, compute_certificate
from aejax.probes.features import (
    Features,
    ProbeRows,
    RowBlocks,
    Standardizer,
    fit_standardizer,
    make_row_blocks,
    standardize,
)
from aejax.probes.logistic import (
    LinearClassifier,
    initial_hessian_blocks,
    linear_logits,
    make_blocked_problem,
    to_linear,
    zero_coefficients,
)
from aejax.probes.logistic_probe import FINAL_TOLERANCE
from aejax.probes.newton import solve_logistic
from aejax.probes.regularization_path import fixed_strength, make_fold_weights, select_strength


class _ClassProbe(NamedTuple):
    """The probe of one class against the others, or of the second class of two."""

    linear: LinearClassifier  # of its standardised units
    logits: Float[Array, "n_test 2"]
    l2: Float[Array, ""]  # per-example strength
    grid_edge: Bool[Array, ""]
    grid_extended: Bool[Array, ""]
    valid_nll: Float[Array, " grid"]  # mean over the folds, in nats; empty if l2 is fixed


class TopUnitsResult(NamedTuple):
    """One seed's probes and their log-probabilities for the test rows."""

    log_probs: Float[Array, "n_test classes"]
    units: Int[Array, "probes k"]  # of each probe, the largest difference first; -1 where there are fewer than k
    linear: LinearClassifier  # of every probe, `(probes, k, 2)` and `(probes, 2)`
    standardizer: Standardizer
    strengths: Float[Array, " probes"]
    l2: Float[Array, ""]  # geometric mean of the strengths
    grid_edge: Bool[Array, ""]  # of every probe: a class that is separable has the weakest strength
    grid_extended: Bool[Array, ""]  # of any probe
    valid_nll: Float[Array, " one"]  # lowest of each probe, mean over the probes; empty if l2 is fixed


def mean_differences(
    features: Features, rows: Int[Array, " n"], members: Float[Array, "classes n"], parts: Float[Array, "parts n"]
) -> Float[Array, "parts classes d"]:
    """Returns |mean over a class - mean over all others| of every feature, over each part of some rows.

    Args:
        features: of every example.
        rows: the examples.
        members: 1 where a row is of the class, else 0.
        parts: 1 where a row is of the part, else 0.
    """
    center = fit_standardizer(features, rows, enabled=True).mean
    weights = (parts[:, None] * members[None]).reshape(-1, len(rows))

    def add(sums: Array, block: RowBlocks) -> tuple[Array, None]:
        values = features.gather(rows[block.indices]) - center[None]
        return sums + jnp.where(block.is_valid[None], weights[:, block.indices], 0.0) @ values, None

    start = jnp.zeros((len(weights), len(center)))
    sums, _ = jax.lax.scan(add, start, make_row_blocks(len(rows)))
    sums = sums.reshape(len(parts), len(members), -1)
    counts = jnp.sum(weights, axis=1).reshape(len(parts), len(members), 1)
    others, n_others = jnp.sum(sums, axis=1, keepdims=True) - sums, jnp.sum(counts, axis=1, keepdims=True) - counts
    difference = jnp.abs(sums / jnp.maximum(counts, 1) - others / jnp.maximum(n_others, 1))
    return jnp.where((counts > 0) & (n_others > 0), difference, 0.0)


def make_top_units_probe(
    config: ProbeConfig, n_classes: int
) -> Callable[[Features, Int[Array, " n"], ProbeRows], TopUnitsResult]:
    """Returns the probe as a pure function of one seed's `(features, labels, rows)`; k is the last of `probe_units`.

    The strength of each probe is the one of lowest mean validation loss over the folds, in which units are ranked on
    the fold's training rows alone; units are then ranked, and the probe fitted, on all labelled rows. Features are
    standardised for the fit, on all training inputs.
    """
    first_class = 1 if n_classes == 2 else 0

    def probe(features: Features, labels: Int[Array, " n"], rows: ProbeRows) -> TopUnitsResult:
        n, d = len(rows.fit), features.values.shape[1]
        k = min(config.probe_units[-1], d)
        standardizer = fit_standardizer(features, rows.standardize, config.probe_standardize)
        members = jnp.stack([labels[rows.fit] == label for label in range(n_classes)]).astype(jnp.float32)
        folds = len(rows.fold_train)
        in_train = jnp.zeros((folds, n)).at[jnp.arange(folds)[:, None], rows.fold_train].set(1.0)
        with jax.default_matmul_precision("highest"):
            parts = jnp.concatenate([in_train, jnp.ones((1, n))])
            differences = mean_differences(features, rows.fit, members, parts)[:, first_class:]
            units = jax.lax.top_k(jnp.swapaxes(differences, 0, 1), k)[1]

            def fit(task: tuple[Int[Array, "parts k"], Float[Array, " n"]]) -> _ClassProbe:
                return _fit_class(config, features, standardizer, rows, *task)

            fits = jax.lax.map(fit, (units, members[first_class:]))
        if n_classes == 2:
            log_probs = jax.nn.log_softmax(fits.logits[0])
        else:
            log_probs = jax.nn.log_softmax(jax.nn.log_softmax(fits.logits)[..., 1].T)
        lowest = jnp.min(fits.valid_nll, axis=1, initial=jnp.inf)
        return TopUnitsResult(
            log_probs=log_probs,
            units=jnp.pad(units[:, -1], ((0, 0), (0, config.probe_units[-1] - k)), constant_values=-1),
            linear=fits.linear,
            standardizer=standardizer,
            strengths=fits.l2,
            l2=jnp.exp(jnp.mean(jnp.log(fits.l2))),
            grid_edge=jnp.all(fits.grid_edge),
            grid_extended=jnp.any(fits.grid_extended),
            valid_nll=jnp.mean(lowest)[None] if config.probe_c is None else jnp.zeros(0),
        )

    return probe


def _fit_class(
    config: ProbeConfig,
    features: Features,
    standardizer: Standardizer,
    rows: ProbeRows,
    units: Int[Array, "parts k"],
    is_member: Float[Array, " n"],
) -> _ClassProbe:
    """Fits the probe of one class; the last of the parts are all labelled rows, the others the folds."""
    (parts, k), n = units.shape, len(rows.fit)
    columns, labels = units.reshape(-1), is_member.astype(jnp.int32)
    chosen = features.select(columns)
    scale = Standardizer(standardizer.mean[columns], standardizer.std[columns])

    def read(part: Int[Array, " m"], row: Int[Array, " m"]) -> Float[Array, "m k"]:
        values = standardize(scale, chosen.gather(row))
        return jnp.take_along_axis(values, part[:, None] * k + jnp.arange(k)[None], axis=1)

    def of_all(row: Int[Array, " m"]) -> Float[Array, "m k"]:
        return read(jnp.full(len(row), parts - 1), row)

    problem = make_blocked_problem(lambda at: of_all(rows.fit[at]), labels, 2)
    if config.probe_c is None:  # a copy of the rows for each fold, with the units of the fold
        copies = make_blocked_problem(lambda at: read(at // n, rows.fit[at % n]), jnp.tile(labels, parts - 1), 2)
        first = n * jnp.arange(parts - 1)[:, None]
        selected = select_strength(copies, make_fold_weights(copies, first + rows.fold_train, first + rows.fold_valid))
    else:
        selected = fixed_strength(problem, 1 / (config.probe_c * n))
    start = zero_coefficients(problem), initial_hessian_blocks(problem)
    linear = to_linear(problem, solve_logistic(problem, selected.l2, *start, FINAL_TOLERANCE).coefficients)
    grid = selected.grid_edge, selected.grid_extended, selected.valid_nll
    return _ClassProbe(linear, linear_logits(linear, of_all(rows.test)), selected.l2, *grid)


def certify_top_units_probe(
    result: TopUnitsResult, features: Float[np.ndarray, "fitted d"], labels: Int[np.ndarray, " fitted"]
) -> Certificate:
    """Returns the largest of the certificates of one seed's probes; arguments as in `certify_logistic_probe`.

    The probe of a class that has no label, or every label, is left out: its loss falls towards 0 with the intercept.
    Without any other probe, the certificate is 0.
    """
    weights, bias = np.asarray(result.linear.weights), np.asarray(result.linear.bias)
    mean, std = (np.asarray(leaf, np.float64) for leaf in result.standardizer)
    certificates = []
    for probe, strength in enumerate(np.asarray(result.strengths)):
        units = np.asarray(result.units[probe])[: weights.shape[1]]
        is_member = (labels == (1 if len(weights) == 1 else probe)).astype(np.int64)
        scale = mean[units], std[units]
        if is_member.all() or not is_member.any():
            continue
        certificates.append(
            compute_certificate(features[:, units], is_member, weights[probe], bias[probe], float(strength), scale)
        )
    if not certificates:
        return Certificate(0.0, 0.0)
    return Certificate(*(max(values) for values in zip(*certificates, strict=True)))
