"""What is timed: tutorial recipes by short names, a convolutional autoencoder, and the arithmetic of their epochs."""

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
from benchmark.training.job import TrainingJob


class TrainingWorkload(NamedTuple):
    """A recipe, and how long one repetition of it takes."""

    config: PretrainConfig
    epochs: int = 1  # in one repetition, so that it lasts seconds
    examples: int | None = None  # training rows, the first of the source's; None: all


# Strided 3x3 convolutions to 16 and 32 channels, a code of 32, transposed 4x4 convolutions back; cross-entropy, Adam.
CONV_CONFIG = dataclasses.replace(
    get_recipe("conv", "mnist"),
    split=SplitConfig(split="tutorial"),
    model=ModelConfig(channels=(16, 32), latent_dim=32),
    train=TrainConfig(batch_size=128),
)

K_SPARSE_CONFIG = get_recipe("k-sparse", "mnist")
TUTORIAL_SPLIT = SplitConfig(split="tutorial")  # every seed trains on the same rows

# Where an epoch of every contender would take minutes, the first examples alone are trained on: steps are as ever.
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
    """The first training rows of a dataset that has test rows, and all of its test rows."""
    assert dataset.test_rows is not None
    train = np.setdiff1d(np.arange(dataset.n_examples), dataset.test_rows)[:examples]
    kept = np.concatenate([train, dataset.test_rows])
    test_rows = np.arange(len(train), len(kept))
    return dataclasses.replace(dataset, inputs=dataset.inputs[kept], labels=dataset.labels[kept], test_rows=test_rows)


def prepare_training_job(workload: TrainingWorkload, data_dir: Path | None) -> TrainingJob:
    """Load a workload's data, and fix rows and scaling for every contender.

    Raises:
        InputError: the data cannot be had.
    """
    config = dataclasses.replace(workload.config, data=dataclasses.replace(workload.config.data, data_dir=data_dir))
    dataset = load_dataset(config.data)
    if workload.examples is not None:
        dataset = take_first_examples(dataset, workload.examples)
    config = resolve_config(config, dataset)
    assert config.split.split == "tutorial"  # every seed trains on the same rows, so peers hold one copy of them
    assert config.data.scaler is not None
    split = make_split(dataset, config.split, seeds=1)
    scaler = fit_scalers(config.data.scaler, dataset, split.train)
    shift, scale = (np.asarray(leaf)[0] for leaf in scaler)
    return TrainingJob(config=config, dataset=dataset, rows=split.train[0], shift=shift, scale=scale)
