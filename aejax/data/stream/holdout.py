"""The examples of a stream that are held in memory: those that validate, judge, and are probed."""

import numpy as np
from jaxtyping import Int

from aejax.data.dataset import Dataset, make_dataset
from aejax.data.memory import require_host_memory
from aejax.data.shuffling import make_generator
from aejax.data.stream.source import DataSource, Stream
from aejax.errors import InputError, require

DEFAULT_SAMPLE, DEFAULT_SAMPLE_DIVISOR, DEFAULT_SAMPLE_BYTES = (
    20_000,
    10,
    1 << 30,
)  # held in memory by default: at most so many, of so many one
DEFAULT_WINDOW, DEFAULT_WINDOW_BYTES = 65_536, 128 << 20  # shuffled together by default, at most
SAMPLE_SEED = 0
UNLABELLED_CLASS = "unlabelled"


def hold_out_sample(source: DataSource, test: DataSource | None, sample: int | None, window: int | None) -> Dataset:
    """A `Dataset` that is a random sample of a source, and streams the rest.

    Args:
        source: what trains.
        test: the official test examples, where there are any: all of them, up to 20,000 or a gibibyte, or as many as
            of `source` if that is more; else as many, drawn at random.
        sample: how many of `source` to hold in memory; default: 20,000, less where they are a tenth or a gibibyte.
        window: examples shuffled together; default: 65,536, less where they are 128 MiB.

    Raises:
        InputError: nothing would train, labels are missing or no classes, or memory cannot hold the sample.
    """
    row_bytes = int(np.prod(source.example_shape)) * source.dtype.itemsize
    wanted = sample or max(
        1, min(DEFAULT_SAMPLE, source.n_examples // DEFAULT_SAMPLE_DIVISOR, DEFAULT_SAMPLE_BYTES // row_bytes)
    )
    require(
        wanted < source.n_examples,
        f"--stream-sample {wanted}: {source.name} has {source.n_examples} rows, and none would train; hold fewer in memory",
    )
    held_out = sample_rows(source.n_examples, wanted, "stream sample")
    most = max(wanted, min(DEFAULT_SAMPLE, DEFAULT_SAMPLE_BYTES // row_bytes))
    judging = None if test is None else sample_rows(test.n_examples, min(test.n_examples, most), "stream test")
    total = wanted + (0 if judging is None else len(judging))
    require_host_memory(2 * total * row_bytes, f"--stream-sample {wanted}: {total} examples of {source.name}")
    size = window or max(1, min(DEFAULT_WINDOW, DEFAULT_WINDOW_BYTES // row_bytes))
    held = 2 * min(size, source.n_examples) * row_bytes
    require_host_memory(held, f"--shuffle-window {size}: two windows of {source.name}")
    stream = Stream(source=source, held_out_rows=held_out, window_size=size)
    parts = [(source, held_out), *([(test, judging)] if test is not None and judging is not None else [])]
    inputs = np.concatenate([own.read(rows) for own, rows in parts])
    labels = np.concatenate([read_class_labels(own, rows) for own, rows in parts])
    test_rows = None if judging is None else np.arange(wanted, total)
    if not source.has_labels:
        return Dataset(
            name=source.name,
            inputs=np.ascontiguousarray(inputs),
            labels=np.zeros(total, np.int32),
            class_names=(UNLABELLED_CLASS,),
            value_range=source.value_range,
            test_rows=test_rows,
            stream=stream,
        )
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
        raise InputError(f"{error}; these are --stream-sample {wanted}, a larger one may do") from None


def sample_rows(n: int, count: int, use: str) -> Int[np.ndarray, " count"]:
    """So many of `0..n-1`, ascending, by one fixed draw."""
    return np.sort(make_generator(SAMPLE_SEED, use).choice(n, count, replace=False, shuffle=False).astype(np.int64))


def read_class_labels(source: DataSource, rows: Int[np.ndarray, " k"]) -> np.ndarray:
    """The labels of some rows; zeros where the source has none.

    Raises:
        InputError: a number that is no class.
    """
    if not source.has_labels:
        return np.zeros(len(rows), np.int32)
    labels = source.read_labels(rows)
    if labels.dtype.kind in "iu":
        limit = np.inf if source.class_names is None else len(source.class_names)
        wrong = np.flatnonzero((labels < 0) | (labels >= limit))
        classes = "classes from 0" if source.class_names is None else f"one of {limit} classes, 0 to {limit - 1}"
        if wrong.size:
            raise InputError(
                f"{source.describe_row(int(rows[wrong[0]]))}: its label is {labels[wrong[0]]}; expected {classes}; mend it, "
                "or leave all labels out to train without"
            )
    return labels
