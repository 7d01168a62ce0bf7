"""No two uses or seeds share a key, and no key is used twice."""

import jax
import numpy as np
import pytest

from aejax.train.epoch import make_train_epochs
from aejax.train.keys import _KEY_USES, seed_keys
from aejax.train.state import init_progress


def bits(keys) -> np.ndarray:
    return np.asarray(jax.random.key_data(keys))


def test_no_use_and_no_seed_shares_a_key_with_another():
    every = np.concatenate([bits(seed_keys(100, use)) for use in _KEY_USES])
    assert len(np.unique(every, axis=0)) == 100 * len(_KEY_USES)


@pytest.mark.parametrize("use", _KEY_USES)
def test_adding_seeds_keeps_the_keys_of_the_old_ones(use):
    np.testing.assert_array_equal(bits(seed_keys(7, use))[:3], bits(seed_keys(3, use)))


def test_the_keys_of_steps_are_none_of_the_keys_of_seeds():
    # `fold_in` serves both, so a step's key could be another seed's or use's.
    seeds = np.concatenate([bits(seed_keys(20, use)) for use in _KEY_USES])
    steps = np.concatenate(
        [bits(jax.vmap(jax.random.fold_in, (None, 0))(key, np.arange(500))) for key in seed_keys(20, "noise")]
    )
    together = np.concatenate([seeds, steps])
    assert len(np.unique(together, axis=0)) == len(together)


def test_a_training_uses_no_key_twice(tiny):
    with jax.debug_key_reuse(True):
        init_keys, noise_keys = seed_keys(1, "init"), seed_keys(1, "noise")
        fit = init_progress(jax.jit(tiny.model.init)(init_keys[0]), tiny.optimizer)
        data = jax.tree.map(lambda leaf: leaf[0], tiny.data)._replace(key=noise_keys[0])
        fit, _ = jax.jit(make_train_epochs(tiny.objective, tiny.optimizer))(fit, tiny.orders[0], data, tiny.examples)
    assert fit.diverged_epoch == 0


def test_control_a_key_used_twice_would_have_been_found(tiny):
    def careless(variables, batch, key):
        loss, aux = tiny.objective.loss(variables, batch, key)
        return loss + jax.random.normal(key), aux

    epochs = make_train_epochs(tiny.objective._replace(loss=careless), tiny.optimizer)
    data = jax.tree.map(lambda leaf: leaf[0], tiny.data)
    fit = init_progress(jax.tree.map(lambda leaf: leaf[0], tiny.variables), tiny.optimizer)
    with jax.debug_key_reuse(True), pytest.raises(jax.errors.KeyReuseError):
        jax.jit(epochs)(fit, tiny.orders[0], data, tiny.examples)
