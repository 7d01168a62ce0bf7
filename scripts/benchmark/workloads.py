"""The trainings that are timed: recipes of tutorials, and other kinds of autoencoder on MNIST."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aejax.config import ModelConfig, PretrainConfig, SplitConfig, TrainConfig
from aejax.data.dataset import Dataset
from aejax.data.registry import load_dataset
from aejax.data.scalers import fit_scalers
from aejax.data.splits import make_split
from aejax.experiments.resolve import resolve_config
from aejax.recipes import get_recipe
from benchmark.training_job import TrainingJob


class TrainingWorkload(NamedTuple):
    """A recipe, and how much of it one repetition trains."""

    config: PretrainConfig
    epochs: int = 1  # in one repetition, which should take seconds
    examples: int | None = None  # the first training rows of the source; None: all


# Strided 3x3 convolutions to 16 and 32 channels, a code of 32, transposed 4x4 convolutions back; cross-entropy, Adam.
CONV_CONFIG = dataclasses.replace(
    get_recipe("conv", "mnist"),
    split=SplitConfig(split="tutorial"),
    model=ModelConfig(channels=(16, 32), latent_dim=32),
    train=TrainConfig(batch_size=128),
)

K_SPARSE_CONFIG = get_recipe("k-sparse", "mnist")
TUTORIAL_SPLIT = SplitConfig(split="tutorial")  # every seed trains on the same rows

# If an epoch would take a contender minutes, it trains on the first examples only; its steps are the same.
TRAINING_WORKLOADS: dict[str, TrainingWorkload] = {
    "deep": TrainingWorkload(get_recipe("tutorial-deep")),
    "single": TrainingWorkload(get_recipe("tutorial-single")),
    "dense64": TrainingWorkload(get_recipe("tutorial-dense64"), examples=15_360),
    "tabular": TrainingWorkload(get_recipe("tutorial-tabular"), epochs=10),
    "conv": TrainingWorkload(CONV_CONFIG, examples=12_800),
    "vae": TrainingWorkload(dataclasses.replace(get_recipe("vae", "mnist"), split=TUTORIAL_SPLIT), examples=15_360),
    "k-sparse-1000": TrainingWorkload(
        dataclasses.replace(
            K_SPARSE_CONFIG, split=TUTORIAL_SPLIT, model=dataclasses.replace(K_SPARSE_CONFIG.model, sparse_dim=1000)
        ),
        examples=15_360,
    ),
}


def take_first_examples(dataset: Dataset, examples: int) -> Dataset:
    """Returns a dataset of the first training rows and all test rows."""
    assert dataset.test_rows is not None
    train = np.setdiff1d(np.arange(dataset.n_examples), dataset.test_rows)[:examples]
    kept = np.concatenate([train, dataset.test_rows])
    test_rows = np.arange(len(train), len(kept))
    return dataclasses.replace(dataset, inputs=dataset.inputs[kept], labels=dataset.labels[kept], test_rows=test_rows)


def prepare_training_job(workload: TrainingWorkload, data_dir: Path | None) -> TrainingJob:
    """Loads a workload's data, and fixes rows and scaling for every contender.

    Raises:
        InputError: there are no data.
    """
    config = dataclasses.replace(workload.config, data=dataclasses.replace(workload.config.data, data_dir=data_dir))
    dataset = load_dataset(config.data)
    if workload.examples is not None:
        dataset = take_first_examples(dataset, workload.examples)
    config = resolve_config(config, dataset)
    assert config.split.split == "tutorial"  # every seed trains on the same rows: peers need one copy
    assert config.data.scaler is not None
    split = make_split(dataset, config.split, seeds=1)
    scaler = fit_scalers(config.data.scaler, dataset, split.train)
    shift, scale = (np.asarray(leaf)[0] for leaf in scaler)
    return TrainingJob(config=config, dataset=dataset, rows=split.train[0], shift=shift, scale=scale)
