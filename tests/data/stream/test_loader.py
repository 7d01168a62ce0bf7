"""Each pass has every training row once in an order of its own; the loader reads what it needs and resumes exactly."""

import contextlib
import json

import numpy as np
import pytest

from aejax.data.shuffling import steps_per_epoch
from aejax.data.stream.loader import ORDER_VERSION, StreamLoader, WindowShuffle
from aejax.data.stream.schedule import StreamSchedule, make_stream_schedule
from aejax.errors import InputError
from tests.data.stream.counting import counting_stream, rows_of_passes


def count_read_rows(stream):
    return sum(len(rows) for rows in stream.source.read.calls)


def test_a_chunk_reads_only_its_own_rows_ahead():
    stream = counting_stream(3960, 400)
    loader = StreamLoader(stream, StreamSchedule(99, 99, 1), 40, 1, np.asarray)
    stream.source.read.calls.clear()
    loader.next_chunk()
    loader.close()
    assert 40 <= count_read_rows(stream) <= 5 * 40


@pytest.mark.parametrize(("is_encoded", "window", "reads"), [(True, 1000, 1), (True, 500, 4), (False, 1000, 4)])
def test_encoded_examples_that_fit_one_window_are_decoded_once(is_encoded, window, reads):
    stream = counting_stream(1000, window, is_encoded=is_encoded)
    _ = stream.fingerprint
    stream.source.read.calls.clear()
    rows = rows_of_passes(stream, 25, 4)
    assert count_read_rows(stream) == reads * 1000
    np.testing.assert_array_equal(np.sort(rows.reshape(4, -1)), [np.arange(1000)] * 4)


def test_slices_of_a_batch_make_up_the_batch_and_read_only_their_own_rows():
    whole = rows_of_passes(counting_stream(700, 150, range(0, 700, 9)), 24, 2)
    parts, n_read = [], []
    for local_slice in (slice(0, 8), slice(8, 24)):
        stream = counting_stream(700, 150, range(0, 700, 9))
        _ = stream.fingerprint
        stream.source.read.calls.clear()
        parts.append(rows_of_passes(stream, 24, 2, local_slice))
        n_read.append(count_read_rows(stream))
    np.testing.assert_array_equal(np.concatenate(parts, axis=2), whole)
    assert 2 * n_read[0] == n_read[1] == 16 * whole.shape[1] * 2


def test_a_loader_resumes_exactly_after_every_chunk():
    stream, schedule = counting_stream(500, 100, range(0, 500, 11)), StreamSchedule(23, 10, 4)
    loader = StreamLoader(stream, schedule, 20, 2, np.asarray)
    states, chunks = [], []
    for _ in range(2 * len(schedule.chunks)):
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

    def saved(stream, schedule):
        with contextlib.closing(StreamLoader(stream, schedule, 20, 2, np.asarray)) as loader:
            return loader.get_state()

    state = saved(stream, schedule)
    of_version_0_1 = {name: value for name, value in state.items() if name != "order"}
    others = [saved(counting_stream(501, 100), schedule), saved(stream, StreamSchedule(25, 5, 5)), of_version_0_1, None]
    with contextlib.closing(StreamLoader(stream, schedule, 20, 2, np.asarray)) as loader:
        loader.set_state(state, "run")
        for other in others:
            with pytest.raises(InputError, match="run: its checkpoint is from other data, another division"):
                loader.set_state(other, "run")


@pytest.mark.parametrize(
    ("n", "window", "n_held_out"), [(1000, 70, 90), (1000, 2000, 0), (1000, 999, 1), (513, 128, 200)]
)
def test_each_pass_contains_every_training_row_once_and_no_held_out_row(n, window, n_held_out):
    held_out = np.random.default_rng(0).choice(n, n_held_out, replace=False)
    stream = counting_stream(n, window, held_out)
    for rows in rows_of_passes(stream, 32, 3):
        once, repeated = np.split(rows.reshape(-1), [stream.n_train])
        np.testing.assert_array_equal(np.sort(once), np.setdiff1d(np.arange(n), held_out))
        np.testing.assert_array_equal(repeated, once[: len(repeated)])
        assert len(rows) == steps_per_epoch(stream.n_train, 32)


