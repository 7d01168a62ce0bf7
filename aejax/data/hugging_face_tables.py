"""Loads sets of Hugging Face's library whose features are single values as tables, like files of them."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import pandas as pd

from aejax.config import DataConfig
from aejax.data.dataset import Dataset
from aejax.data.table_files import Part
from aejax.data.tables import load_table
from aejax.errors import InputError, require

PART_SPLITS = {"train": "train", "validation": "train", "test": "test"}  # what a split is in a table


def load_splits_as_table(splits: Mapping[str, Any], config: DataConfig, source: str) -> Dataset:
    """Loads the splits through Parquet files, so that text, dates and missing values are read as in any table.

    Args:
        splits: `datasets.Dataset` of each role.
        config: how columns are read; `label_column` names the label.
        source: the set's name in messages.

    Raises:
        InputError: see `load_table`; or an option of images is given.
    """
    for flag, value in (("image-size", config.image_size), ("image-shape", config.image_shape)):
        require(value is None, f"--{flag} {value}: {source} holds no images; leave it out")
    with tempfile.TemporaryDirectory() as folder:
        parts = []
        for role, split in splits.items():
            parts.append(Part(Path(folder) / f"{role}.parquet", PART_SPLITS[role], {}))
            _named_classes(split).to_parquet(parts[-1].path, index=False)
        try:
            return load_table(Path(folder), config, sorted(parts, key=lambda part: part.split == "test"))
        except InputError as error:
            raise InputError(str(error).replace(folder, source)) from error


def _named_classes(split: Any) -> pd.DataFrame:
    """Returns the rows of a split with the names of classes for their numbers; -1 is a missing class."""
    frame = split.to_pandas()
    for name, feature in split.features.items():
        if isinstance(feature, datasets.ClassLabel):
            frame[name] = frame[name].map(dict(enumerate(feature.names)))
    return frame
