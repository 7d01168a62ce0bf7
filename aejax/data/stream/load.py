"""Holds a sample of a source in memory, to validate and probe, and streams all other rows."""

from pathlib import Path

import numpy as np
from jaxtyping import Int

from aejax.config import DataConfig
from aejax.data.dataset import Dataset, make_dataset
from aejax.data.label_budget import with_some_class
from aejax.data.memory import require_host_memory
from aejax.data.shuffling import make_generator
from aejax.data.stream.open import open_source
from aejax.data.stream.source import DataSource, Stream
from aejax.errors import InputError, require

DEFAULT_SAMPLE, DEFAULT_SAMPLE_DIVISOR, DEFAULT_SAMPLE_BYTES = 20_000, 10, 1 << 30
DEFAULT_WINDOW, DEFAULT_WINDOW_BYTES = 65_536, 128 << 20
BYTES_PER_SHUFFLED_ROW = 32  # row numbers of the windows that are in memory
SAMPLE_SEED = 0


def load_stream(config: DataConfig, path: Path, data_dir: Path | None) -> Dataset:
    """Returns a random sample of `config.dataset`, whose `stream` reads all other rows.

    All official test examples are held in memory, up to the larger of the sample and the smaller of 20,000 and a
    gibibyte; of more, a random sample of that size.

    Args:
        config: `dataset`, `stream_sample`, `shuffle_window` and what its reader needs are used.
        path: `config.dataset` as a path.
        data_dir: folder of MNIST and of prepared TFDS sets.

    Raises:
        InputError: the dataset cannot be streamed.
    """
    source, test = open_source(config, path, data_dir)
    row_bytes = int(np.prod(source.example_shape)) * source.dtype.itemsize
    affordable = max(1, min(DEFAULT_SAMPLE, DEFAULT_SAMPLE_BYTES // row_bytes))
    sample = config.stream_sample or max(1, min(affordable, source.n_examples // DEFAULT_SAMPLE_DIVISOR))
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
    window = config.shuffle_window or max(1, min(DEFAULT_WINDOW, DEFAULT_WINDOW_BYTES // row_bytes))
    stream = Stream(source=source, held_out_rows=parts[0][1], window_size=window)
    window_bytes = BYTES_PER_SHUFFLED_ROW * min(window, source.n_examples)
    decoded_bytes = 2 * source.n_examples * row_bytes if stream.keeps_decoded else 0
    require_host_memory(window_bytes + decoded_bytes, f"--shuffle-window {window}: examples of {source.name}")
    return _read_sample(parts, stream)


def _read_sample(parts: list[tuple[DataSource, np.ndarray]], stream: Stream) -> Dataset:
    """Returns the rows of the training examples and, if there are two parts, of the official test examples."""
    source, n_sample, labels, class_names = stream.source, len(stream.held_out_rows), None, None
    inputs = np.concatenate([part.read(rows) for part, rows in parts])
    if source.read_labels is not None:
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
            test_rows=np.arange(n_sample, len(inputs)) if len(parts) > 1 else None,
            class_names=class_names,
            stream=stream,
        )
    except InputError as error:
        raise InputError(f"{error}; these are --stream-sample {n_sample}, try a larger one") from None
    return with_some_class(dataset)


def _sample_rows(n: int, count: int, use: str) -> Int[np.ndarray, " count"]:
    """Returns at most `count` of the rows `0..n-1`, ascending; always the same for one use."""
    rows = make_generator(SAMPLE_SEED, use).choice(n, min(n, count), replace=False, shuffle=False)
    return np.sort(rows.astype(np.int64))


def _read_class_labels(source: DataSource, rows: Int[np.ndarray, " k"]) -> np.ndarray:
    """Returns the labels of some rows. Raises InputError where a number is no class."""
    assert source.read_labels is not None
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
