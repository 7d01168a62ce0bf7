"""Mixed precision: layers work in bfloat16 while they train; everything else is float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.autoencoders.registry import KINDS
from aejax.data.batching import Batch
from tests.losses import loss_and_gradient

SMALL = {"hidden": (16,), "latent_dim": 4, "channels": (4,), "sparse_dim": 24, "batch_norm": True}


@pytest.fixture(scope="module", params=["undercomplete", "conv", "vae", "k-sparse"])
def kinds(request, make_problem_spec):
    """One kind in float32 and in bfloat16, and a batch."""
    inputs = np.random.default_rng(0).uniform(size=(32, 64)).astype(np.float32)
    settings = [
        make_problem_spec((8, 8, 1), bounded=True, model={**SMALL, "compute_dtype": dtype}, objective={"k": 3})
        for dtype in ("float32", "bfloat16")
    ]
    return [KINDS[request.param](setting) for setting in settings], Batch(jnp.asarray(inputs), jnp.zeros(32, int))


def test_loss_gradients_and_statistics_are_float32_and_near_those_of_full_precision(kinds):
    (full, mixed), batch = kinds
    variables = full.model.init(jax.random.key(0))
    (exact, _), expected = loss_and_gradient(full.objective, variables, batch, jax.random.key(1))
    (value, aux), actual = loss_and_gradient(mixed.objective, variables, batch, jax.random.key(1))
    assert {leaf.dtype for leaf in jax.tree.leaves((value, actual, aux.batch_stats))} == {jnp.dtype("float32")}
    np.testing.assert_allclose(value, exact, rtol=0.02)
    flat = [np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]) for tree in (expected, actual)]
    cosine = flat[0] @ flat[1] / np.linalg.norm(flat[0]) / np.linalg.norm(flat[1])
    assert 0.98 < cosine < 1 - 1e-9  # near, and not the same: something was computed in bfloat16


def test_codes_of_a_trained_model_are_computed_in_float32(kinds):
    (full, mixed), batch = kinds
    variables = full.model.init(jax.random.key(0))
    for one in (full.model.encode, full.model.reconstruct):
        other = getattr(mixed.model, one.__name__)
        np.testing.assert_array_equal(jax.jit(other)(variables, batch.inputs), jax.jit(one)(variables, batch.inputs))
