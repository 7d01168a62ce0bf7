"""The data that a pretraining run was trained on, found again: by their sums, example for example and row for row."""

import dataclasses
from pathlib import Path

from aejax.data.dataset import Dataset
from aejax.data.registry import load_dataset
from aejax.data.splits import Split, make_split
from aejax.errors import require
from aejax.experiments.multihost import primary_first
from aejax.experiments.pretrain import PretrainedModel


def load_pretraining_data(pretrained: PretrainedModel, data_dir: Path | None) -> tuple[Dataset, Split]:
    """The data of a run, and who saw which rows of them.

    Args:
        run: opened.
        data_dir: where downloads live, if elsewhere than they did for the run.

    Raises:
        InputError: they cannot be loaded, or are others than those that the run was trained on.
    """
    config = dataclasses.replace(pretrained.config.data, data_dir=data_dir or pretrained.config.data.data_dir)
    dataset = primary_first(lambda: load_dataset(config))
    known = pretrained.results["dataset"]
    require(
        dataset.sha256 == known["sha256"],
        f"{dataset.name}: holds other examples than those the run was trained on (SHA-256 {dataset.sha256[:12]}, the "
        f"run has {known['sha256'][:12]}); give the same data, or pretrain again",
    )
    split = make_split(dataset, pretrained.config.split, pretrained.config.seeds)
    require(
        split.sha256 == known["split_sha256"],
        f"{dataset.name}: the rows the run was trained on cannot be told from the test rows any more (the split "
        "differs); pretrain again with this version",
    )
    return dataset, split
