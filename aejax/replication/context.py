"""Where claims are run: a folder of runs that claims share, the data, the seeds."""

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

Config = TypeVar("Config", bound=ExperimentConfig)


class MnistArrays(NamedTuple):
    """MNIST as classifiers outside this library take it."""

    train: Float[np.ndarray, "n_train 784"]  # pixels in [0, 1]
    train_labels: Int[np.ndarray, " n_train"]
    test: Float[np.ndarray, "n_test 784"]
    test_labels: Int[np.ndarray, " n_test"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClaimContext:
    """What a claim's function is given."""

    runs_dir: Path  # of runs; claims that ask for the same run share it, and an interrupted ledger finds it again
    console: Console
    seeds: int
    data_dir: Path | None = None  # where MNIST is looked for, or downloaded to
    epochs: int | None = None  # shorter trainings, for tests of the way through; a ledger never sets it

    def pretrain(self, config: PretrainConfig) -> Path:
        """The folder of this config's finished run, trained now if it is not there."""
        config = self._adapt_config(config)
        out = self._run_dir(config.recipe, config)
        pretrain(config, out, self.console)
        return out

    def compare(self, name: str, config: CompareConfig) -> dict[str, Any]:
        """The results of this comparison, run now if it is not there."""
        config = self._adapt_config(config)
        return compare(config, self._run_dir(name, config), self.console)

    def load_mnist_arrays(self) -> MnistArrays:
        """MNIST, in the order of its source."""
        dataset = load_dataset(DataConfig(dataset="mnist", data_dir=self.data_dir))
        assert dataset.test_rows is not None
        rest = np.setdiff1d(np.arange(dataset.n_examples), dataset.test_rows)
        pixels = dataset.inputs.reshape(dataset.n_examples, -1).astype(np.float32) / np.float32(255)
        return MnistArrays(
            pixels[rest], dataset.labels[rest], pixels[dataset.test_rows], dataset.labels[dataset.test_rows]
        )

    def _adapt_config(self, config: Config) -> Config:
        changed = dataclasses.replace(
            config, seeds=self.seeds, data=dataclasses.replace(config.data, data_dir=self.data_dir)
        )
        if self.epochs is None:
            return changed
        return dataclasses.replace(
            changed,
            train=dataclasses.replace(config.train, epochs=self.epochs),
            objective=dataclasses.replace(config.objective, layer_epochs=None),
        )

    def _run_dir(self, name: str, config: ExperimentConfig) -> Path:
        """One for each config: claims with other settings are never in each other's way."""
        settings = json.dumps(to_dict(config), sort_keys=True)
        return self.runs_dir / f"{name}-{hashlib.sha256(settings.encode()).hexdigest()[:10]}"


def load_history(run: Path, metric: str) -> Float[np.ndarray, "seeds epochs"]:
    """A metric of every seed and epoch of a pretraining run, from its `metrics.jsonl`."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    found = np.full((1 + max(row["seed"] for row in rows), max(row["epoch"] for row in rows)), np.nan)
    for row in rows:
        if row[metric] is not None:
            found[row["seed"], row["epoch"] - 1] = row[metric]
    return found
