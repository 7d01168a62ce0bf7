"""Opens the source that `--dataset` names for `--stream`."""

from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from aejax.config import DataConfig
from aejax.data.dataset import Dataset
from aejax.data.mnist import load_mnist
from aejax.data.packages import require_package
from aejax.data.stream.holdout import hold_out_sample
from aejax.data.stream.image_folder import open_image_folder
from aejax.data.stream.npy import INPUTS_FILE, NpySource
from aejax.data.stream.source import DataSource
from aejax.errors import require

STREAMABLE = (
    "mnist, a prepared tfds:NAME, an .npy file, a folder with inputs.npy (and labels.npy), or a folder with one folder "
    "of images per class"
)


def load_stream(config: DataConfig, path: Path, data_dir: Path | None) -> Dataset:
    """Returns the held-out sample of `config.dataset`, whose `stream` reads all other rows.

    Args:
        config: with `stream` set.
        path: `config.dataset` as a path.
        data_dir: folder of prepared TFDS sets.

    Raises:
        InputError: the dataset cannot be streamed.
    """
    return hold_out_sample(*_open_source(config, path, data_dir), config.stream_sample, config.shuffle_window)


def _open_source(config: DataConfig, path: Path, data_dir: Path | None) -> tuple[DataSource, DataSource | None]:
    """Returns the training examples and, where there are any, the official test examples."""
    if config.dataset == "mnist":
        digits = load_mnist(data_dir)
        assert digits.test_rows is not None
        train_rows = np.setdiff1d(np.arange(digits.n_examples), digits.test_rows)
        return ArraySource(digits, train_rows), ArraySource(digits, digits.test_rows)
    if config.dataset.startswith("tfds:"):
        require_package("tensorflow_datasets", "tfds", f"--dataset {config.dataset}: with --stream")
        from aejax.data.stream.tfds import open_tfds

        name = config.dataset.removeprefix("tfds:")
        return open_tfds(name, data_dir, label=config.label_column, image_size=config.image_size)
    require(path.exists(), f"--dataset {path}: no such file or folder; --stream reads {STREAMABLE}")
    if path.is_dir() and not (path / INPUTS_FILE).exists():
        return open_image_folder(path, config.image_size)
    require(
        path.is_dir() or path.suffix == ".npy", f"--dataset {path}: cannot be streamed; --stream reads {STREAMABLE}"
    )
    require(config.image_size is None, f"--image-size {config.image_size}: {path} holds no images; leave it out")
    return NpySource(path), None


class ArraySource:
    """Some rows of a dataset in memory, which is streamed although it would not need to be."""

    has_labels = True
    is_encoded = False

    def __init__(self, dataset: Dataset, rows: Int[np.ndarray, " k"]) -> None:
        self._inputs, self._labels = dataset.inputs[rows], dataset.labels[rows]
        self.name, self.n_examples, self.nbytes = dataset.name, len(rows), self._inputs.nbytes
        self.example_shape, self.dtype = dataset.example_shape, dataset.inputs.dtype
        self.value_range: tuple[float, float] | None = dataset.value_range
        self.class_names: tuple[str, ...] | None = dataset.class_names

    def read(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, "k *shape"]:
        """Returns examples, as `DataSource.read`."""
        return self._inputs[rows]

    def read_labels(self, rows: Int[np.ndarray, " k"]) -> Shaped[np.ndarray, " k"]:
        """Returns labels, as `DataSource.read_labels`."""
        return self._labels[rows]

    def describe_row(self, row: int) -> str:
        """Returns the dataset and the row."""
        return f"{self.name}: row {row}"
