"""Neighbours are scikit-learn's; k and the temperature are chosen by leave-one-out; test rows have no influence."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.preprocessing import StandardScaler

from aejax.evaluate.metrics import expected_calibration_error
from aejax.probes import knn
from aejax.probes.features import Features, ProbeRows
from aejax.probes.knn import K_CANDIDATES, TEMPERATURES, class_shares, make_knn_probe, nearest_neighbors, usable_k
from tests.probe_rows import make_fold_rows


def nearest(queries, candidates, n_neighbors):
    features, rows = Features(jnp.asarray(candidates)), jnp.arange(len(candidates))
    return nearest_neighbors(jnp.asarray(queries), features, rows, n_neighbors)


def split(labels: np.ndarray, n_fit: int, seed: int = 0, groups=None) -> ProbeRows:
    order = np.random.default_rng(seed).permutation(len(labels)).astype(np.int32)
    return make_fold_rows(order[:n_fit], 1, order[n_fit:], order, groups)


def noisy_digits() -> tuple[np.ndarray, np.ndarray]:
    """Digits with noise, so that no two distances are equal and some neighbours are of other classes."""
    inputs, labels = load_digits(return_X_y=True)
    noise = np.random.default_rng(1).normal(size=inputs.shape)
    return (inputs / 16 + 0.3 * noise).astype(np.float32)[:900], labels.astype(np.int32)[:900]


def wine() -> tuple[np.ndarray, np.ndarray]:
    inputs, labels = load_wine(return_X_y=True)
    return StandardScaler().fit_transform(inputs).astype(np.float32), labels.astype(np.int32)


DATA = {"digits": (*noisy_digits(), 500), "wine": (*wine(), 120)}


@functools.cache
def program(classes: int):
    classify = make_knn_probe(classes)
    return jax.jit(lambda inputs, labels, rows: classify(Features(inputs), labels, rows))


def classified(inputs, labels, rows):
    return jax.tree.map(np.asarray, program(int(labels.max()) + 1)(inputs, labels, rows))


@pytest.mark.parametrize("name", DATA)
def test_settings_and_predictions_are_those_of_scikit_learn_with_each_row_left_out(name):
    inputs, labels, n = DATA[name]
    rows = split(labels, n)
    result, classes = classified(inputs, labels, rows), labels.max() + 1
    fit, true = inputs[rows.fit].astype(np.float64), labels[rows.fit]
    distances, neighbors = NearestNeighbors(n_neighbors=51, algorithm="brute").fit(fit).kneighbors()  # without itself
    scale = np.mean(distances**2)

    def smooth(share):
        return (n * share + 1 / classes) / (n + 1)

    def loss(temperature, k):
        weights = np.exp(-(distances[:, :k] ** 2) / (temperature * scale))
        share = np.sum(weights * (true[neighbors[:, :k]] == true[:, None]), axis=1) / weights.sum(axis=1)
        return -np.mean(np.log(smooth(share)))

    reference = np.array([[loss(temperature, k) for k in K_CANDIDATES] for temperature in TEMPERATURES])
    np.testing.assert_allclose(result.nll, reference, rtol=1e-3)
    t_index, k_index = np.unravel_index(np.argmin(reference), reference.shape)
    assert (result.temperature, result.k) == (TEMPERATURES[t_index], K_CANDIDATES[k_index])
    assert result.grid_edge == (k_index in (0, len(K_CANDIDATES) - 1))
    bandwidth = float(result.temperature) * scale
    model = KNeighborsClassifier(int(result.k), weights=lambda d: np.exp(-(d**2) / bandwidth), algorithm="brute")
    model.fit(fit, true)
    queries = inputs[rows.test].astype(np.float64)
    np.testing.assert_allclose(np.exp(result.log_probs), smooth(model.predict_proba(queries)), rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(result.log_probs.argmax(axis=1), model.predict(queries))


@pytest.mark.parametrize("n_fit", [40, 500])
def test_probabilities_are_calibrated(n_fit):
    """(votes + 1) / (k + classes), which this probe had, was off by 40 to 60 %."""
    inputs, labels, _ = DATA["digits"]
    inputs = load_digits().data[: len(labels)].astype(np.float32)
    rows = split(labels, n_fit)
    log_probs = classified(inputs, labels, rows).log_probs
    correct = log_probs.argmax(axis=1) == labels[rows.test]
    assert expected_calibration_error(correct[None], np.exp(log_probs.max(axis=1))[None])[0] < 0.1


def test_rows_of_the_same_group_do_not_choose_each_other():
    inputs = np.repeat(np.random.default_rng(0).normal(size=(40, 3)), 3, axis=0).astype(np.float32)  # three of each
    labels = np.repeat(np.random.default_rng(1).integers(2, size=40), 3).astype(np.int32)  # without meaning
    groups = np.repeat(np.arange(40), 3).astype(np.int32)
    copies, alone = (classified(inputs, labels, split(labels, 100, groups=how)) for how in (None, groups))
    assert copies.nll.min() < 0.3
    assert alone.nll.min() > 0.6  # nats: knowing nothing costs log 2
    assert copies.k == 1 < alone.k


def test_of_equally_good_settings_the_largest_k_at_the_highest_temperature_is_chosen():
    inputs = np.concatenate([np.arange(60.0), 1000 + np.arange(60.0)]).astype(np.float32)[:, None]
    labels = np.repeat([0, 1], 60).astype(np.int32)  # so far apart that up to 51 neighbours never err
    result = classified(inputs, labels, make_fold_rows(np.r_[0:58, 60:118], 1, np.r_[58:60, 118:120], np.arange(120)))
    np.testing.assert_allclose(result.nll, result.nll[0, 0], rtol=1e-6)
    assert (result.k, result.temperature) == (K_CANDIDATES[-1], TEMPERATURES[-1])


def test_k_never_exceeds_the_number_of_possible_neighbours():
    assert [usable_k(n) for n in (1, 10, 11, 51)] == [(1,), (1, 3, 5), (1, 3, 5, 11), K_CANDIDATES]
    inputs, labels, _ = DATA["wine"]
    assert classified(inputs, labels, split(labels, 11)).nll.shape == (len(TEMPERATURES), 3)


@pytest.mark.parametrize("block_size", [7, 1000])
def test_neighbours_and_their_order_are_scikit_learns_for_any_block_size(block_size, monkeypatch):
    inputs = DATA["digits"][0]
    monkeypatch.setattr(knn, "MAX_DISTANCES_IN_MEMORY", block_size * len(inputs[100:]))
    neighbors = nearest(inputs[:100], inputs[100:], 21)
    expected = NearestNeighbors(n_neighbors=21, algorithm="brute").fit(inputs[100:].astype(np.float64))
    distances, positions = expected.kneighbors(inputs[:100].astype(np.float64))
    np.testing.assert_array_equal(neighbors.positions, positions)
    np.testing.assert_allclose(neighbors.squared_distances, distances**2, rtol=1e-4)


def test_a_large_common_offset_does_not_change_neighbours():
    inputs = DATA["wine"][0]
    far = inputs + np.float32(4096.0)  # in float32, without centring, 1 in squared distance would be lost
    exact = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(far[50:].astype(np.float64) - 4096)
    expected = exact.kneighbors(far[:50].astype(np.float64) - 4096)[1]
    np.testing.assert_array_equal(nearest(far[:50], far[50:], 5).positions, expected)


def test_ties_go_to_the_first_row_and_the_first_class():
    candidates = np.array([[1.0], [-1.0], [1.0], [5.0]], np.float32)
    positions = nearest(np.zeros((1, 1), np.float32), candidates, 3).positions
    np.testing.assert_array_equal(positions, [[0, 1, 2]])
    shares = class_shares(jnp.array([2, 1, 0, 0])[positions], jnp.array([[1.0, 1.0, 0.0]]), 3)
    np.testing.assert_array_equal(shares, [[0, 0.5, 0.5]])
    assert shares.argmax() == 1


def test_test_rows_do_not_influence_the_settings():
    inputs, labels, n = DATA["digits"]
    rows = split(labels, n)
    others, other_labels = inputs.copy(), labels.copy()
    others[rows.test], other_labels[rows.test] = 1e3, 0
    here, there = classified(inputs, labels, rows), classified(others, other_labels, rows)
    assert np.any(here.log_probs != there.log_probs)
    np.testing.assert_array_equal(here.nll, there.nll)
    assert np.all(np.isfinite(there.log_probs))


def test_vmapped_seeds_equal_single_seeds():
    inputs, labels, n = DATA["wine"]
    rows = [split(labels, n, seed) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)
    together = jax.jit(jax.vmap(make_knn_probe(3), in_axes=(None, None, 0)))(Features(inputs), labels, stacked)
    for seed in range(3):
        alone = classified(inputs, labels, rows[seed])
        assert (together.k[seed], together.temperature[seed]) == (alone.k, alone.temperature)
        np.testing.assert_allclose(together.log_probs[seed], alone.log_probs, atol=1e-5)
