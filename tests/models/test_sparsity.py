"""Exactly the configured number of units is kept, and the others have no gradient at all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.config import ModelConfig
from aejax.models.architectures import dense_autoencoder
from aejax.models.sparsity import THRESHOLD_MOMENTUM, BatchTopK, LifetimeTopK, TopK, topk_mask

RNG = np.random.default_rng(0)
LATENTS = jnp.asarray(RNG.normal(size=(40, 12)), jnp.float32)
CODES = {
    "different": LATENTS,
    "ties": jnp.round(LATENTS),
    "all equal": jnp.ones((40, 12)),
    "all zero": jnp.zeros((40, 12)),
    "all negative": -jnp.abs(LATENTS) - 1,
    "rectified": jax.nn.relu(LATENTS - 1.5),  # most rows have fewer positive entries than are kept
}
every_code = pytest.mark.parametrize("latents", CODES.values(), ids=CODES)


def apply(module, latents, *, train: bool, stats=None):
    """Outputs, and batch statistics after them."""
    variables = {} if stats is None else {"batch_stats": stats}
    return module.apply(variables, latents, train=train, mutable=["batch_stats"])


def kept_by(module, latents, *, train: bool, stats=None):
    """Which units are kept, also where what is kept is zero: those that a gradient comes back from."""
    gradient = jax.grad(lambda z: jnp.sum(apply(module, z, train=train, stats=stats)[0]))(latents)
    assert set(np.unique(gradient)) <= {0.0, 1.0}
    return np.asarray(gradient == 1)


@every_code
@pytest.mark.parametrize("k", [1, 5, 12])
def test_the_mask_has_exactly_k_in_each_row_those_that_a_sort_takes_and_of_equals_the_first(latents, k):
    np.testing.assert_array_equal(np.asarray(topk_mask(latents, k)).sum(axis=1), k)
    latents = latents + 0.0  # no negative zeros, which a sort puts below zero
    _, columns = jax.lax.top_k(latents, k)
    expected = np.zeros(latents.shape, bool)
    np.put_along_axis(expected, np.asarray(columns), True, axis=1)
    np.testing.assert_array_equal(topk_mask(latents, k), expected)


@every_code
def test_top_k_keeps_exactly_k_units_of_each_example_as_they_are_and_sends_back_no_gradient_to_others(latents):
    kept = kept_by(TopK(3, 3), latents, train=True)
    np.testing.assert_array_equal(kept.sum(axis=1), 3)
    np.testing.assert_array_equal(apply(TopK(3, 3), latents, train=True)[0], np.where(kept, latents, 0))


def test_where_no_unit_is_zero_exactly_k_are_active():
    for train, active in ((True, 3), (False, 7)):
        outputs, _ = apply(TopK(3, k_encode=7), LATENTS, train=train)
        np.testing.assert_array_equal((outputs != 0).sum(axis=1), active)


def test_through_a_whole_autoencoder_inactive_units_have_exactly_no_gradient():
    config = ModelConfig(hidden=(7,), latent_dim=12, output="linear")
    model = dense_autoencoder(config, 6, TopK(3, 3))
    variables, inputs = model.init(jax.random.key(0)), jnp.asarray(RNG.normal(size=(1, 6)), jnp.float32)

    def loss(params):
        latents, outputs, _ = model.forward({**variables, "params": params}, inputs, train=True)
        return jnp.sum(jnp.square(outputs - inputs)), latents[0]

    gradient, latents = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    inactive = np.asarray(latents == 0)
    assert inactive.sum() == 9
    code, decoder = gradient["encoder"]["code"], gradient["decoder"]["hidden"]["Dense_0"]
    assert np.all(code["kernel"][:, inactive] == 0)
    assert np.all(code["bias"][inactive] == 0)
    assert np.all(decoder["kernel"][inactive] == 0)
    assert np.all(np.any(code["kernel"][:, ~inactive] != 0, axis=0))


def test_the_units_kept_fall_linearly_with_the_steps_of_training_and_evaluation_takes_no_step():
    module = TopK(2, k_encode=4, k_start=10, decay_steps=8)
    stats = module.init(jax.random.key(0), LATENTS, train=False)["batch_stats"]
    train = jax.jit(lambda stats: apply(module, LATENTS, train=True, stats=stats))  # the step count is traced
    kept = []
    for _ in range(10):
        outputs, changed = train(stats)
        stats = changed["batch_stats"]
        kept.append(set(np.asarray((outputs != 0).sum(axis=1)).tolist()))
    assert kept == [{k} for k in (10, 9, 8, 7, 6, 5, 4, 3, 2, 2)]
    assert train._cache_size() == 1
    encoded, after = apply(module, LATENTS, train=False, stats=stats)
    np.testing.assert_array_equal((encoded != 0).sum(axis=1), 4)
    assert after["batch_stats"]["step"] == stats["step"] == 10


class TestBatchTopK:
    @every_code
    def test_in_training_a_batch_keeps_exactly_k_for_each_example_on_average(self, latents):
        module, unset = BatchTopK(5), {"threshold": jnp.full((), -1.0)}
        kept = kept_by(module, latents, train=True, stats=unset)
        assert kept.sum() == 5 * 40
        outputs, _ = apply(module, latents, train=True, stats=unset)
        np.testing.assert_array_equal(outputs, np.where(kept, latents, 0))
        assert latents[kept].min() >= np.where(kept, -np.inf, latents).max()

    def test_examples_differ_in_how_many_they_keep(self):
        kept = kept_by(BatchTopK(3), LATENTS, train=True, stats={"threshold": jnp.full((), -1.0)})
        assert len(set(kept.sum(axis=1))) > 3

    def test_the_threshold_is_the_running_mean_of_the_least_activity_kept_and_starts_at_the_first(self):
        module, stats = BatchTopK(2), BatchTopK(2).init(jax.random.key(0), LATENTS, train=False)["batch_stats"]
        expected = None
        for step in range(4):
            latents = jnp.abs(LATENTS) * (step + 1)
            least = np.sort(np.asarray(latents).ravel())[-80]
            expected = least if step == 0 else THRESHOLD_MOMENTUM * expected + (1 - THRESHOLD_MOMENTUM) * least
            _, changed = apply(module, latents, train=True, stats=stats)
            stats = changed["batch_stats"]
            np.testing.assert_allclose(stats["threshold"], expected, rtol=1e-5)

    def test_in_evaluation_an_example_keeps_what_exceeds_the_threshold_whoever_else_is_there(self):
        module, stats = BatchTopK(2), {"threshold": jnp.asarray(0.7)}
        outputs, after = apply(module, LATENTS, train=False, stats=stats)
        np.testing.assert_array_equal(outputs, np.where(LATENTS > 0.7, LATENTS, 0))
        assert after["batch_stats"]["threshold"] == stats["threshold"]
        for row in range(5):
            alone, _ = apply(module, LATENTS[row : row + 1], train=False, stats=stats)
            np.testing.assert_array_equal(alone[0], outputs[row])

    def test_untrained_it_lets_every_activity_through(self):
        stats = BatchTopK(2).init(jax.random.key(0), LATENTS, train=True)["batch_stats"]
        rectified = jax.nn.relu(LATENTS)
        np.testing.assert_array_equal(apply(BatchTopK(2), rectified, train=False, stats=stats)[0], rectified)


class TestLifetimeTopK:
    CASES = (*((code, 0.27, 11) for code in CODES.values()), (LATENTS, 0.9, 36), (LATENTS, 1e-3, 1))

    @pytest.mark.parametrize(("latents", "share", "winners"), CASES)
    def test_in_training_each_unit_is_kept_in_exactly_its_share_of_the_examples(self, latents, share, winners):
        kept = kept_by(LifetimeTopK(share), latents, train=True)
        np.testing.assert_array_equal(kept.sum(axis=0), winners)
        outputs, _ = apply(LifetimeTopK(share), latents, train=True)
        np.testing.assert_array_equal(outputs, np.where(kept, latents, 0))
        strongest = np.where(kept, latents, np.inf).min(axis=0) >= np.where(kept, -np.inf, latents).max(axis=0)
        assert strongest.all()

    @every_code
    def test_in_evaluation_nothing_is_removed(self, latents):
        np.testing.assert_array_equal(apply(LifetimeTopK(0.05), latents, train=False)[0], latents)
