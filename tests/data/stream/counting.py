"""A stream of examples that name their row."""

import numpy as np

from aejax.data.stream.loader import StreamLoader
from aejax.data.stream.schedule import make_stream_schedule
from aejax.data.stream.source import DataSource, Stream


class CountingReader:
    """Reads (i, -i) as example i, and records which rows were read."""

    def __init__(self):
        self.calls = []

    def __call__(self, rows):
        self.calls.append(rows.copy())
        return np.stack([rows, -rows], axis=1).astype(np.float32)


def counting_stream(n, window, held_out=(), *, is_encoded=False, example_shape=(2,)):
    source = DataSource(
        name="counting",
        n_examples=n,
        example_shape=example_shape,
        dtype=np.dtype(np.float32),
        nbytes=0,
        read=CountingReader(),
        read_labels=None,
        describe_row="counting: row {}".format,
        is_encoded=is_encoded,
    )
    return Stream(source=source, held_out_rows=np.array(sorted(held_out), np.int64), window_size=window)


def rows_of_passes(stream, batch, passes, local_slice=slice(None), schedule=None):
    """Row numbers in the order of training, `(passes, steps, local batch)`."""
    schedule = schedule or make_stream_schedule(stream, batch)
    loader = StreamLoader(stream, schedule, batch, passes, np.asarray, local_slice)
    chunks = []
    for _ in range(passes * len(schedule.chunks)):
        chunk = loader.next_chunk()
        assert not chunk.inputs[chunk.n_steps :].any()
        np.testing.assert_array_equal(chunk.inputs[..., 0], -chunk.inputs[..., 1])
        chunks.append(chunk.inputs[: chunk.n_steps, :, 0].astype(np.int64))
    loader.close()
    return np.concatenate(chunks).reshape(passes, schedule.steps_per_pass, -1)
