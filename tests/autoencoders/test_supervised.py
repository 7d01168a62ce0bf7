"""The encoder of every sort of architecture can be trained on labels."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.data.batching import Batch
from aejax.methods.registry import METHODS
from aejax.train.epoch import make_train_step
from aejax.train.state import init_state

SORTS = ["undercomplete", "contractive", "k-sparse", "batch-top-k", "vae", "conv-vae"]


@pytest.mark.parametrize("kind", SORTS)
def test_a_kinds_encoder_learns_labels_end_to_end(kind, digits, digit_labels, digits_setting):
    method = METHODS[f"supervised-{kind}"](digits_setting())
    batch = Batch(digits[0][:200], jnp.asarray(digit_labels[:200]))
    adam = optax.adam(0.01)
    step = make_train_step(method.objective, adam)

    def train(state):
        last, metrics = jax.lax.scan(lambda own, _: step(own, batch, jax.random.key(0)), state, length=60)
        return last.variables, metrics["loss"], method.objective.evaluate(last.variables, batch)["accuracy"]

    variables = method.init(jax.random.key(1), digits[0])
    after, losses, hits = jax.jit(train)(init_state(variables, adam))
    assert losses[-1] < 0.7 * losses[0]
    assert np.mean(hits) > 0.5  # chance is a tenth
    assert jax.tree.structure(after) == jax.tree.structure(variables)
    moved = jax.tree.map(lambda a, b: bool(np.any(a != b)), variables["params"]["encoder"], after["params"]["encoder"])
    unused = {"log_variance": {"bias": False, "kernel": False}}  # a posterior's deviation is no part of its mean
    assert all(jax.tree.leaves({name: layer for name, layer in moved.items() if name not in unused}))
