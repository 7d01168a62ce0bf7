"""The examples of a stream that are held in memory: those that validate, judge, and are probed."""

import numpy as np
from jaxtyping import Int

from aejax.data.dataset import Dataset, make_dataset
from aejax.data.memory import require_host_room
from aejax.data.order import generator
from aejax.data.stream.source import Source, Stream
from aejax.errors import InputError, require

SAMPLE, SAMPLE_SHARE, SAMPLE_BYTES = 20_000, 10, 1 << 30  # held in memory by default: at most so many, of so many one
WINDOW, WINDOW_BYTES = 65_536, 128 << 20  # shuffled together by default, at most
SAMPLE_SEED = 0
UNLABELLED = "unlabelled"


def sampled(source: Source, test: Source | None, sample: int | None, window: int | None) -> Dataset:
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
    row_bytes = int(np.prod(source.shape)) * source.dtype.itemsize
    wanted = sample or max(1, min(SAMPLE, source.n // SAMPLE_SHARE, SAMPLE_BYTES // row_bytes))
    require(
        wanted < source.n,
        f"--stream-sample {wanted}: {source.name} has {source.n} rows, and none would train; hold fewer in memory",
    )
    held_out = drawn(source.n, wanted, "stream sample")
    most = max(wanted, min(SAMPLE, SAMPLE_BYTES // row_bytes))
    judging = None if test is None else drawn(test.n, min(test.n, most), "stream test")
    total = wanted + (0 if judging is None else len(judging))
    require_host_room(2 * total * row_bytes, f"--stream-sample {wanted}: {total} examples of {source.name}")
    size = window or max(1, min(WINDOW, WINDOW_BYTES // row_bytes))
    held = 2 * min(size, source.n) * row_bytes
    require_host_room(held, f"--shuffle-window {size}: two windows of {source.name}")
    stream = Stream(source=source, held_out=held_out, window=size)
    parts = [(source, held_out), *([(test, judging)] if test is not None and judging is not None else [])]
    inputs = np.concatenate([own.read(rows) for own, rows in parts])
    labels = np.concatenate([labels_of(own, rows) for own, rows in parts])
    test_rows = None if judging is None else np.arange(wanted, total)
    if not source.labelled:
        return Dataset(
            name=source.name,
            inputs=np.ascontiguousarray(inputs),
            labels=np.zeros(total, np.int32),
            class_names=(UNLABELLED,),
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


def drawn(n: int, count: int, use: str) -> Int[np.ndarray, " count"]:
    """So many of `0..n-1`, ascending, by one fixed draw."""
    return np.sort(generator(SAMPLE_SEED, use).choice(n, count, replace=False, shuffle=False).astype(np.int64))


def labels_of(source: Source, rows: Int[np.ndarray, " k"]) -> np.ndarray:
    """The labels of some rows; zeros where the source has none.

    Raises:
        InputError: a number that is no class.
    """
    if not source.labelled:
        return np.zeros(len(rows), np.int32)
    labels = source.labels(rows)
    if labels.dtype.kind in "iu":
        limit = np.inf if source.class_names is None else len(source.class_names)
        wrong = np.flatnonzero((labels < 0) | (labels >= limit))
        classes = "classes from 0" if source.class_names is None else f"one of {limit} classes, 0 to {limit - 1}"
        if wrong.size:
            raise InputError(
                f"{source.place(int(rows[wrong[0]]))}: its label is {labels[wrong[0]]}; expected {classes}; mend it, "
                "or leave all labels out to train without"
            )
    return labels
