"""Neither the order of a table's columns nor their units nor a constant added to them changes what a probe finds."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from aejax.config import ProbeConfig
from aejax.data.dataset import make_dataset
from aejax.data.scalers import fit_scalers
from aejax.methods.controls import fit_pca
from aejax.probes.features import Features
from aejax.probes.logistic_probe import make_logistic_probe
from tests.probe_rows import make_probe_rows

RNG = np.random.default_rng(0)
LABELS = np.arange(150) % 3
TABLE = 0.8 * RNG.normal(size=(3, 8))[LABELS] + RNG.normal(size=(150, 8))
TRAIN = np.arange(90)
ROWS = make_probe_rows(TRAIN, valid=jnp.arange(90, 120), test=jnp.arange(120, 150))
CHANGES = {
    "columns in another order": lambda table: table[:, ::-1],
    "a column in millions": lambda table: table * np.where(np.arange(8) == 2, 1e6, 1.0),
    "a column in millionths": lambda table: table * np.where(np.arange(8) == 2, 1e-6, 1.0),
    "a million added to a column": lambda table: table + np.where(np.arange(8) == 2, 1e6, 0.0),
    "a million subtracted from all": lambda table: table - 1e6,
    "a column that is constant but for rounding": lambda table: np.hstack([table, 0.1 + 1e-17 * table[:, :1]]),
}


@jax.jit
def run_probe(features: Features):
    return make_logistic_probe(ProbeConfig(), 3)(features, jnp.asarray(LABELS), ROWS)


@functools.cache
def log_probs(change: str | None, components: int | None, kind: str = "standard") -> np.ndarray:
    """Returns the probe's log-probabilities of the test rows, from the scaled table or its principal components."""
    data = make_dataset("table", CHANGES[change](TABLE) if change else TABLE, LABELS, source="table")
    scaler = jax.tree.map(lambda leaf: leaf[0], fit_scalers(kind, data, TRAIN[None]))
    features = Features(jnp.asarray(data.inputs), scaler)
    if components is not None:
        inputs = features.gather(jnp.arange(150))
        fitted = fit_pca(inputs[TRAIN], components)["pca"]
        features = Features((inputs - fitted["mean"][None]) @ fitted["axes"])
    return np.asarray(run_probe(features).log_probs)


@pytest.mark.parametrize("components", [None, 3], ids=["raw", "pca"])
@pytest.mark.parametrize("change", CHANGES)
def test_predictions_do_not_depend_on_order_units_or_offsets_of_columns(change, components):
    np.testing.assert_allclose(log_probs(change, components), log_probs(None, components), atol=2e-3)


@pytest.mark.parametrize("change", CHANGES)
def test_without_a_scaler_the_probes_own_standardisation_is_enough(change):
    np.testing.assert_allclose(log_probs(change, None, "none"), log_probs(None, None, "none"), atol=2e-3)


@pytest.mark.parametrize("kind", ["standard", "minmax", "none"])
def test_dates_that_float32_would_merge_decide_the_class(kind):
    table = np.stack([20_180_127 + LABELS, RNG.normal(size=150)], axis=1)
    data = make_dataset("dates", table, LABELS, source="dates")
    assert len(np.unique(data.inputs[:, 0])) == 3
    scaler = jax.tree.map(lambda leaf: leaf[0], fit_scalers(kind, data, TRAIN[None]))
    predicted = np.argmax(run_probe(Features(jnp.asarray(data.inputs), scaler)).log_probs, axis=1)
    train, test = TRAIN, np.asarray(ROWS.test)
    reference = make_pipeline(StandardScaler(), LogisticRegression()).fit(table[train], LABELS[train])
    assert np.mean(predicted == LABELS[test]) == reference.score(table[test], LABELS[test]) == 1
