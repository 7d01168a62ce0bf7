"""A training small enough to be followed by hand, for a few seeds."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.config import ModelConfig, ObjectiveConfig
from aejax.data.examples import Examples
from aejax.data.order import orders
from aejax.data.scalers import Scaler
from aejax.models.autoencoder import Autoencoder, dense_autoencoder
from aejax.objectives.kinds import KINDS
from aejax.objectives.objective import Objective
from aejax.train.epoch import SeedData
from aejax.train.keys import seed_keys


@dataclasses.dataclass(frozen=True)
class Tiny:
    """Three seeds' training of a denoising autoencoder with batch normalisation: 40 rows of 6 features."""

    model: Autoencoder
    objective: Objective
    examples: Examples  # 40 training rows, 8 to monitor, one to keep out of the way
    seeds: int = 3
    epochs: int = 4
    batch_size: int = 16

    @property
    def orders(self) -> np.ndarray:
        """`(seeds, epochs, steps, batch)`."""
        rows = np.stack([np.arange(40)] * self.seeds)
        return orders(rows, first_epoch=0, epochs=self.epochs, batch_size=self.batch_size)

    @property
    def data(self) -> SeedData:
        ones = np.ones((self.seeds, 1), np.float32)
        monitor = np.tile(np.arange(40, 48, dtype=np.int32), (self.seeds, 1))
        return SeedData(seed_keys(self.seeds, "noise"), Scaler(0 * ones, ones), monitor)

    @property
    def variables(self) -> Any:
        return jax.jit(jax.vmap(self.model.init))(seed_keys(self.seeds, "init"))


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    model = dense_autoencoder(ModelConfig(hidden=(5,), latent_dim=3, batch_norm=True, output="linear"), 6)
    objective = KINDS["denoising"](model, ObjectiveConfig(reconstruction="mse", noise_std=0.1))
    inputs = np.random.default_rng(0).normal(size=(49, 6)).astype(np.float32)
    return Tiny(model, objective, Examples(jnp.asarray(inputs), jnp.arange(49, dtype=jnp.int32) % 3))
