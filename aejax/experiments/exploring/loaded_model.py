"""What an exploration looks at: a trained autoencoder as functions on arrays, beside the data it was trained on."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from aejax.analysis.codec import Codec, PrincipalComponents, fit_pca
from aejax.config.explore import ExploreConfig
from aejax.data.dataset import Dataset
from aejax.data.scalers import apply_scaler
from aejax.data.shuffling import make_generator
from aejax.data.splits import Split
from aejax.errors import require
from aejax.experiments.pretrained import PretrainedModel, load_pretrained, load_pretraining_data
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.models.variational import VariationalAutoencoder
from aejax.objectives.variational import gaussian_kl
from aejax.report.image_grids import ValueRange

BATCH_SIZES = (32, 128, 1024)  # examples that the model sees at once: of few sizes, so that few programs are compiled
MAX_CODED_ROWS = 10_000  # training examples, drawn per seed, behind what is fitted on codes
PCA_WIDTH_FACTOR = 4  # principal components are fitted up to so many times the code's width

ApplyFn = Callable[[Variables, Array], Array]


@functools.lru_cache(maxsize=4)
def _jitted_coders(model: Autoencoder) -> tuple[ApplyFn, ApplyFn]:
    if isinstance(model, VariationalAutoencoder):
        return jax.jit(lambda variables, inputs: model.posterior(variables, inputs).mean), jax.jit(model.decode)
    return jax.jit(model.encode), jax.jit(model.decode)


def _apply_batched(apply: ApplyFn, variables: Variables, rows: np.ndarray) -> np.ndarray:
    """`program` of all rows, in the smallest batches that hold them all at once, or else in the largest."""
    size = next((size for size in BATCH_SIZES if size >= len(rows)), BATCH_SIZES[-1])
    results = []
    for first in range(0, len(rows), size):
        batch = rows[first : first + size]
        filled = np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])
        results.append(np.asarray(apply(variables, jnp.asarray(filled, jnp.float32)))[: len(batch)])
    return np.concatenate(results)


def make_codec(model: Autoencoder, variables: Variables) -> Codec:
    """One seed's autoencoder as functions on NumPy arrays. A variational code is the posterior's mean."""
    encode, decode = _jitted_coders(model)
    return Codec(
        encode=lambda inputs: _apply_batched(encode, variables, inputs),
        decode=lambda codes: _apply_batched(decode, variables, codes),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedModel:
    """One pretraining run, opened, with its data; everything scaled as each seed scaled it."""

    pretrained: PretrainedModel
    dataset: Dataset
    split: Split
    config: ExploreConfig

    @property
    def kind(self) -> str:
        """The kind of autoencoder."""
        return self.pretrained.config.method

    @property
    def seeds(self) -> range:
        """All seeds of the run."""
        return range(self.pretrained.config.seeds)

    @property
    def is_variational(self) -> bool:
        """Whether the code is a distribution."""
        return isinstance(self.pretrained.model, VariationalAutoencoder)

    @property
    def is_image(self) -> bool:
        """Whether examples can be drawn as images, grey or coloured."""
        return len(self.dataset.example_shape) == 3 and self.dataset.example_shape[2] in (1, 3)

    @property
    def is_bounded(self) -> bool:
        """Whether scaled values lie in [0, 1]."""
        return self.pretrained.config.data.scaler in ("range", "minmax")

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of a table's columns, where it has any."""
        return () if self.is_image else self.dataset.feature_names or ()

    def scaled_inputs(self, rows: Int[np.ndarray, " n"], seed: int) -> Float[np.ndarray, "n d"]:
        """Flat examples as a seed scaled them."""
        flat = self.dataset.inputs[rows].reshape(len(rows), -1)
        return np.asarray(apply_scaler(jax.tree.map(lambda leaf: leaf[seed], self.pretrained.scaler), flat))

    @functools.lru_cache(maxsize=4)  # noqa: B019 -- few, and a script has one subject
    def codec(self, seed: int) -> Codec:
        """A seed's autoencoder."""
        return make_codec(self.pretrained.model, self.pretrained.seed_variables(seed))

    def preactivation_codec(self, seed: int) -> Codec:
        """A seed's autoencoder without the decoder's last activation, before which units add up."""
        outputs = jax.jit(self.pretrained.model.decode_logits)
        variables = self.pretrained.seed_variables(seed)
        return Codec(self.codec(seed).encode, lambda codes: _apply_batched(outputs, variables, codes))

    @functools.lru_cache(maxsize=4)  # noqa: B019
    def test_inputs(self, seed: int) -> Float[np.ndarray, "n_test d"]:
        """The test examples."""
        return self.scaled_inputs(self.split.test, seed)

    def train_inputs(self, seed: int) -> Float[np.ndarray, "n_train d"]:
        """A seed's training examples."""
        return self.scaled_inputs(self.split.train[seed], seed)

    def coded_rows(self, seed: int) -> Int[np.ndarray, " n"]:
        """The training rows whose codes are looked at: all, or `CODED` of them."""
        rows = self.split.train[seed]
        return (
            rows
            if len(rows) <= MAX_CODED_ROWS
            else np.sort(make_generator(seed, "coded").choice(rows, MAX_CODED_ROWS, replace=False))
        )

    @functools.lru_cache(maxsize=4)  # noqa: B019
    def train_codes(self, seed: int) -> Float[np.ndarray, "n latent"]:
        """Codes of `coded_rows`."""
        return self.codec(seed).encode(self.scaled_inputs(self.coded_rows(seed), seed))

    @functools.lru_cache(maxsize=4)  # noqa: B019
    def pca(self, seed: int) -> PrincipalComponents:
        """Principal components of a seed's training examples."""
        return fit_pca(self.train_inputs(seed), PCA_WIDTH_FACTOR * self.train_codes(seed).shape[1])

    def value_range(self, seed: int) -> float:
        """The range of scaled values: 1 where they lie in [0, 1], else that of the training examples."""
        return 1.0 if self.is_bounded else float(np.ptp(self.scaled_inputs(self.coded_rows(seed), seed)))

    @functools.cached_property
    def display_limits(self) -> ValueRange:
        """What is drawn darkest and brightest: [0, 1], or where all but a hundredth of the training values lie."""
        if self.is_bounded:
            return 0.0, 1.0
        values = self.scaled_inputs(self.coded_rows(self.config.seed), self.config.seed)
        low, high = np.quantile(values, [0.005, 0.995]).tolist()
        return (low, high) if low < high else (low - 0.5, low + 0.5)

    def reshape_to_images(self, flat: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "..."]:
        """As images, if they can be drawn as such."""
        return flat.reshape(*flat.shape[:-1], *self.dataset.example_shape) if self.is_image else flat

    def class_name(self, row: int) -> str:
        """The class of a row of the dataset, by name."""
        return self.dataset.class_names[int(self.dataset.labels[row])]

    def kl_per_unit(self, seed: int) -> Float[np.ndarray, " latent"]:
        """KL(q || N(0, 1)) of each unit of a variational code, mean over the test examples, in nats."""
        model: Any = self.pretrained.model
        by_example = jax.jit(lambda variables, inputs: gaussian_kl(model.posterior(variables, inputs)))
        return _apply_batched(by_example, self.pretrained.seed_variables(seed), self.test_inputs(seed)).mean(axis=0)


def load_model(run_dir: Path, config: ExploreConfig) -> LoadedModel:
    """Open a pretraining run, and load and verify its data.

    Raises:
        InputError: it is no such run, has no such seed, or the data are not those it was trained on.
    """
    run = load_pretrained(run_dir)
    seeds = run.config.seeds
    require(config.seed < seeds, f"--seed {config.seed}: the run has seeds 0 to {seeds - 1}")
    dataset, split = load_pretraining_data(run, config.data_dir)
    return LoadedModel(run, dataset, split, config)
