"""What claims run with: a folder of runs that they share, the data, the seeds."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float, Int
from rich.console import Console

from aejax.config import CompareConfig, DataConfig, ExperimentConfig, PretrainConfig, to_dict
from aejax.data.registry import load_dataset
from aejax.experiments.compare import compare
from aejax.experiments.pretrain import pretrain
from aejax.storage.results_file import read_metrics
from aejax.storage.run_identity import setting_differences

Config = TypeVar("Config", bound=ExperimentConfig)
PROTOCOL_VERSION = 2  # raised when the default of a setting changes, or what the package does with the same settings


class MnistArrays(NamedTuple):
    """MNIST as arrays for scikit-learn and NumPy."""

    train: Float[np.ndarray, "n_train 784"]  # pixels in [0, 1]
    train_labels: Int[np.ndarray, " n_train"]
    test: Float[np.ndarray, "n_test 784"]
    test_labels: Int[np.ndarray, " n_test"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClaimContext:
    """The argument of a claim's function."""

    runs_dir: Path  # claims with the same config share a run; an interrupted ledger resumes it
    console: Console
    seeds: int
    data_dir: Path | None = None  # where MNIST is found, or downloaded to
    epochs: int | None = None  # shortens trainings in tests; a ledger never sets it

    def pretrain(self, config: PretrainConfig) -> Path:
        """Returns the folder of this config's finished run, which is trained if it does not exist."""
        config = self._adapt_config(config)
        out = self._run_dir(config.recipe, config)
        pretrain(config, out, self.console)
        return out

    def compare(self, name: str, config: CompareConfig) -> dict[str, Any]:
        """Returns the results of this comparison, which is run if it does not exist."""
        config = self._adapt_config(config)
        return compare(config, self._run_dir(name, config), self.console)

    def load_mnist_arrays(self) -> MnistArrays:
        """Returns MNIST in the order of its source."""
        dataset = load_dataset(DataConfig(dataset="mnist", data_dir=self.data_dir))
        assert dataset.test_rows is not None
        test = dataset.test_rows
        train = np.setdiff1d(np.arange(dataset.n_examples), test)
        pixels = dataset.inputs.reshape(dataset.n_examples, -1).astype(np.float32) / np.float32(255)
        return MnistArrays(pixels[train], dataset.labels[train], pixels[test], dataset.labels[test])

    def _adapt_config(self, config: Config) -> Config:
        data = dataclasses.replace(config.data, data_dir=self.data_dir)
        config = dataclasses.replace(config, seeds=self.seeds, data=data)
        if self.epochs is None:
            return config
        return dataclasses.replace(
            config,
            train=dataclasses.replace(config.train, epochs=self.epochs),
            objective=dataclasses.replace(config.objective, layer_epochs=None),
        )

    def _run_dir(self, name: str, config: ExperimentConfig) -> Path:
        """Returns a folder of its own for each config."""
        settings = json.dumps([PROTOCOL_VERSION, changed_settings(config)], sort_keys=True)
        return self.runs_dir / f"{name}-{hashlib.sha256(settings.encode()).hexdigest()[:10]}"


def changed_settings(config: ExperimentConfig) -> list[Any]:
    """Returns the path and value of every setting that differs from its default, but for the folder of the data."""
    defaults = to_dict(type(config)())
    return sorted([list(path), value] for path, _, value in setting_differences(defaults, to_dict(config), {}))


def load_history(run: Path, metric: str) -> Float[np.ndarray, "seeds epochs"]:
    """Returns a metric of every seed and epoch from the `metrics.jsonl` of a pretraining run; NaN if missing."""
    rows = read_metrics(run)
    history = np.full((1 + max(row["seed"] for row in rows), max(row["epoch"] for row in rows)), np.nan)
    for row in rows:
        if row[metric] is not None:
            history[row["seed"], row["epoch"] - 1] = row[metric]
    return history


def final_metric(
    context: ClaimContext, config: PretrainConfig, metric: str = "valid_loss"
) -> Float[np.ndarray, " seeds"]:
    """Returns a metric of every seed after the last epoch."""
    return load_history(context.pretrain(config), metric)[:, -1]
