"""The preconditioner is the Hessian's block diagonal, or nearly so from the rows that matter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.probe import preconditioner as curvature
from aejax.probe.preconditioner import (
    apply_preconditioner,
    center_over_classes,
    compute_hessian_blocks,
    factorize,
    systematic_sample,
)

RNG = np.random.default_rng(0)
FEATURES = jnp.asarray(np.column_stack([RNG.normal(size=(5000, 6)), np.ones(5000)]), jnp.float32)
PROBABILITIES = jax.nn.softmax(2 * FEATURES @ jnp.asarray(RNG.normal(size=(7, 3)), jnp.float32))
SHARES = jnp.full(5000, 1 / 5000)


def blocks_of_the_rows_in_parts() -> jax.Array:
    parts = (leaf.reshape(5, 1000, *leaf.shape[1:]) for leaf in (FEATURES, PROBABILITIES, SHARES))
    return compute_hessian_blocks(*parts)


def exact_blocks() -> np.ndarray:
    features, chances = np.asarray(FEATURES, np.float64), np.asarray(PROBABILITIES, np.float64)
    return np.stack([features.T @ (features * (p * (1 - p))[:, None]) / 5000 for p in chances.T])


def test_every_rows_blocks_are_those_of_the_hessian(monkeypatch):
    monkeypatch.setattr(curvature, "MIN_SAMPLED_ROWS", 5000)
    np.testing.assert_allclose(blocks_of_the_rows_in_parts(), exact_blocks(), atol=1e-5)

    def loss(coefficients):
        return jnp.sum(SHARES * jax.nn.logsumexp(FEATURES @ coefficients, axis=1))

    logits = jnp.linalg.lstsq(FEATURES, jnp.log(PROBABILITIES))[0]
    hessian = jax.hessian(loss)(logits)
    np.testing.assert_allclose(hessian[:, 1, :, 1], exact_blocks()[1], atol=1e-4)


def test_a_quarter_of_the_rows_gives_nearly_the_same_blocks(monkeypatch):
    monkeypatch.setattr(curvature, "MIN_SAMPLED_ROWS", 1)
    found, exact = np.asarray(blocks_of_the_rows_in_parts()), exact_blocks()
    assert np.abs(found - exact).max() > 1e-6
    for mine, true in zip(found, exact, strict=True):
        quotients = np.linalg.eigvals(np.linalg.solve(true, mine)).real
        assert 0.8 < quotients.min() <= quotients.max() < 1.25


def test_rows_of_great_importance_are_all_taken_once_and_the_others_stand_for_their_like():
    importance = np.full(1000, 1.0, np.float32)
    importance[::100] = 500.0
    rows, counts = systematic_sample(jnp.asarray(importance), 100)
    kept = np.isin(rows, np.arange(0, 1000, 100))
    assert np.count_nonzero(kept) == 10
    np.testing.assert_allclose(counts[kept], 1, rtol=1e-3)
    np.testing.assert_allclose(np.sum(np.asarray(counts)), 1000, rtol=0.02)
    assert len(np.unique(rows)) == 100


def test_the_factors_invert_the_penalised_blocks():
    penalty = jnp.full(7, 0.1).at[-1].set(0.0)
    blocks = jnp.asarray(exact_blocks(), jnp.float32)
    residual = jnp.asarray(RNG.normal(size=(7, 3)), jnp.float32)
    found = apply_preconditioner(factorize(blocks, penalty), residual)
    own = center_over_classes(residual)
    solved = np.stack([np.linalg.solve(b + np.diag(penalty), own[:, k]) for k, b in enumerate(exact_blocks())], axis=1)
    np.testing.assert_allclose(found, solved - solved.mean(axis=1, keepdims=True), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-4)


@pytest.mark.parametrize("block", [np.zeros((3, 3)), -np.eye(3)], ids=["of nothing", "not positive"])
def test_a_block_that_cannot_be_factorised_leaves_finite_factors(block):
    factors = factorize(jnp.asarray(block, jnp.float32)[None], jnp.array([1.5, 1.5, 0.0]))
    assert np.all(np.isfinite(factors[0][:2]))


def test_many_classes_share_one_block(monkeypatch):
    monkeypatch.setattr(curvature, "MAX_BLOCK_ENTRIES", 3 * 7 * 7 - 1)
    monkeypatch.setattr(curvature, "MIN_SAMPLED_ROWS", 5000)
    shared = blocks_of_the_rows_in_parts()
    assert shared.shape == (1, 7, 7)
    np.testing.assert_allclose(shared[0], exact_blocks().mean(axis=0), atol=1e-5)
    residual = jnp.asarray(RNG.normal(size=(7, 3)), jnp.float32)
    once = apply_preconditioner(factorize(shared, jnp.ones(7)), residual)
    np.testing.assert_allclose(
        once, apply_preconditioner(factorize(jnp.repeat(shared, 3, 0), jnp.ones(7)), residual), atol=1e-4
    )
