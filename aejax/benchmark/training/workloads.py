"""What is timed: tutorial recipes by short names, a convolutional autoencoder, and the arithmetic of their epochs."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aejax.benchmark.training.job import Job
from aejax.config import ModelConfig, PretrainConfig, SplitConfig, TrainConfig
from aejax.data.dataset import Dataset
from aejax.data.scalers import fit_scalers
from aejax.data.sources import load
from aejax.data.splits import make_split
from aejax.recipes import recipe
from aejax.run.resolve import resolve


class Workload(NamedTuple):
    """A recipe, and how long one repetition of it takes."""

    config: PretrainConfig
    epochs: int = 1  # in one repetition, so that it lasts seconds
    examples: int | None = None  # training rows, the first of the source's; None: all


# Strided 3x3 convolutions to 16 and 32 channels, a code of 32, transposed 4x4 convolutions back; cross-entropy, Adam.
CONV = dataclasses.replace(
    recipe("conv", "mnist"),
    split=SplitConfig(split="tutorial"),
    model=ModelConfig(channels=(16, 32), latent_dim=32),
    train=TrainConfig(batch_size=128),
)

K_SPARSE = recipe("k-sparse", "mnist")
TUTORIAL = SplitConfig(split="tutorial")  # every seed trains on the same rows

# Where an epoch of every contender would take minutes, the first examples alone are trained on: steps are as ever.
WORKLOADS: dict[str, Workload] = {
    "deep": Workload(recipe("tutorial-deep")),
    "single": Workload(recipe("tutorial-single")),
    "dense64": Workload(recipe("tutorial-dense64"), examples=15_360),
    "tabular": Workload(recipe("tutorial-tabular"), epochs=10),
    "conv": Workload(CONV, examples=12_800),
    "vae": Workload(dataclasses.replace(recipe("vae", "mnist"), split=TUTORIAL), examples=15_360),
    "k-sparse-1000": Workload(
        dataclasses.replace(K_SPARSE, split=TUTORIAL, model=dataclasses.replace(K_SPARSE.model, sparse_dim=1000)),
        examples=15_360,
    ),
}


def first_examples(dataset: Dataset, examples: int) -> Dataset:
    """The first training rows of a dataset that has test rows, and all of its test rows."""
    assert dataset.test_rows is not None
    train = np.setdiff1d(np.arange(dataset.n), dataset.test_rows)[:examples]
    kept = np.concatenate([train, dataset.test_rows])
    test_rows = np.arange(len(train), len(kept))
    return dataclasses.replace(dataset, inputs=dataset.inputs[kept], labels=dataset.labels[kept], test_rows=test_rows)


def prepare_job(workload: Workload, data_dir: Path | None) -> Job:
    """Load a workload's data, and fix rows and scaling for every contender.

    Raises:
        InputError: the data cannot be had.
    """
    config = dataclasses.replace(workload.config, data=dataclasses.replace(workload.config.data, data_dir=data_dir))
    dataset = load(config.data)
    if workload.examples is not None:
        dataset = first_examples(dataset, workload.examples)
    config = resolve(config, dataset)
    assert config.split.split == "tutorial"  # every seed trains on the same rows, so peers hold one copy of them
    assert config.data.scaler is not None
    split = make_split(dataset, config.split, seeds=1)
    scaler = fit_scalers(config.data.scaler, dataset, split.train)
    shift, scale = (np.asarray(leaf)[0] for leaf in scaler)
    return Job(config=config, dataset=dataset, rows=split.train[0], shift=shift, scale=scale)
