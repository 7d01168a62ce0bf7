"""The data of an experiment: loaded once by all processes, and with the labels that it needs."""

from aejax.config import DataConfig
from aejax.data.dataset import Dataset
from aejax.data.label_budget import with_some_class
from aejax.data.registry import load_dataset
from aejax.errors import require
from aejax.experiments.multihost import primary_first


def load_examples(config: DataConfig) -> Dataset:
    """Returns the dataset; if no row has a label, all are of one class, so that they are split like any others.

    Raises:
        InputError: the data cannot be loaded.
    """
    return with_some_class(primary_first(lambda: load_dataset(config)))


def load_labelled_examples(config: DataConfig) -> Dataset:
    """Returns a dataset with at least two classes.

    Raises:
        InputError: the data cannot be loaded, or have no labels.
    """
    dataset = load_examples(config)
    require_classes(dataset)
    return dataset


def require_classes(dataset: Dataset) -> None:
    """Raises `InputError` if a dataset has no labels to classify by."""
    require(
        dataset.n_classes >= 2,
        f"{dataset.name}: has no labels to classify by; name a column of labels by --label-column (for a stream, add "
        "labels.npy), and pretrain.py trains without",
    )
