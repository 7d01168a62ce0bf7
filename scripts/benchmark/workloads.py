"""What is timed: trainings, encodings, logistic paths and whole commands, each with its data."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Shaped
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler, normalize

from aejax.config import DataConfig, ModelConfig, ObjectiveConfig, PretrainConfig, SplitConfig, TrainConfig
from aejax.data.dataset import Dataset
from aejax.data.registry import load_dataset
from aejax.data.scalers import fit_scalers
from aejax.data.splits import make_split
from aejax.experiments.resolve import resolve_config
from aejax.probes.regularization_path import L2_GRID, PATH_TOLERANCE
from aejax.recipes import get_recipe
from benchmark.path_job import PathJob
from benchmark.training_job import TrainingJob

TUTORIAL_SPLIT = SplitConfig(split="tutorial")  # every seed trains on the same rows


class TrainingWorkload(NamedTuple):
    """A recipe, and how much of it one repetition trains or encodes; a repetition should take seconds."""

    config: PretrainConfig
    units: int = 1  # epochs, or rounds of encoding, in one repetition
    examples: int | None = None  # the first training rows of the source; None: all
    kind: str = "training"
    seeds: int | None = None  # trained at once by aejax; None: the benchmark's number

    def prepare(self, data_dir: Path | None) -> TrainingJob:
        """Loads the data, and fixes rows and scaling for every contender. Raises InputError if there are none."""
        dataset = load_dataset(dataclasses.replace(self.config.data, data_dir=data_dir))
        if self.examples is not None:
            dataset = take_first_examples(dataset, self.examples)
        config = resolve_config(self.config, dataset)
        assert config.split.split == "tutorial"  # every seed trains on the same rows: peers need one copy
        assert config.data.scaler is not None
        split = make_split(dataset, config.split, seeds=1)
        scaler = fit_scalers(config.data.scaler, dataset, split.train)
        shift, scale = (np.asarray(leaf)[0] for leaf in (scaler.shift, scaler.scale))
        return TrainingJob(config=config, dataset=dataset, rows=split.train[0], shift=shift, scale=scale)


class PathWorkload(NamedTuple):
    """Data, what is fitted on them, and for how many seeds."""

    data: DataConfig
    n_components: int | None = None  # leading principal components to fit on; None: the inputs
    unit_rows: bool = False  # scale each example to norm 1 instead of each feature to deviation 1
    seed_counts: tuple[int, ...] = ()  # numbers of seeds, each with its own rows, that are timed in addition
    units: int = 1  # paths in one repetition
    kind: str = "path"

    def prepare(self, data_dir: Path | None) -> PathJob:
        """Loads the data and scales the features. Raises InputError if there are none."""
        dataset = load_dataset(dataclasses.replace(self.data, data_dir=data_dir))
        rows = make_split(dataset, TUTORIAL_SPLIT, seeds=1).train[0]
        inputs = dataset.inputs.reshape(len(dataset.inputs), -1)[rows]
        features = inputs if self.n_components is None else principal_components(inputs, self.n_components)
        return PathJob(
            name=dataset.name,
            sha256=dataset.sha256,
            features=scale_rows(features) if self.unit_rows else standardize(features),
            labels=dataset.labels[rows],
            strengths=np.asarray(L2_GRID),
            tolerance=PATH_TOLERANCE,
        )


class CommandWorkload(NamedTuple):
    """A script of this project with its flags; `--data-dir` and `--out` are added."""

    words: tuple[str, ...]
    repeats: int | None = None  # maximum number of repetitions, for a long command
    mode: str = "fresh"  # a name in `command.MODES`
    compared: bool = True  # whether `--before` runs it, too
    units: int = 1  # runs in one repetition
    kind: str = "command"

    def prepare(self, data_dir: Path | None) -> tuple[str, ...]:
        """Returns the command with the folder of its data."""
        return self.words if data_dir is None else (*self.words, "--data-dir", str(data_dir.absolute()))


Workload = TrainingWorkload | PathWorkload | CommandWorkload


def take_first_examples(dataset: Dataset, examples: int) -> Dataset:
    """Returns a dataset of the first training rows and all test rows."""
    assert dataset.test_rows is not None
    train = np.setdiff1d(np.arange(dataset.n_examples), dataset.test_rows)[:examples]
    kept = np.concatenate([train, dataset.test_rows])
    test_rows = np.arange(len(train), len(kept))
    return dataclasses.replace(dataset, inputs=dataset.inputs[kept], labels=dataset.labels[kept], test_rows=test_rows)


def principal_components(inputs: Shaped[np.ndarray, "n d"], count: int) -> Float[np.ndarray, "n count"]:
    """Returns the coordinates along the directions of largest variance, largest first, in float64."""
    return PCA(count, svd_solver="covariance_eigh").fit_transform(inputs.astype(np.float64))


def standardize(inputs: Shaped[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
    """Returns features of mean 0 and standard deviation 1; a constant feature becomes 0."""
    return np.ascontiguousarray(StandardScaler().fit_transform(inputs.astype(np.float64)), dtype=np.float32)


def scale_rows(inputs: Shaped[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
    """Returns examples of norm 1; one of zeros remains."""
    return np.ascontiguousarray(normalize(inputs.astype(np.float64)), dtype=np.float32)


def _recipe(method: str, **fields: Any) -> PretrainConfig:
    return dataclasses.replace(get_recipe(method, "mnist"), split=TUTORIAL_SPLIT, **fields)


DEEP = get_recipe("tutorial-deep")
# Strided 3x3 convolutions to 16 and 32 channels, a code of 32, transposed 4x4 convolutions back; cross-entropy, Adam.
CONV = _recipe("conv", model=ModelConfig(channels=(16, 32), latent_dim=32), train=TrainConfig(batch_size=128))
K_SPARSE = _recipe(
    "k-sparse",
    model=dataclasses.replace(get_recipe("k-sparse", "mnist").model, sparse_dim=1000),
    objective=ObjectiveConfig(k_decay_steps=0),  # the other frameworks' layers keep k units from the first step
)
COMPARE = "scripts/compare.py"
DIGITS = (COMPARE, "--dataset", "digits", "--seeds", "10")
COMPARE_MNIST = (COMPARE, "--dataset", "mnist", "--seeds", "10")
MNIST = DataConfig(dataset="mnist")
WIDE = ("--tabular-samples", "500", "--tabular-features", "20000", "--methods", "raw", "pca", "undercomplete")
GRID = ("--axis", "latent_dim=2,4,8,16,32,48", "--axis", "noise_std=0.1,0.3,0.6,0.9")
# If an epoch would take a contender minutes, it trains on the first examples only; its steps are the same.
SHORT: dict[str, Workload] = {
    "deep": TrainingWorkload(DEEP),
    "single": TrainingWorkload(get_recipe("tutorial-single")),
    "dense64": TrainingWorkload(get_recipe("tutorial-dense64"), examples=15_360),
    "tabular": TrainingWorkload(get_recipe("tutorial-tabular"), units=10),
    "conv": TrainingWorkload(CONV, examples=12_800),
    "vae": TrainingWorkload(_recipe("vae"), examples=15_360),
    "k-sparse-1000": TrainingWorkload(K_SPARSE, examples=15_360),
    "probe-path": PathWorkload(MNIST, seed_counts=(1, 10)),
    "probe-path-64": PathWorkload(MNIST, n_components=64, seed_counts=(1, 4, 10)),
    "encode": TrainingWorkload(DEEP, units=4, kind="encoding"),
    "cold-start": CommandWorkload(DIGITS, repeats=2),
}
OPT_IN: dict[str, Workload] = {  # timed only if named
    "probe-path-rows": PathWorkload(MNIST, unit_rows=True, seed_counts=(1, 10)),
    "probe-path-64-rows": PathWorkload(MNIST, n_components=64, unit_rows=True, seed_counts=(1, 10)),
    "cached-start": CommandWorkload(DIGITS, repeats=2, mode="cached"),
    "second-run": CommandWorkload(DIGITS, repeats=2, mode="again"),
    "sweep": CommandWorkload(("scripts/sweep.py", "--dataset", "digits", "--seeds", "10", *GRID), repeats=1),
    "wide": CommandWorkload((COMPARE, "--dataset", "tabular", "--seeds", "10", *WIDE), repeats=1, compared=False),
    # One epoch is enough: the peak memory does not grow with the epochs.
    "memory-mnist": CommandWorkload((*COMPARE_MNIST, "--epochs", "1"), repeats=1),
    "mnist": CommandWorkload((*COMPARE_MNIST, "--epochs", "5"), repeats=1, compared=False),
}
WORKLOADS = SHORT | OPT_IN
