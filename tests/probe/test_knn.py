"""Neighbours are scikit-learn's; k is selected on validation rows; test rows have no influence."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.datasets import load_digits, load_wine
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.preprocessing import StandardScaler

from aejax.probe.features import Features, ProbeRows
from aejax.probe.knn import K_CANDIDATES, count_votes, make_knn_probe, nearest_neighbors, usable_k
from tests.probe_rows import make_probe_rows


def nearest(queries, candidates, n_neighbors, block_size=None):
    features, rows = Features(jnp.asarray(candidates)), jnp.arange(len(candidates))
    return nearest_neighbors(jnp.asarray(queries), features, rows, n_neighbors, block_size)


def split(n: int, seed: int = 0) -> ProbeRows:
    order = np.random.default_rng(seed).permutation(n).astype(np.int32)
    return make_probe_rows(*np.split(order, [n // 2, 3 * n // 4]))


def noisy_digits() -> tuple[np.ndarray, np.ndarray]:
    """Digits with noise, so that no two distances are equal and some neighbours are of other classes."""
    inputs, labels = load_digits(return_X_y=True)
    noise = np.random.default_rng(1).normal(size=inputs.shape)
    return (inputs / 16 + 0.3 * noise).astype(np.float32)[:900], labels.astype(np.int32)[:900]


def wine() -> tuple[np.ndarray, np.ndarray]:
    inputs, labels = load_wine(return_X_y=True)
    return StandardScaler().fit_transform(inputs).astype(np.float32), labels.astype(np.int32)


DATA = {"digits": noisy_digits(), "wine": wine()}


@functools.cache
def program(classes: int):
    classify = make_knn_probe(classes)
    return jax.jit(lambda inputs, labels, rows: classify(Features(inputs), labels, rows))


def classified(inputs, labels, rows):
    return jax.tree.map(np.asarray, program(int(labels.max()) + 1)(inputs, labels, rows))


@pytest.mark.parametrize("name", DATA)
def test_votes_and_predictions_are_scikit_learns(name):
    inputs, labels = DATA[name]
    rows = split(len(labels))
    result = classified(inputs, labels, rows)
    fit_rows, k = np.concatenate([rows.train, rows.valid]), int(result.k)
    reference = KNeighborsClassifier(k, algorithm="brute").fit(inputs[fit_rows].astype(np.float64), labels[fit_rows])
    expected = reference.predict_proba(inputs[rows.test].astype(np.float64)) * k
    classes = expected.shape[1]
    np.testing.assert_allclose(np.exp(result.log_probs), (expected + 1) / (k + classes), rtol=1e-5)
    np.testing.assert_array_equal(result.log_probs.argmax(axis=1), reference.predict(inputs[rows.test]))


@pytest.mark.parametrize("name", DATA)
def test_k_is_the_largest_of_the_best_on_the_validation_rows(name):
    inputs, labels = DATA[name]
    rows = split(len(labels))
    result = classified(inputs, labels, rows)
    reference = [
        KNeighborsClassifier(k, algorithm="brute")
        .fit(inputs[rows.train], labels[rows.train])
        .score(inputs[rows.valid], labels[rows.valid])
        for k in K_CANDIDATES
    ]
    np.testing.assert_allclose(result.valid_accuracy, reference, rtol=1e-6)
    best = [k for k, accuracy in zip(K_CANDIDATES, reference, strict=True) if accuracy == max(reference)]
    assert result.k == best[-1]
    assert result.grid_edge == (best[-1] in (K_CANDIDATES[0], K_CANDIDATES[-1]))


def test_of_equally_good_values_of_k_the_largest_is_selected():
    inputs = np.concatenate([np.arange(60.0), 1000 + np.arange(60.0)]).astype(np.float32)[:, None]
    labels = np.repeat([0, 1], 60).astype(np.int32)  # so far apart that up to 51 neighbours never err
    result = classified(
        inputs, labels, make_probe_rows(np.r_[0:55, 60:115], np.r_[55:58, 115:118], np.r_[58:60, 118:120])
    )
    np.testing.assert_array_equal(result.valid_accuracy, 1.0)
    assert result.k == K_CANDIDATES[-1]


def test_k_never_exceeds_the_number_of_training_rows():
    assert [usable_k(n) for n in (1, 10, 11, 51)] == [(1,), (1, 3, 5), (1, 3, 5, 11), K_CANDIDATES]
    inputs, labels = DATA["wine"]
    rows = make_probe_rows(np.arange(10), np.arange(100, 110), np.arange(120, 130))
    assert classified(inputs, labels, rows).valid_accuracy.shape == (3,)


@pytest.mark.parametrize("block_size", [1, 7, None])
def test_neighbours_and_their_order_are_scikit_learns_for_any_block_size(block_size):
    inputs, _ = DATA["digits"]
    neighbors = nearest(inputs[:100], inputs[100:], 21, block_size)
    expected = NearestNeighbors(n_neighbors=21, algorithm="brute").fit(inputs[100:].astype(np.float64))
    np.testing.assert_array_equal(neighbors, expected.kneighbors(inputs[:100].astype(np.float64))[1])


def test_a_large_common_offset_does_not_change_neighbours():
    inputs = DATA["wine"][0]
    far = inputs + np.float32(4096.0)  # in float32, without centring, 1 in squared distance would be lost
    exact = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(far[50:].astype(np.float64) - 4096)
    expected = exact.kneighbors(far[:50].astype(np.float64) - 4096)[1]
    np.testing.assert_array_equal(nearest(far[:50], far[50:], 5), expected)


def test_ties_go_to_the_first_row_and_the_first_class():
    candidates = np.array([[1.0], [-1.0], [1.0], [5.0]], np.float32)
    neighbors = nearest(np.zeros((1, 1), np.float32), candidates, 3)
    np.testing.assert_array_equal(neighbors, [[0, 1, 2]])
    counts = count_votes(neighbors, jnp.array([2, 1, 0, 0]), 2, 3)
    np.testing.assert_array_equal(counts, [[0, 1, 1]])
    assert counts.argmax() == 1


def test_test_rows_do_not_influence_k_and_log_probabilities_are_normalised_and_finite():
    inputs, labels = DATA["digits"]
    rows = split(len(labels))
    others, other_labels = inputs.copy(), labels.copy()
    others[rows.test], other_labels[rows.test] = 1e3, 0
    here, there = classified(inputs, labels, rows), classified(others, other_labels, rows)
    assert np.any(here.log_probs != there.log_probs)
    np.testing.assert_array_equal(here.valid_accuracy, there.valid_accuracy)
    np.testing.assert_allclose(logsumexp(here.log_probs, axis=1), 0, atol=1e-5)
    assert np.all(np.isfinite(here.log_probs))


def test_permuting_labels_brings_accuracy_to_chance():
    inputs, labels = DATA["digits"]
    rows = split(len(labels))
    assert np.mean(classified(inputs, labels, rows).log_probs.argmax(axis=1) == labels[rows.test]) > 0.8
    permuted = np.random.default_rng(3).permutation(labels)
    hits = np.mean(classified(inputs, permuted, rows).log_probs.argmax(axis=1) == permuted[rows.test])
    assert abs(hits - 0.1) < 4 * np.sqrt(0.1 * 0.9 / len(rows.test))


def test_vmapped_seeds_equal_single_seeds():
    inputs, labels = DATA["wine"]
    rows = [split(len(labels), seed) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
    together = jax.jit(jax.vmap(make_knn_probe(3), in_axes=(None, None, 0)))(Features(inputs), labels, stacked)
    for seed in range(3):
        alone = classified(inputs, labels, rows[seed])
        assert together.k[seed] == alone.k
        np.testing.assert_allclose(together.log_probs[seed], alone.log_probs, atol=1e-6)