def test_the_order_is_that_of_this_order_version():
    # Fails if another version of Grain shuffles differently: checkpoints within a pass would then resume in a wrong
    # order, so ORDER_VERSION must be increased.
    assert ORDER_VERSION == 2
    shuffle = WindowShuffle(counting_stream(24, 8, [5]))
    assert shuffle.rows(0, np.arange(8)).tolist() == [4, 10, 16, 9, 15, 20, 23, 11]
    assert shuffle.rows(1, np.arange(8)).tolist() == [8, 10, 21, 9, 13, 16, 19, 14]


def test_the_order_does_not_depend_on_the_schedule():
    one_chunk = rows_of_passes(counting_stream(300, 64), 16, 2, schedule=StreamSchedule(19, 19, 19))
    many_chunks = rows_of_passes(counting_stream(300, 64), 16, 2, schedule=StreamSchedule(19, 7, 3))
    np.testing.assert_array_equal(many_chunks, one_chunk)


def test_windows_join_distant_blocks_separate_neighbors_and_change_with_the_pass():
    n, window = 64 * 64, 1024
    first, second = rows_of_passes(counting_stream(n, window), 64, 2).reshape(2, -1)
    assert np.mean(np.abs(np.diff(first)) <= 16) < 0.05
    assert np.ptp(first[:window]) > n / 2
    assert len(np.intersect1d(first[:window], second[:window])) < window / 2


def test_a_billion_rows_need_memory_for_a_few_windows_only():
    n, window = 10**9 + 5, 65_536
    shuffle = WindowShuffle(counting_stream(n, window))
    positions = np.array([0, 1, window, n // 2, n - 2, n - 1, n])
    rows = shuffle.rows(3, positions)
    assert len(np.unique(rows)) == len(positions) - 1
    assert rows[-1] == rows[0]  # positions wrap around
    assert rows.min() >= 0
    assert rows.max() < n
    last = shuffle.rows(3, np.arange(n - window // 2, n))
    assert len(np.unique(last)) == window // 2


@pytest.mark.parametrize(
    ("steps", "per_round", "per_chunk"), [(19, 7, 3), (10, 10, 10), (12, 5, 2), (1, 1, 1), (9, 4, 5)]
)
def test_chunks_divide_rounds_and_rounds_a_pass(steps, per_round, per_chunk):
    schedule = StreamSchedule(steps, per_round, per_chunk)
    for parts, length in ((schedule.rounds, per_round), (schedule.chunks, per_chunk)):
        assert [step for part in parts for step in part] == list(range(steps))
        assert max(map(len, parts)) <= length
    assert {part.stop for part in schedule.rounds} <= {part.stop for part in schedule.chunks}


def test_batches_larger_than_the_training_rows_or_the_window_are_rejected():
    with pytest.raises(InputError, match="--batch-size 64: counting has 50 training rows"):
        make_stream_schedule(counting_stream(60, 100, range(10)), 64)
    with pytest.raises(InputError, match="--shuffle-window 32"):
        make_stream_schedule(counting_stream(100, 32), 64)


def test_rounds_have_about_200_000_small_examples_and_fewer_large_ones():
    schedule = make_stream_schedule(counting_stream(1_000_000, 65_536), 250)
    assert (schedule.steps_per_pass, schedule.steps_per_round, schedule.rounds_per_pass) == (4000, 800, 5)
    schedule = make_stream_schedule(counting_stream(1_000_000, 65_536, example_shape=(1_000_000,)), 8)  # 4 MB each
    assert 64 < schedule.steps_per_round <= 134
    assert schedule.steps_per_chunk == 1


def test_a_pass_of_a_prime_number_of_steps_is_divided_evenly():
    schedule = make_stream_schedule(counting_stream(1009 * 250, 65_536), 250)
    lengths = [len(steps) for steps in schedule.rounds]
    assert np.ptp(lengths) <= len(lengths)
