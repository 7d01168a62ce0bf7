"""A training small enough to check by hand, for a few seeds."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.config import ModelConfig
from aejax.data.batching import Examples
from aejax.data.scalers import Scaler
from aejax.data.shuffling import shuffle_epochs
from aejax.models.architectures import dense_autoencoder
from aejax.models.autoencoder import Autoencoder
from aejax.objectives.corruption import gaussian_noise
from aejax.objectives.deterministic import autoencoder_objective
from aejax.objectives.objective import Objective, squared_error
from aejax.train.epoch import SeedData
from aejax.train.keys import seed_keys


@dataclasses.dataclass(frozen=True, eq=False)
class Tiny:
    """The training of a denoising autoencoder with batch normalization, for four seeds: 40 rows of 6 features.

    The optimizer is not Adam: batch normalization cancels the biases before it, so their gradients are rounding errors,
    which Adam would enlarge to whole steps, and two compilations of one training would diverge.
    """

    model: Autoencoder
    objective: Objective
    examples: Examples  # 40 training rows, 8 validation rows, one unused row
    optimizer: optax.GradientTransformation
    seeds: int = 4
    epochs: int = 4
    batch_size: int = 16

    @functools.cached_property
    def orders(self) -> np.ndarray:
        """`(seeds, epochs, steps, batch)`."""
        rows = np.stack([np.arange(40)] * self.seeds)
        return shuffle_epochs(rows, first_epoch=0, epochs=self.epochs, batch_size=self.batch_size)

    @functools.cached_property
    def data(self) -> SeedData:
        ones = np.ones((self.seeds, 1), np.float32)
        validation_rows = np.tile(np.arange(40, 48, dtype=np.int32), (self.seeds, 1))
        return SeedData(seed_keys(self.seeds, "noise"), Scaler(0 * ones, ones), validation_rows)

    @functools.cached_property
    def variables(self) -> Any:
        return jax.jit(jax.vmap(self.model.init))(seed_keys(self.seeds, "init"))


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    return make_tiny()


def make_tiny() -> Tiny:
    """The fixture `tiny`, for a process without pytest."""
    model = dense_autoencoder(ModelConfig(hidden=(5,), latent_dim=3, batch_norm=True, output="linear"), 6)
    objective = autoencoder_objective(model, squared_error, corrupt=gaussian_noise(0.1))
    inputs = np.random.default_rng(0).normal(size=(49, 6)).astype(np.float32)
    examples = Examples(jnp.asarray(inputs), jnp.arange(49, dtype=jnp.int32) % 3)
    return Tiny(model, objective, examples, optax.sgd(0.05, momentum=0.9))


def of_seed(tree, seed: int):
    return jax.tree.map(lambda leaf: leaf[seed], tree)


def assert_equal(actual, expected) -> None:
    jax.tree.map(np.testing.assert_array_equal, actual, expected)


def assert_close(actual, expected, rtol=1e-4, atol=1e-5) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol), actual, expected)
