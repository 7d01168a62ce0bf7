"""The preconditioner is the Hessian's block diagonal, or an approximation from sampled rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.probes import preconditioner
from aejax.probes.preconditioner import (
    apply_preconditioner,
    center_over_classes,
    compute_hessian_blocks,
    factorize,
    systematic_sample,
)

RNG = np.random.default_rng(0)
FEATURES = jnp.asarray(np.column_stack([RNG.normal(size=(5000, 6)), np.ones(5000)]), jnp.float32)
PROBABILITIES = jax.nn.softmax(2 * FEATURES @ jnp.asarray(RNG.normal(size=(7, 3)), jnp.float32))
ROW_WEIGHTS = jnp.full(5000, 1 / 5000)


def sampled_blocks() -> jax.Array:
    parts = (leaf.reshape(5, 1000, *leaf.shape[1:]) for leaf in (FEATURES, PROBABILITIES, ROW_WEIGHTS))
    return compute_hessian_blocks(*parts)


def exact_blocks() -> np.ndarray:
    features, probabilities = np.asarray(FEATURES, np.float64), np.asarray(PROBABILITIES, np.float64)
    return np.stack([features.T @ (features * (p * (1 - p))[:, None]) / 5000 for p in probabilities.T])


def test_blocks_of_all_rows_are_those_of_the_hessian(monkeypatch):
    monkeypatch.setattr(preconditioner, "MIN_SAMPLED_ROWS", 5000)
    np.testing.assert_allclose(sampled_blocks(), exact_blocks(), atol=1e-5)

    def loss(coefficients):
        return jnp.sum(ROW_WEIGHTS * jax.nn.logsumexp(FEATURES @ coefficients, axis=1))

    logits = jnp.linalg.lstsq(FEATURES, jnp.log(PROBABILITIES))[0]
    hessian = jax.hessian(loss)(logits)
    np.testing.assert_allclose(hessian[:, 1, :, 1], exact_blocks()[1], atol=1e-4)


def test_blocks_of_a_quarter_of_the_rows_are_nearly_the_same(monkeypatch):
    monkeypatch.setattr(preconditioner, "MIN_SAMPLED_ROWS", 1)
    sampled, exact = np.asarray(sampled_blocks()), exact_blocks()
    assert np.abs(sampled - exact).max() > 1e-6
    for approximate, block in zip(sampled, exact, strict=True):
        eigenvalues = np.linalg.eigvals(np.linalg.solve(block, approximate)).real
        assert 0.8 < eigenvalues.min() <= eigenvalues.max() < 1.25


def test_important_rows_are_sampled_once_and_the_others_are_weighted():
    importance = np.full(1000, 1.0, np.float32)
    importance[::100] = 500.0
    rows, weights = systematic_sample(jnp.asarray(importance), 100)
    important = np.isin(rows, np.arange(0, 1000, 100))
    assert np.count_nonzero(important) == 10
    np.testing.assert_allclose(weights[important], 1, rtol=1e-3)
    np.testing.assert_allclose(np.sum(np.asarray(weights)), 1000, rtol=0.02)
    assert len(np.unique(rows)) == 100


def test_the_preconditioner_inverts_the_penalised_blocks():
    penalty = jnp.full(7, 0.1).at[-1].set(0.0)
    blocks = jnp.asarray(exact_blocks(), jnp.float32)
    residual = jnp.asarray(RNG.normal(size=(7, 3)), jnp.float32)
    result = apply_preconditioner(factorize(blocks, penalty), residual)
    centered = center_over_classes(residual)
    solved = np.stack(
        [np.linalg.solve(b + np.diag(penalty), centered[:, k]) for k, b in enumerate(exact_blocks())], axis=1
    )
    np.testing.assert_allclose(result, solved - solved.mean(axis=1, keepdims=True), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(result.sum(axis=1), 0, atol=1e-4)


@pytest.mark.parametrize("block", [np.zeros((3, 3)), -np.eye(3)], ids=["zero", "not positive"])
def test_a_block_that_cannot_be_factorised_has_finite_factors(block):
    factors = factorize(jnp.asarray(block, jnp.float32)[None], jnp.array([1.5, 1.5, 0.0]))
    assert np.all(np.isfinite(factors[0][:2]))


def test_with_many_classes_all_share_the_mean_block(monkeypatch):
    monkeypatch.setattr(preconditioner, "MAX_BLOCK_ENTRIES", 3 * 7 * 7 - 1)
    monkeypatch.setattr(preconditioner, "MIN_SAMPLED_ROWS", 5000)
    shared = sampled_blocks()
    assert shared.shape == (1, 7, 7)
    np.testing.assert_allclose(shared[0], exact_blocks().mean(axis=0), atol=1e-5)
    residual = jnp.asarray(RNG.normal(size=(7, 3)), jnp.float32)
    single = apply_preconditioner(factorize(shared, jnp.ones(7)), residual)
    np.testing.assert_allclose(
        single, apply_preconditioner(factorize(jnp.repeat(shared, 3, 0), jnp.ones(7)), residual), atol=1e-4
    )
