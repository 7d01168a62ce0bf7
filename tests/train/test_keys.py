"""No two uses or seeds share a key, and no key is used twice."""

import jax
import numpy as np
import pytest

from aejax.train.epoch import make_train_epochs
from aejax.train.keys import _KEY_USES, seed_keys
from aejax.train.state import init_progress
from tests.train.conftest import of_seed


def key_data(keys) -> np.ndarray:
    return np.asarray(jax.random.key_data(keys))


@pytest.mark.parametrize("use", _KEY_USES)
def test_a_key_depends_on_its_seed_and_not_on_the_number_of_seeds(use):
    keys = key_data(seed_keys(7, use))
    np.testing.assert_array_equal(key_data(seed_keys(3, use)), keys[:3])
    np.testing.assert_array_equal(key_data(seed_keys(2, use, first=5)), keys[5:])


def test_keys_of_seeds_uses_and_steps_are_distinct():
    # `fold_in` makes all of them, so a step's key could equal the key of another seed or use.
    seeds = np.concatenate([key_data(seed_keys(100, use)) for use in _KEY_USES])
    fold_in_steps = jax.vmap(jax.random.fold_in, (None, 0))
    steps = [key_data(fold_in_steps(key, np.arange(500))) for key in seed_keys(20, "noise")]
    keys = np.concatenate([seeds, *steps])
    assert len(np.unique(keys, axis=0)) == len(keys)


def test_a_training_uses_no_key_twice(tiny):
    with jax.debug_key_reuse(True):
        init_keys, noise_keys = seed_keys(1, "init"), seed_keys(1, "noise")
        progress = init_progress(jax.jit(tiny.model.init)(init_keys[0]), tiny.optimizer)
        data = of_seed(tiny.data, 0)._replace(key=noise_keys[0])
        train = jax.jit(make_train_epochs(tiny.objective, tiny.optimizer))
        progress, _ = train(progress, tiny.orders[0], data, tiny.examples)
    assert progress.diverged_epoch == 0


def test_control_a_key_that_is_used_twice_is_detected(tiny):
    def loss_that_reuses_its_key(variables, batch, key):
        loss, aux = tiny.objective.loss(variables, batch, key)
        return loss + jax.random.normal(key), aux

    train = make_train_epochs(tiny.objective._replace(loss=loss_that_reuses_its_key), tiny.optimizer)
    progress = init_progress(of_seed(tiny.variables, 0), tiny.optimizer)
    with jax.debug_key_reuse(True), pytest.raises(jax.errors.KeyReuseError):
        jax.jit(train)(progress, tiny.orders[0], of_seed(tiny.data, 0), tiny.examples)
