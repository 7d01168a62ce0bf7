"""Opens the source that `--dataset` names for `--stream`, and holds a sample of it in memory to validate and probe."""

from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from aejax.config import DataConfig
from aejax.data.dataset import Dataset, make_dataset
from aejax.data.label_budget import with_some_class
from aejax.data.memory import require_host_memory
from aejax.data.mnist import load_mnist
from aejax.data.packages import require_package
from aejax.data.shuffling import make_generator
from aejax.data.stream.image_folder import open_image_folder
from aejax.data.stream.npy import INPUTS_FILE, NpySource
from aejax.data.stream.source import DataSource, Stream
from aejax.errors import InputError, require

STREAMABLE = (
    "mnist, a prepared tfds:NAME, an .npy file, a folder with inputs.npy (and labels.npy), or a folder with one folder "
    "of images per class"
)
DEFAULT_SAMPLE, DEFAULT_SAMPLE_DIVISOR, DEFAULT_SAMPLE_BYTES = 20_000, 10, 1 << 30
DEFAULT_WINDOW, DEFAULT_WINDOW_BYTES = 65_536, 128 << 20
BYTES_PER_SHUFFLED_ROW = 32  # row numbers of the windows that are in memory
SAMPLE_SEED = 0


def load_stream(config: DataConfig, path: Path, data_dir: Path | None) -> Dataset:
    """Returns the held-out sample of `config.dataset`, whose `stream` reads all other rows.

    `path` is `config.dataset` as a path, and `data_dir` has prepared TFDS sets.

    Raises:
        InputError: the dataset cannot be streamed.
    """
    return _hold_out_sample(*_open_source(config, path, data_dir), config.stream_sample, config.shuffle_window)


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


def _hold_out_sample(source: DataSource, test: DataSource | None, sample: int | None, window: int | None) -> Dataset:
    """Returns a random sample of a source as a `Dataset` whose `stream` holds all other rows.

    All official test examples are held in memory, up to the larger of `sample` and the smaller of 20,000 and a
    gibibyte; of more, a random sample of that size. None stands for the defaults that `DataConfig` describes.
    """
    row_bytes = int(np.prod(source.example_shape)) * source.dtype.itemsize
    affordable = max(1, min(DEFAULT_SAMPLE, DEFAULT_SAMPLE_BYTES // row_bytes))
    sample = sample or max(1, min(affordable, source.n_examples // DEFAULT_SAMPLE_DIVISOR))
    require(
        sample < source.n_examples,
        f"--stream-sample {sample}: {source.name} has {source.n_examples} rows, none would be left for training; use a "
        "smaller sample",
    )
    parts = [(source, _sample_rows(source.n_examples, sample, "stream sample"))]
    if test is not None:
        parts.append((test, _sample_rows(test.n_examples, max(sample, affordable), "stream test")))
    total = sum(len(rows) for _, rows in parts)
    require_host_memory(2 * total * row_bytes, f"--stream-sample {sample}: {total} examples of {source.name}")
    window = window or max(1, min(DEFAULT_WINDOW, DEFAULT_WINDOW_BYTES // row_bytes))
    stream = Stream(source=source, held_out_rows=parts[0][1], window_size=window)
    window_bytes = BYTES_PER_SHUFFLED_ROW * min(window, source.n_examples)
    decoded_bytes = 2 * source.n_examples * row_bytes if stream.keeps_decoded else 0
    require_host_memory(window_bytes + decoded_bytes, f"--shuffle-window {window}: examples of {source.name}")
    test_rows = None if test is None else np.arange(sample, total)
    return _read_dataset(parts, test_rows, stream)


def _read_dataset(
    parts: list[tuple[DataSource, np.ndarray]], test_rows: Int[np.ndarray, " m"] | None, stream: Stream
) -> Dataset:
    source, labels, class_names = stream.source, None, None
    inputs = np.concatenate([part.read(rows) for part, rows in parts])
    if source.has_labels:
        labels = np.concatenate([_read_class_labels(part, rows) for part, rows in parts])
        if source.class_names is not None:
            class_names = [source.class_names[label] for label in np.unique(labels)]
    try:
        dataset = make_dataset(
            source.name,
            inputs,
            labels,
            source=source.name,
            value_range=source.value_range,
            test_rows=test_rows,
            class_names=class_names,
            stream=stream,
        )
    except InputError as error:
        n_sample = len(stream.held_out_rows)
        raise InputError(f"{error}; these are --stream-sample {n_sample}, try a larger one") from None
    return with_some_class(dataset)


def _sample_rows(n: int, count: int, use: str) -> Int[np.ndarray, " count"]:
    """Returns at most `count` of the rows `0..n-1`, ascending; always the same for one use."""
    rows = make_generator(SAMPLE_SEED, use).choice(n, min(n, count), replace=False, shuffle=False)
    return np.sort(rows.astype(np.int64))


def _read_class_labels(source: DataSource, rows: Int[np.ndarray, " k"]) -> np.ndarray:
    """Returns the labels of some rows. Raises InputError where a number is no class."""
    labels = source.read_labels(rows)
    if labels.dtype.kind not in "iu":
        return labels
    n_classes = None if source.class_names is None else len(source.class_names)
    invalid = np.flatnonzero((labels < 0) | (labels >= (np.inf if n_classes is None else n_classes)))
    if invalid.size:
        expected = "classes from 0" if n_classes is None else f"one of {n_classes} classes, 0 to {n_classes - 1}"
        place = source.describe_row(int(rows[invalid[0]]))
        raise InputError(
            f"{place}: its label is {labels[invalid[0]]}; expected {expected}; correct it, or leave all labels out to "
            "train without"
        )
    return labels


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
