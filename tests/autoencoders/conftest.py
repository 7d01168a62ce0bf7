"""Scikit-learn's digits, and small settings for them."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

SMALL = {"hidden": (16,), "latent_dim": 6, "sparse_dim": 40, "channels": (4,)}
EASED = {"kl_warmup_steps": 5, "importance_samples": 3}  # so that two epochs see the full weight


@pytest.fixture(scope="session")
def digits():
    """1437 training and 360 other examples of 64 pixels in [0, 1]; rows are shuffled already."""
    inputs = jnp.asarray(load_digits().data / 16, jnp.float32)
    return inputs[:1437], inputs[1437:]


@pytest.fixture(scope="session")
def digits_setting(make_problem_spec):
    """A function that makes the small setting for digits, with changes."""

    def made(model=None, objective=None):
        changed = {"model": SMALL | (model or {}), "objective": EASED | (objective or {})}
        return make_problem_spec((8, 8, 1), bounded=True, classes=10, **changed)

    return made


@pytest.fixture(scope="session")
def digit_labels():
    """Of the training examples."""
    return np.asarray(load_digits().target[:1437], np.int32)
