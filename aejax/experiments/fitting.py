"""An autoencoder fitted to examples in memory: no test rows, no labels, no files."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Shaped

from aejax.autoencoders.registry import find_kind
from aejax.autoencoders.spec import ProblemSpec
from aejax.config import PretrainConfig
from aejax.data.dataset import make_dataset
from aejax.data.label_budget import with_some_class
from aejax.data.scalers import Scaler, apply_scaler
from aejax.data.shuffling import make_generator
from aejax.data.splits import Split
from aejax.errors import require
from aejax.experiments.checkpointing import TrainingHistory
from aejax.experiments.experiment import place_experiment
from aejax.experiments.progress import SilentReporter
from aejax.experiments.resolve import check_kind, resolve_config
from aejax.experiments.schedule import optimizer_for
from aejax.experiments.training import init_variables, train_method
from aejax.methods.autoencoders import autoencoder_method, make_cached_spec
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables

BLOCK_ROWS = 256  # rows that are encoded at a time; the last block is padded, so that one program serves any number


@dataclasses.dataclass(frozen=True)
class FittedAutoencoder:
    """The autoencoder of one seed, as NumPy arrays and plain settings."""

    kind: str
    problem: ProblemSpec
    variables: Variables
    scaler: Scaler
    offsets: Float[np.ndarray, " d"] | None  # subtracted from inputs in float64
    history: dict[str, Float[np.ndarray, " epochs"]]

    @property
    def width(self) -> int:
        """Size of a code."""
        inputs = jax.ShapeDtypeStruct((1, self.problem.n_features), np.float32)
        return int(jax.eval_shape(self._model.encode, self.variables, inputs).shape[1])

    def encode(self, inputs: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n width"]:
        """Returns the codes of raw inputs."""
        return self._apply(_encode, self._centre(inputs))

    def decode(self, codes: Float[np.ndarray, "n width"]) -> Float[np.ndarray, "n d"]:
        """Returns what codes stand for, in the inputs' units."""
        scaled = self._apply(_decode, codes)
        scale = np.where(self.scaler.scale == 0, np.inf, self.scaler.scale)  # constant features are their shift
        return scaled / scale + self.scaler.shift + (0 if self.offsets is None else self.offsets)

    def explained_variance(self, inputs: Float[np.ndarray, "n d"]) -> float:
        """Returns the share of the scaled inputs' variance that reconstructions explain."""
        scaled = np.asarray(apply_scaler(self.scaler, self._centre(inputs)))
        reconstructed = self._apply(_decode, self.encode(inputs))
        total = np.square(scaled - scaled.mean(axis=0)).sum()
        return float(1 - np.square(scaled - reconstructed).sum() / total) if total > 0 else 0.0

    @property
    def _model(self) -> Autoencoder:
        """The same object each time, so that its programs are compiled once."""
        return make_cached_spec(find_kind(self.kind), self.problem).model

    def _centre(self, inputs: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Returns inputs as the training stored them."""
        values = inputs if self.offsets is None else inputs.astype(np.float64) - self.offsets
        return values.astype(np.float32)

    def _apply(self, program: Callable[..., Array], rows: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n m"]:
        """Applies a program to blocks of rows, so that a row's result depends on nothing but the row."""
        model, results = self._model, []
        for start in range(0, len(rows), BLOCK_ROWS):
            block = rows[start : start + BLOCK_ROWS].astype(np.float32)
            padded = np.concatenate([block, np.zeros((BLOCK_ROWS - len(block), block.shape[1]), np.float32)])
            results.append(np.asarray(program(model, self.variables, self.scaler, padded))[: len(block)])
        return np.concatenate(results)


@functools.partial(jax.jit, static_argnums=0)
def _encode(model: Autoencoder, variables: Variables, scaler: Scaler, rows: Array) -> Array:
    return model.encode(variables, apply_scaler(scaler, rows))


@functools.partial(jax.jit, static_argnums=0)
def _decode(model: Autoencoder, variables: Variables, scaler: Scaler, codes: Array) -> Array:
    return model.decode(variables, codes)


def fit_autoencoder(
    config: PretrainConfig,
    examples: Shaped[np.ndarray, "n *shape"],
    validation_fraction: float,
    seed: int,
    patience: int | None = None,
) -> FittedAutoencoder:
    """Trains an autoencoder on examples.

    Args:
        config: `method`, and the settings of data, model, objective, training and optimizer are used.
        examples: raw.
        validation_fraction: share of the examples that do not train.
        seed: of the validation rows, the initialisation, the order and the noise.
        patience: epochs without a lower validation loss after which the training ends with the weights of the lowest;
            None: the weights after the last epoch.

    Raises:
        InputError: a setting cannot be used.
    """
    check_kind(config.method)
    require(0 <= validation_fraction < 1, f"--validation-fraction {validation_fraction}: expected at least 0, below 1")
    dataset = with_some_class(make_dataset("X", examples, None, source="X"))
    n_valid = round(validation_fraction * len(examples))
    require(
        n_valid < len(examples),
        f"--validation-fraction {validation_fraction}: leaves none of {len(examples)} rows to train on; lower it",
    )
    require(patience is None or n_valid, "--early-stopping True: needs validation rows; raise --validation-fraction")
    order, none = make_generator(seed, "validation rows").permutation(len(examples)), np.zeros((1, 0), np.int64)
    split = Split(
        train=order[None, n_valid:], valid=order[None, :n_valid], labelled_train=none, labelled_valid=none, test=none
    )
    resolved = resolve_config(config, dataset)
    experiment = dataclasses.replace(
        place_experiment(resolved, dataset, split, SilentReporter()), first_seed=seed % 2**31
    )
    method = autoencoder_method(config.method, experiment.problem)

    def is_finished(history: TrainingHistory) -> bool:
        if patience is None:
            return False
        losses = history.metrics["valid_loss"][0]
        return len(losses) - 1 - int(np.argmin(losses)) >= patience

    optimizer = optimizer_for(experiment, method)
    trained = train_method(
        experiment, config.method, method, optimizer, init_variables(experiment, method), is_finished
    )
    kept = trained.progress.state.variables if patience is None else trained.progress.best
    host: Any = jax.tree.map(lambda leaf: np.asarray(leaf)[0], experiment.plan.to_host(kept))
    return FittedAutoencoder(
        kind=config.method,
        problem=experiment.problem,
        variables=host,
        scaler=jax.tree.map(lambda leaf: leaf[0], experiment.scaler),
        offsets=dataset.offsets,
        history={name: values[0] for name, values in trained.history.metrics.items()},
    )
