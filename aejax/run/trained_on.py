"""The data that a pretraining run was trained on, found again: by their sums, example for example and row for row."""

import dataclasses
from pathlib import Path

from aejax.data.dataset import Dataset
from aejax.data.sources import load
from aejax.data.splits import Split, make_split
from aejax.errors import require
from aejax.run.pretrain import Pretrained
from aejax.run.processes import in_turn


def load_trained_on(run: Pretrained, data_dir: Path | None) -> tuple[Dataset, Split]:
    """The data of a run, and who saw which rows of them.

    Args:
        run: opened.
        data_dir: where downloads live, if elsewhere than they did for the run.

    Raises:
        InputError: they cannot be loaded, or are others than those that the run was trained on.
    """
    config = dataclasses.replace(run.config.data, data_dir=data_dir or run.config.data.data_dir)
    dataset = in_turn(lambda: load(config))
    known = run.results["dataset"]
    require(
        dataset.sha256 == known["sha256"],
        f"{dataset.name}: holds other examples than those the run was trained on (SHA-256 {dataset.sha256[:12]}, the "
        f"run has {known['sha256'][:12]}); give the same data, or pretrain again",
    )
    split = make_split(dataset, run.config.split, run.config.seeds)
    require(
        split.sha256 == known["split_sha256"],
        f"{dataset.name}: the rows the run was trained on cannot be told from the test rows any more (the split "
        "differs); pretrain again with this version",
    )
    return dataset, split
