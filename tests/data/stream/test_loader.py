"""The loader reads what it needs, divides batches among processes, and resumes exactly."""

import json

import numpy as np
import pytest

from aejax.data.stream.loader import StreamLoader
from aejax.data.stream.schedule import StreamSchedule
from aejax.errors import InputError
from tests.data.stream.counting import counting_stream, rows_of_passes


def count_read_rows(stream):
    return sum(len(rows) for rows in stream.source.reads)


def test_a_chunk_reads_only_its_own_rows_ahead():
    stream = counting_stream(3960, 400)
    loader = StreamLoader(stream, StreamSchedule(99, 99, 1), 40, 1, np.asarray)
    stream.source.reads.clear()
    loader.next_chunk()
    loader.close()
    assert 40 <= count_read_rows(stream) <= 5 * 40


@pytest.mark.parametrize(("is_encoded", "window", "reads"), [(True, 1000, 1), (True, 500, 4), (False, 1000, 4)])
def test_encoded_examples_that_fit_one_window_are_decoded_once(is_encoded, window, reads):
    stream = counting_stream(1000, window, is_encoded=is_encoded)
    _ = stream.fingerprint
    stream.source.reads.clear()
    rows = rows_of_passes(stream, 25, 4)
    assert count_read_rows(stream) == reads * 1000
    np.testing.assert_array_equal(np.sort(rows.reshape(4, -1)), [np.arange(1000)] * 4)


def test_slices_of_a_batch_make_up_the_batch_and_read_only_their_own_rows():
    whole = rows_of_passes(counting_stream(700, 150, range(0, 700, 9)), 24, 2)
    parts, n_read = [], []
    for local_slice in (slice(0, 8), slice(8, 24)):
        stream = counting_stream(700, 150, range(0, 700, 9))
        _ = stream.fingerprint
        stream.source.reads.clear()
        parts.append(rows_of_passes(stream, 24, 2, local_slice))
        n_read.append(count_read_rows(stream))
    np.testing.assert_array_equal(np.concatenate(parts, axis=2), whole)
    assert 2 * n_read[0] == n_read[1] == 16 * whole.shape[1] * 2


def test_a_loader_resumes_exactly_after_every_chunk():
    stream, schedule = counting_stream(500, 100, range(0, 500, 11)), StreamSchedule(23, 10, 4)
    loader = StreamLoader(stream, schedule, 20, 2, np.asarray)
    states, chunks = [], []
    for _ in range(2 * schedule.chunks_per_pass):
        states.append(json.dumps(loader.get_state()))
        chunks.append(loader.next_chunk())
    loader.close()
    for index, state in enumerate(states):
        resumed = StreamLoader(stream, schedule, 20, 2, np.asarray)
        resumed.set_state(json.loads(state), "run")
        for expected in chunks[index : index + 2]:
            chunk = resumed.next_chunk()
            assert chunk.n_steps == expected.n_steps
            np.testing.assert_array_equal(chunk.inputs, expected.inputs)
        resumed.close()


def test_states_of_other_data_schedules_and_orders_are_rejected():
    stream, schedule = counting_stream(500, 100), StreamSchedule(25, 10, 4)
    loader = StreamLoader(stream, schedule, 20, 2, np.asarray)
    state = loader.get_state()
    for other_stream, other_schedule in ((counting_stream(501, 100), schedule), (stream, StreamSchedule(25, 5, 5))):
        other = StreamLoader(other_stream, other_schedule, 20, 2, np.asarray)
        with pytest.raises(InputError, match="run: its checkpoint is from other data or another division"):
            other.set_state(state, "run")
        other.close()
    of_version_0_1 = {name: value for name, value in state.items() if name != "order"}
    with pytest.raises(InputError, match="run: its checkpoint is from a version with another order of rows"):
        loader.set_state(of_version_0_1, "run")
    with pytest.raises(InputError, match="run: its checkpoint has no position in the stream"):
        loader.set_state(None, "run")
    loader.close()
