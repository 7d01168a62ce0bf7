"""Closed forms cost the smaller of rows and columns, and nothing is made of directions that only rounding varies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from aejax.config import ProbeConfig
from aejax.methods.controls import fit_pca
from aejax.probes.features import Features, leading_axes, principal_axes
from aejax.probes.logistic_probe import make_logistic_probe
from aejax.probes.ridge import make_ridge_probe
from tests.probe_rows import make_probe_rows

RNG = np.random.default_rng(0)
ROWS = make_probe_rows(train=jnp.arange(0, 60), valid=jnp.arange(60, 72), test=jnp.arange(72, 90))
LABELS = np.arange(90, dtype=np.int32) % 3


def centre(inputs: np.ndarray) -> np.ndarray:
    return (inputs - inputs.mean(axis=0)).astype(np.float32)


def largest_array(function, *shapes: tuple[int, ...]) -> int:
    """Returns the number of entries of the largest array that a function computes for float32 arguments."""

    def sizes(jaxpr):
        for equation in jaxpr.eqns:
            yield from (int(np.prod(out.aval.shape)) for out in equation.outvars)
            for part in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda leaf: hasattr(leaf, "eqns")):
                yield from (
                    sizes(getattr(part, "jaxpr", part)) if hasattr(part, "jaxpr") or hasattr(part, "eqns") else ()
                )

    return max(sizes(jax.make_jaxpr(function)(*(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)).jaxpr))


@pytest.mark.parametrize("shape", [(40, 12), (12, 40), (12, 12)])
def test_variances_and_axes_are_those_of_scikit_learn(shape):
    inputs = centre(RNG.normal(size=shape) * np.geomspace(1, 0.01, shape[1]))
    variances, axes = principal_axes(jnp.asarray(inputs))
    reference = PCA(svd_solver="full").fit(inputs.astype(np.float64))
    order, count = np.argsort(variances)[::-1], min(shape[0] - 1, shape[1])
    expected = reference.explained_variance_[:count] * (shape[0] - 1) / shape[0]
    np.testing.assert_allclose(variances[order][:count], expected, rtol=1e-3)
    overlaps = np.abs(np.sum(np.asarray(axes)[:, order[:count]] * reference.components_[:count].T, axis=0))
    np.testing.assert_allclose(overlaps, 1, atol=1e-3)


def test_nothing_has_as_many_entries_as_the_square_of_many_columns():
    assert largest_array(lambda rows: jax.lax.map(lambda row: jnp.sum(jnp.outer(row, row)), rows), (3, 50)) == 50 * 50
    d, bound = 20_531, 8 * 90 * 20_531
    labels = jnp.asarray(LABELS)
    assert largest_array(lambda inputs: fit_pca(inputs, 32), (60, d)) <= bound < d * d
    for make in (make_logistic_probe, make_ridge_probe):
        probe = make(ProbeConfig(), 3)
        assert largest_array(lambda inputs, probe=probe: probe(Features(inputs), labels, ROWS), (90, d)) <= bound


@pytest.mark.parametrize("shape", [(200, 30), (20, 300)])
def test_axes_beyond_the_rank_are_zero_and_all_ranks_have_one_shape_under_vmap(shape):
    ranks = (1, 4, 7)
    batch = [centre(RNG.normal(size=(shape[0], rank)) @ RNG.normal(size=(rank, shape[1])) + 3.0) for rank in ranks]
    all_axes = np.asarray(jax.vmap(lambda rows: leading_axes(rows, 10))(jnp.asarray(np.stack(batch))))
    assert all_axes.shape == (3, shape[1], 10)
    for rank, rows, axes in zip(ranks, batch, all_axes, strict=True):
        assert not np.any(axes[:, rank:])
        np.testing.assert_allclose(rows @ axes[:, :rank] @ axes[:, :rank].T, rows, atol=1e-4 * np.abs(rows).max())


def test_small_components_that_vary_by_more_than_rounding_are_kept():
    scales = np.array([1.0, 1e-2, 1e-4, 1e-5])
    for extra in (4, 400):
        rows = centre(np.pad(RNG.normal(size=(50, 4)) * scales, ((0, 0), (0, extra - 4))))
        assert np.count_nonzero(np.any(np.asarray(leading_axes(jnp.asarray(rows), 4)), axis=0)) == 4


def test_more_components_than_rows_are_those_of_scikit_learn_and_not_noise():
    labels = np.arange(24) % 3
    inputs = np.random.default_rng(0).normal(size=(24, 500))
    inputs[:, :40] += 1.5 * labels[:, None]
    rows = make_probe_rows(train=jnp.arange(18), valid=jnp.arange(18, 18), test=jnp.arange(18, 24))
    scaled = StandardScaler().fit(inputs[:18]).transform(inputs).astype(np.float32)
    fitted = fit_pca(jnp.asarray(scaled[:18]), 32)["pca"]
    codes = (scaled - np.asarray(fitted["mean"])) @ np.asarray(fitted["axes"])
    assert codes.shape == (24, 17)
    probe = jax.jit(make_logistic_probe(ProbeConfig(probe_c=1.0), 3))
    result = probe(Features(jnp.asarray(codes)), jnp.asarray(labels), rows)
    reference = make_pipeline(PCA(17), StandardScaler(), LogisticRegression(tol=1e-8, max_iter=1000))
    reference.fit(scaled[:18], labels[:18])
    np.testing.assert_allclose(result.log_probs, reference.predict_log_proba(scaled[18:]), atol=2e-3)
    assert np.mean(np.argmax(result.log_probs, axis=1) == labels[18:]) >= 5 / 6  # noise components: 1 / 3


@pytest.mark.parametrize("make", [make_logistic_probe, make_ridge_probe])
def test_probes_of_wide_features_equal_those_of_coordinates_in_their_span(make):
    """With equal columns repeated k times and their weights divided by k, the penalty is k times as strong."""
    narrow = (RNG.normal(size=(90, 10)) + LABELS[:, None]).astype(np.float32)
    copies = 16
    few, many = (
        jax.jit(make(ProbeConfig(probe_c=1.0 / times), 3))(Features(np.tile(narrow, (1, times))), LABELS, ROWS)
        for times in (1, copies)
    )
    np.testing.assert_allclose(many.log_probs, few.log_probs, atol=2e-3)
    np.testing.assert_allclose(many.linear.weights, np.tile(few.linear.weights, (copies, 1)) / copies, atol=2e-3)
