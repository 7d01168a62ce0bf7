"""The default L1 weight leaves a code alive on 784 inputs, where the weight of version 0.1.0 kills most of it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.autoencoders.registry import KINDS
from aejax.data.batching import Batch
from aejax.data.development import rotated_bars

STEPS, BATCH_SIZE = 300, 64


@pytest.fixture(scope="module")
def share_of_dead_units(make_problem_spec):
    """Returns a function that trains sparse-l1 on images of 28x28 pixels and gives the share of units never active."""
    images = rotated_bars().inputs
    inputs = jnp.asarray(images.reshape(len(images), -1) / np.float32(255))

    def share(**objective):
        kind = KINDS["sparse-l1"](make_problem_spec((28, 28, 1), bounded=True, objective=objective))
        variables, adam = kind.model.init(jax.random.key(0)), optax.adam(1e-3)

        def step(carry, key):
            params, state = carry
            rows = jax.random.randint(key, (BATCH_SIZE,), 0, len(inputs))
            batch = Batch(inputs[rows], jnp.zeros(BATCH_SIZE, jnp.int32))
            gradient = jax.grad(lambda own: kind.objective.loss({**variables, "params": own}, batch, key)[0])(params)
            updates, state = adam.update(gradient, state)
            return (optax.apply_updates(params, updates), state), None

        keys = jax.random.split(jax.random.key(1), STEPS)
        carry = (variables["params"], adam.init(variables["params"]))
        params = jax.jit(lambda carry: jax.lax.scan(step, carry, keys)[0])(carry)[0]
        return float(jnp.mean(jnp.all(kind.model.encode({**variables, "params": params}, inputs) == 0, axis=0)))

    return share


@pytest.mark.slow
def test_few_units_die_by_default_and_most_with_the_weight_and_scale_of_version_0_1(share_of_dead_units):
    assert share_of_dead_units() < 0.35
    assert share_of_dead_units(l1=1e-3, penalty_scale="mean") > 0.6
