"""What denoising promises: who was trained on noisy inputs restores noisy inputs better than who was not."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.autoencoders.registry import KINDS
from aejax.data.batching import Examples
from aejax.data.scalers import Scaler
from aejax.data.shuffling import shuffle_epochs
from aejax.objectives.corruption import make_corruption
from aejax.train.epoch import SeedData, make_train_epochs
from aejax.train.keys import seed_keys
from aejax.train.state import init_progress

SEEDS, EPOCHS, BATCH_SIZE = 8, 20, 64


@pytest.fixture(scope="module")
def noisy_test_errors(digits, digits_setting):
    """By kind, and for every seed after its training: the error of restored noisy test digits from the clean ones."""
    train, test = digits
    setting = digits_setting(model={"hidden": (32,), "latent_dim": 16}, objective={"noise_std": 0.3})
    kinds = [KINDS["denoising"](setting), KINDS["undercomplete"](setting)]
    corrupt, adam = make_corruption(setting.objective, bounded=True), optax.adam(3e-3)
    examples = Examples(train, jnp.zeros(len(train), jnp.int32))
    unscaled = Scaler(np.zeros((SEEDS, 1), np.float32), np.ones((SEEDS, 1), np.float32))
    data = SeedData(seed_keys(SEEDS, "noise"), unscaled, np.zeros((SEEDS, 0), np.int32))

    def of_seed(init_key, order, own, test_key):
        errors = []
        for kind in kinds:  # the same start, order and test noise
            fit = init_progress(kind.model.init(init_key), adam)
            variables = make_train_epochs(kind.objective, adam)(fit, order, own, examples)[0].state.variables
            noisy = corrupt(test_key, test).inputs
            errors.append(jnp.mean(jnp.square(kind.model.reconstruct(variables, noisy) - test)))
        return errors

    order = shuffle_epochs(np.stack([np.arange(len(train))] * SEEDS), 0, EPOCHS, BATCH_SIZE)
    test_keys = jax.random.split(jax.random.key(9), SEEDS)
    errors = jax.jit(jax.vmap(of_seed))(seed_keys(SEEDS, "init"), order, data, test_keys)
    return [np.asarray(own, np.float64) for own in errors]


def sign_flip_p(differences) -> float:
    """One-sided: how often signs given at random make a mean as low."""
    flips = np.array(list(itertools.product([1, -1], repeat=len(differences))))
    return float(np.mean((flips * differences).mean(axis=1) <= differences.mean()))


@pytest.mark.slow
def test_denoising_beats_plain_on_noisy_test_inputs_seed_by_seed(noisy_test_errors):
    denoising, plain = noisy_test_errors
    assert sign_flip_p(denoising - plain) < 0.01
    assert denoising.mean() < 0.9 * plain.mean()
