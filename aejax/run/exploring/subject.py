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

from aejax.config.explore import ExploreConfig
from aejax.data.dataset import Dataset
from aejax.data.order import generator
from aejax.data.scalers import scale
from aejax.data.splits import Split
from aejax.errors import require
from aejax.explore.codec import Codec, Principal, fit_principal
from aejax.models.autoencoder import Autoencoder
from aejax.models.parts import Variables
from aejax.models.variational import VariationalAutoencoder
from aejax.objectives.variational import gaussian_kl
from aejax.report.gallery import Limits
from aejax.run.pretrain import Pretrained, open_pretrained
from aejax.run.trained_on import load_trained_on

BATCHES = (32, 128, 1024)  # examples that the model sees at once: of few sizes, so that few programs are compiled
CODED = 10_000  # training examples, drawn per seed, behind what is fitted on codes
WIDER = 4  # principal components are fitted up to so many times the code's width

Program = Callable[[Variables, Array], Array]


@functools.lru_cache(maxsize=4)
def _programs(model: Autoencoder) -> tuple[Program, Program]:
    if isinstance(model, VariationalAutoencoder):
        return jax.jit(lambda variables, inputs: model.posterior(variables, inputs).mean), jax.jit(model.decode)
    return jax.jit(model.encode), jax.jit(model.decode)


def _in_batches(program: Program, variables: Variables, rows: np.ndarray) -> np.ndarray:
    """`program` of all rows, in the smallest batches that hold them all at once, or else in the largest."""
    size = next((size for size in BATCHES if size >= len(rows)), BATCHES[-1])
    results = []
    for first in range(0, len(rows), size):
        batch = rows[first : first + size]
        filled = np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])
        results.append(np.asarray(program(variables, jnp.asarray(filled, jnp.float32)))[: len(batch)])
    return np.concatenate(results)


def model_codec(model: Autoencoder, variables: Variables) -> Codec:
    """One seed's autoencoder as functions on NumPy arrays. A variational code is the posterior's mean."""
    encode, decode = _programs(model)
    return Codec(
        encode=lambda inputs: _in_batches(encode, variables, inputs),
        decode=lambda codes: _in_batches(decode, variables, codes),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """One pretraining run, opened, with its data; everything scaled as each seed scaled it."""

    run: Pretrained
    dataset: Dataset
    split: Split
    config: ExploreConfig

    @property
    def name(self) -> str:
        """The kind of autoencoder."""
        return self.run.config.method

    @property
    def seeds(self) -> range:
        """All seeds of the run."""
        return range(self.run.config.seeds)

    @property
    def variational(self) -> bool:
        """Whether the code is a distribution."""
        return isinstance(self.run.model, VariationalAutoencoder)

    @property
    def is_image(self) -> bool:
        """Whether examples can be drawn as images, grey or coloured."""
        return len(self.dataset.shape) == 3 and self.dataset.shape[2] in (1, 3)

    @property
    def bounded(self) -> bool:
        """Whether scaled values lie in [0, 1]."""
        return self.run.config.data.scaler in ("range", "minmax")

    @property
    def features(self) -> tuple[str, ...]:
        """Names of a table's columns, where it has any."""
        return () if self.is_image else self.dataset.feature_names or ()

    def inputs(self, rows: Int[np.ndarray, " n"], seed: int) -> Float[np.ndarray, "n d"]:
        """Flat examples as a seed scaled them."""
        flat = self.dataset.inputs[rows].reshape(len(rows), -1)
        return np.asarray(scale(jax.tree.map(lambda leaf: leaf[seed], self.run.scaler), flat))

    @functools.lru_cache(maxsize=4)  # noqa: B019 -- few, and a script has one subject
    def codec(self, seed: int) -> Codec:
        """A seed's autoencoder."""
        return model_codec(self.run.model, self.run.of_seed(seed))

    def before_activation(self, seed: int) -> Codec:
        """A seed's autoencoder without the decoder's last activation, before which units add up."""
        outputs = jax.jit(self.run.model.outputs)
        variables = self.run.of_seed(seed)
        return Codec(self.codec(seed).encode, lambda codes: _in_batches(outputs, variables, codes))

    @functools.lru_cache(maxsize=4)  # noqa: B019
    def test(self, seed: int) -> Float[np.ndarray, "n_test d"]:
        """The test examples."""
        return self.inputs(self.split.test, seed)

    def train(self, seed: int) -> Float[np.ndarray, "n_train d"]:
        """A seed's training examples."""
        return self.inputs(self.split.train[seed], seed)

    def coded_rows(self, seed: int) -> Int[np.ndarray, " n"]:
        """The training rows whose codes are looked at: all, or `CODED` of them."""
        rows = self.split.train[seed]
        return rows if len(rows) <= CODED else np.sort(generator(seed, "coded").choice(rows, CODED, replace=False))

    @functools.lru_cache(maxsize=4)  # noqa: B019
    def train_codes(self, seed: int) -> Float[np.ndarray, "n latent"]:
        """Codes of `coded_rows`."""
        return self.codec(seed).encode(self.inputs(self.coded_rows(seed), seed))

    @functools.lru_cache(maxsize=4)  # noqa: B019
    def principal(self, seed: int) -> Principal:
        """Principal components of a seed's training examples."""
        return fit_principal(self.train(seed), WIDER * self.train_codes(seed).shape[1])

    def peak(self, seed: int) -> float:
        """The range of scaled values: 1 where they lie in [0, 1], else that of the training examples."""
        return 1.0 if self.bounded else float(np.ptp(self.inputs(self.coded_rows(seed), seed)))

    @functools.cached_property
    def limits(self) -> Limits:
        """What is drawn darkest and brightest: [0, 1], or where all but a hundredth of the training values lie."""
        if self.bounded:
            return 0.0, 1.0
        values = self.inputs(self.coded_rows(self.config.seed), self.config.seed)
        low, high = np.quantile(values, [0.005, 0.995]).tolist()
        return (low, high) if low < high else (low - 0.5, low + 0.5)

    def shaped(self, flat: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "..."]:
        """As images, if they can be drawn as such."""
        return flat.reshape(*flat.shape[:-1], *self.dataset.shape) if self.is_image else flat

    def label(self, row: int) -> str:
        """The class of a row of the dataset, by name."""
        return self.dataset.class_names[int(self.dataset.labels[row])]

    def divergence(self, seed: int) -> Float[np.ndarray, " latent"]:
        """KL(q || N(0, 1)) of each unit of a variational code, mean over the test examples, in nats."""
        model: Any = self.run.model
        by_example = jax.jit(lambda variables, inputs: gaussian_kl(model.posterior(variables, inputs)))
        return _in_batches(by_example, self.run.of_seed(seed), self.test(seed)).mean(axis=0)


def open_subject(folder: Path, config: ExploreConfig) -> Subject:
    """Open a pretraining run, and load and verify its data.

    Raises:
        InputError: it is no such run, has no such seed, or the data are not those it was trained on.
    """
    run = open_pretrained(folder)
    seeds = run.config.seeds
    require(config.seed < seeds, f"--seed {config.seed}: the run has seeds 0 to {seeds - 1}")
    dataset, split = load_trained_on(run, config.data_dir)
    return Subject(run, dataset, split, config)
