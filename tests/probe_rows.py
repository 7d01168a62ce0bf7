"""Rows of a probe, for tests."""

import jax
import jax.numpy as jnp
import numpy as np

from aejax.probes.features import ProbeRows


def make_probe_rows(train, valid, test, standardize=None) -> ProbeRows:
    """Returns one fold, in which `valid` validates what is fitted on `train`; by default both standardise."""
    fit = np.concatenate([train, valid]).astype(np.int32)
    order = np.arange(len(fit), dtype=np.int32)[None]
    standardize = fit if standardize is None else standardize
    return jax.tree.map(jnp.asarray, ProbeRows(fit, standardize, order[:, : len(train)], order[:, len(train) :], test))


def make_fold_rows(fit, folds: int, test, standardize, groups=None) -> ProbeRows:
    """Returns `folds` folds, a divisor of the number of labelled rows, of which neighbours validate together."""
    order = np.arange(len(fit), dtype=np.int32)
    valid = order.reshape(folds, -1)
    train = np.stack([np.setdiff1d(order, rows) for rows in valid])
    return jax.tree.map(jnp.asarray, ProbeRows(fit, standardize, train, valid, test, groups))
