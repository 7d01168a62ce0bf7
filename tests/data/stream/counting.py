"""A source of examples that name their row, and records which rows were read."""

import numpy as np

from aejax.data.stream.loader import StreamLoader
from aejax.data.stream.schedule import make_stream_schedule
from aejax.data.stream.source import Stream


class CountingSource:
    """Example i is (i, -i)."""

    name, dtype, nbytes, value_range, class_names, has_labels = "counting", np.dtype(np.float32), 0, None, None, False
    example_shape = (2,)

    def __init__(self, n, is_encoded=False):
        self.n_examples, self.is_encoded, self.reads = n, is_encoded, []

    def read(self, rows):
        self.reads.append(rows.copy())
        return np.stack([rows, -rows], axis=1).astype(np.float32)

    def read_labels(self, rows):
        return rows

    def describe_row(self, row):
        return f"counting: row {row}"


def counting_stream(n, window, held_out=(), **options):
    held_out_rows = np.array(sorted(held_out), np.int64)
    return Stream(source=CountingSource(n, **options), held_out_rows=held_out_rows, window_size=window)


def rows_of_passes(stream, batch, passes, local_slice=slice(None), schedule=None):
    """Row numbers in the order of training, `(passes, steps, local batch)`."""
    schedule = schedule or make_stream_schedule(stream, batch)
    loader = StreamLoader(stream, schedule, batch, passes, np.asarray, local_slice)
    chunks = []
    for _ in range(passes * schedule.chunks_per_pass):
        chunk = loader.next_chunk()
        assert not chunk.inputs[chunk.n_steps :].any()
        np.testing.assert_array_equal(chunk.inputs[..., 0], -chunk.inputs[..., 1])
        chunks.append(chunk.inputs[: chunk.n_steps, :, 0].astype(np.int64))
    loader.close()
    return np.concatenate(chunks).reshape(passes, schedule.steps_per_pass, -1)
