"""A pretrained autoencoder with its data, as functions on NumPy arrays, and what an analysis of it returns."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from matplotlib.figure import Figure

from aejax.analysis.codec import Codec, PrincipalComponents, fit_pca
from aejax.config.experiment import ExploreConfig
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

BATCH_SIZES = (32, 128, 1024)  # few sizes, so that few programs are compiled
MAX_CODED_ROWS = 10_000  # training examples encoded per seed, drawn at random
PCA_WIDTH_FACTOR = 4  # PCA is fitted with up to this multiple of the code's width

ApplyFn = Callable[[Variables, Array], Array]
Figures = dict[str, tuple[Callable[[], Figure], str]]  # what draws it, and its caption, by file name


@functools.lru_cache(maxsize=4)
def _jitted_coders(model: Autoencoder) -> tuple[ApplyFn, ApplyFn]:
    if isinstance(model, VariationalAutoencoder):
        return jax.jit(lambda variables, inputs: model.posterior(variables, inputs).mean), jax.jit(model.decode)
    return jax.jit(model.encode), jax.jit(model.decode)


def _apply_batched(apply: ApplyFn, variables: Variables, rows: np.ndarray) -> np.ndarray:
    """Applies a function to all rows in batches of the smallest size that holds them at once, or of the largest."""
    size = next((size for size in BATCH_SIZES if size >= len(rows)), BATCH_SIZES[-1])
    results = []
    for first in range(0, len(rows), size):
        batch = rows[first : first + size]
        padded = np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])
        results.append(np.asarray(apply(variables, jnp.asarray(padded, jnp.float32)))[: len(batch)])
    return np.concatenate(results)


def make_codec(model: Autoencoder, variables: Variables) -> Codec:
    """Returns one seed's autoencoder as functions on NumPy arrays. A variational code is the posterior mean."""
    encode, decode = _jitted_coders(model)
    return Codec(
        encode=lambda inputs: _apply_batched(encode, variables, inputs),
        decode=lambda codes: _apply_batched(decode, variables, codes),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedModel:
    """A pretraining run with its data."""

    pretrained: PretrainedModel
    dataset: Dataset
    split: Split
    config: ExploreConfig

    @property
    def kind(self) -> str:
        """The kind of autoencoder."""
        return self.pretrained.config.method

    @property
    def is_variational(self) -> bool:
        """Whether the code is a distribution."""
        return isinstance(self.pretrained.model, VariationalAutoencoder)

    @property
    def is_image(self) -> bool:
        """Whether examples can be drawn as grey or colour images."""
        return len(self.dataset.example_shape) == 3 and self.dataset.example_shape[2] in (1, 3)

    @property
    def is_bounded(self) -> bool:
        """Whether scaled values lie in [0, 1]."""
        return self.pretrained.config.data.scaler in ("range", "minmax")

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The column names of a table, if it has any."""
        return () if self.is_image else self.dataset.feature_names or ()

    @property
    def selected(self) -> "SeedView":
        """The seed that `--seed` selects."""
        return self.view(self.config.seed)

    def views(self) -> list["SeedView"]:
        """Returns one view per seed of the run; what a view computes is cached for a few seeds."""
        return [self.view(seed) for seed in range(self.pretrained.config.seeds)]

    def view(self, seed: int) -> "SeedView":
        """Returns the model and the data of one seed."""
        return _cached_view(self, seed)

    @functools.cached_property
    def display_limits(self) -> ValueRange:
        """The values drawn darkest and brightest: [0, 1], or the central 99 % of the training values."""
        if self.is_bounded:
            return 0.0, 1.0
        low, high = np.quantile(self.selected.coded_inputs, [0.005, 0.995]).tolist()
        return (low, high) if low < high else (low - 0.5, low + 0.5)

    def reshape_to_images(self, flat: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "..."]:
        """Reshapes flat examples to images, if they can be drawn as images."""
        return flat.reshape(*flat.shape[:-1], *self.dataset.example_shape) if self.is_image else flat

    def max_shown(self, *, images: int, table_rows: int) -> int:
        """Returns how many items a figure shows, at most; table rows need more space than images."""
        return images if self.is_image else table_rows


@dataclasses.dataclass(frozen=True, eq=False)
class SeedView:
    """One seed of a loaded model: its codec, and the data scaled as this seed was trained."""

    model: LoadedModel
    seed: int

    @functools.cached_property
    def variables(self) -> Variables:
        """The seed's variables."""
        return self.model.pretrained.seed_variables(self.seed)

    @functools.cached_property
    def codec(self) -> Codec:
        """The seed's autoencoder."""
        return make_codec(self.model.pretrained.model, self.variables)

    def preactivation_codec(self) -> Codec:
        """Returns the autoencoder without the decoder's last activation, so that the effects of units add up."""
        decode_logits = jax.jit(self.model.pretrained.model.decode_logits)
        return Codec(self.codec.encode, lambda codes: _apply_batched(decode_logits, self.variables, codes))

    def scaled_inputs(self, rows: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n d"]:
        """Returns rows of the dataset, flat and scaled."""
        flat = self.model.dataset.inputs[rows].reshape(len(rows), -1)
        return np.asarray(apply_scaler(jax.tree.map(lambda leaf: leaf[self.seed], self.model.pretrained.scaler), flat))

    @property
    def test_rows(self) -> Int[np.ndarray, " n_test"]:
        """The rows of the test examples."""
        return self.model.split.test[self.seed]

    @functools.cached_property
    def test_inputs(self) -> Float[np.ndarray, "n_test d"]:
        """The test examples."""
        return self.scaled_inputs(self.test_rows)

    @functools.cached_property
    def coded_rows(self) -> Int[np.ndarray, " n"]:
        """The training rows that are encoded: all, or `MAX_CODED_ROWS` of them."""
        rows = self.model.split.train[self.seed]
        if len(rows) <= MAX_CODED_ROWS:
            return rows
        return np.sort(make_generator(self.seed, "coded").choice(rows, MAX_CODED_ROWS, replace=False))

    @property
    def coded_inputs(self) -> Float[np.ndarray, "n d"]:
        """The examples at `coded_rows`."""
        return self.scaled_inputs(self.coded_rows)

    @functools.cached_property
    def train_codes(self) -> Float[np.ndarray, "n latent"]:
        """The codes of `coded_inputs`."""
        return self.codec.encode(self.coded_inputs)

    @property
    def code_width(self) -> int:
        """Units of the code."""
        return self.train_codes.shape[1]

    @functools.cached_property
    def pca(self) -> PrincipalComponents:
        """Principal components of the training examples."""
        train = self.scaled_inputs(self.model.split.train[self.seed])
        return fit_pca(train, PCA_WIDTH_FACTOR * self.code_width)

    @functools.cached_property
    def value_range(self) -> float:
        """The range of scaled values: 1 if they lie in [0, 1], else that of the training examples."""
        return 1.0 if self.model.is_bounded else float(np.ptp(self.coded_inputs))

    def kl_per_unit(self) -> Float[np.ndarray, " latent"]:
        """Returns KL(q || N(0, 1)) of each unit of a variational code, averaged over the test examples, in nats."""
        model: Any = self.model.pretrained.model
        kl = jax.jit(lambda variables, inputs: gaussian_kl(model.posterior(variables, inputs)))
        return _apply_batched(kl, self.variables, self.test_inputs).mean(axis=0)


@functools.lru_cache(maxsize=4)
def _cached_view(model: LoadedModel, seed: int) -> SeedView:
    return SeedView(model, seed)


def load_model(run_dir: Path, config: ExploreConfig) -> LoadedModel:
    """Opens a pretraining run, and loads and verifies its data.

    Raises:
        InputError: the folder holds no pretraining run, the run has no such seed, or its data have changed.
    """
    run = load_pretrained(run_dir)
    seeds = run.config.seeds
    require(config.seed < seeds, f"--seed {config.seed}: the run has seeds 0 to {seeds - 1}")
    dataset, split = load_pretraining_data(run, config.data_dir)
    return LoadedModel(run, dataset, split, config)


class AnalysisResult(NamedTuple):
    """The result of one analysis."""

    summary: str  # one or two sentences
    metrics: dict[str, Any]
    figures: Figures


class Skipped(NamedTuple):
    """Why an analysis does not apply to a model."""

    reason: str


Analysis = Callable[[LoadedModel], AnalysisResult | Skipped]
