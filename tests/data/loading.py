"""Loads datasets as the flags of a command do."""

from expected_errors import error_message

from aejax.config import DataConfig
from aejax.data.dataset import Dataset
from aejax.data.registry import load_dataset


def load(dataset: object, **config: object) -> Dataset:
    """Returns the dataset of that name or path."""
    return load_dataset(DataConfig(dataset=str(dataset), **config))


def load_error(dataset: object, **config: object) -> str:
    """Returns the message with which a dataset is rejected."""
    return error_message(load, dataset, **config)
