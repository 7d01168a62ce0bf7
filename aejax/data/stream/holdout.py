"""The examples of a stream that are held in memory for validation, testing and probing."""

import numpy as np
from jaxtyping import Int

from aejax.data.dataset import Dataset, make_dataset
from aejax.data.memory import require_host_memory
from aejax.data.shuffling import make_generator
from aejax.data.stream.source import DataSource, Stream
from aejax.errors import InputError, require

DEFAULT_SAMPLE, DEFAULT_SAMPLE_DIVISOR, DEFAULT_SAMPLE_BYTES = 20_000, 10, 1 << 30
DEFAULT_WINDOW, DEFAULT_WINDOW_BYTES = 65_536, 128 << 20
BYTES_PER_SHUFFLED_ROW = 32  # row numbers of the windows that are in memory
SAMPLE_SEED = 0
UNLABELLED_CLASS = "unlabelled"


def hold_out_sample(source: DataSource, test: DataSource | None, sample: int | None, window: int | None) -> Dataset:
    """Returns a random sample of a source as a `Dataset` whose `stream` holds all other rows.

    Args:
        source: training examples.
        test: official test examples. All of them are held in memory up to the larger of `sample` and the smaller of
            20,000 and a gibibyte; of more, a random sample of that size.
        sample: rows of `source` to hold in memory; default: 20,000, at most a tenth of the rows and a gibibyte.
        window: examples shuffled together; default: 65,536, at most 128 MiB.

    Raises:
        InputError: no row is left for training, labels are no classes, or memory cannot hold the sample.
    """
    row_bytes = int(np.prod(source.example_shape)) * source.dtype.itemsize
    affordable = max(1, min(DEFAULT_SAMPLE, DEFAULT_SAMPLE_BYTES // row_bytes))
    sample = sample or max(1, min(affordable, source.n_examples // DEFAULT_SAMPLE_DIVISOR))
    require(
        sample < source.n_examples,
        f"--stream-sample {sample}: {source.name} has {source.n_examples} rows, none would be left for training; use a "
        "smaller sample",
    )
    parts = [(source, sample_rows(source.n_examples, sample, "stream sample"))]
    if test is not None:
        parts.append((test, sample_rows(test.n_examples, min(test.n_examples, max(sample, affordable)), "stream test")))
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
    source = stream.source
    inputs = np.concatenate([part.read(rows) for part, rows in parts])
    if not source.has_labels:
        return Dataset(
            name=source.name,
            inputs=np.ascontiguousarray(inputs),
            labels=np.zeros(len(inputs), np.int32),
            class_names=(UNLABELLED_CLASS,),
            value_range=source.value_range,
            test_rows=test_rows,
            stream=stream,
        )
    labels = np.concatenate([_read_class_labels(part, rows) for part, rows in parts])
    names = source.class_names
    try:
        return make_dataset(
            source.name,
            inputs,
            labels,
            source=source.name,
            value_range=source.value_range,
            test_rows=test_rows,
            class_names=None if names is None else [names[label] for label in np.unique(labels)],
            stream=stream,
        )
    except InputError as error:
        n_sample = len(stream.held_out_rows)
        raise InputError(f"{error}; these are --stream-sample {n_sample}, try a larger one") from None


def sample_rows(n: int, count: int, use: str) -> Int[np.ndarray, " count"]:
    """Returns `count` of the rows `0..n-1`, ascending; always the same for one use."""
    return np.sort(make_generator(SAMPLE_SEED, use).choice(n, count, replace=False, shuffle=False).astype(np.int64))


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
