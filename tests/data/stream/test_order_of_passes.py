"""A pass shows every training row once, in an order that is a function of (seed, pass), and no more than windows."""

import dataclasses
import threading

import numpy as np
import pytest

from aejax.data.shuffling import shuffle_epoch, steps_per_epoch
from aejax.data.stream.loader import StreamLoader
from aejax.data.stream.permutation import PassPermutation
from aejax.data.stream.schedule import StreamSchedule, make_stream_schedule
from aejax.data.stream.source import MAX_BLOCK_SIZE, Stream
from aejax.errors import InputError


class Counting:
    """Example i is (i, -i); remembers which rows were read."""

    name, dtype, nbytes, value_range, class_names, has_labels = "counting", np.dtype(np.float32), 0, None, None, False
    example_shape = (2,)

    def __init__(self, n):
        self.n_examples, self.reads, self.lock = n, [], threading.Lock()

    def read(self, rows):
        assert np.all(np.diff(rows) > 0)
        with self.lock:
            self.reads.append(rows.copy())
        return np.stack([rows, -rows], axis=1).astype(np.float32)

    def read_labels(self, rows):
        return rows

    def describe_row(self, row):
        return f"counting: row {row}"


def stream_of(n, window, held_out=()):
    return Stream(source=Counting(n), held_out_rows=np.array(sorted(held_out), np.int64), window_size=window)


def passes_of(stream, batch, passes, share=slice(None), pace=None):
    """Rows in the order of training, `(passes, steps, share)`."""
    pace = pace or make_stream_schedule(stream, batch)
    loader = StreamLoader(stream, pace, batch, passes, np.asarray, share)
    found = []
    try:
        for _ in range(passes * pace.chunks_per_pass):
            chunk = loader.next_chunk()
            assert not chunk.inputs[chunk.n_steps :].any()
            np.testing.assert_array_equal(chunk.inputs[..., 0], -chunk.inputs[..., 1])
            found.append(chunk.inputs[: chunk.n_steps, :, 0].astype(np.int64))
    finally:
        loader.close()
    return np.concatenate(found).reshape(passes, pace.steps_per_pass, -1)


@pytest.mark.parametrize(("n", "window", "held"), [(1000, 70, 90), (1000, 2000, 0), (1000, 999, 1), (513, 128, 200)])
def test_every_row_that_trains_is_seen_once_in_a_pass_and_the_others_never(n, window, held):
    held_out = np.random.default_rng(0).choice(n, held, replace=False)
    stream = stream_of(n, window, held_out)
    for rows in passes_of(stream, 32, 3):
        once, again = np.split(rows.reshape(-1), [stream.n_train])
        np.testing.assert_array_equal(np.sort(once), np.setdiff1d(np.arange(n), held_out))
        np.testing.assert_array_equal(again, once[: len(again)])
        assert len(rows) == steps_per_epoch(stream.n_train, 32)


def test_passes_differ_and_a_pass_is_the_same_whenever_it_is_made():
    first, second = passes_of(stream_of(500, 100), 20, 2)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(passes_of(stream_of(500, 100), 20, 2), [first, second])
    other = dataclasses.replace(stream_of(500, 100), seed=1)
    assert not np.array_equal(passes_of(other, 20, 1)[0], first)


def test_a_window_joins_other_blocks_in_every_pass():
    first, second = (set(rows.reshape(-1)[:66].tolist()) for rows in passes_of(stream_of(660, 66), 33, 2))
    assert len(first & second) < 33


def test_the_order_does_not_depend_on_how_passes_are_divided():
    whole = passes_of(stream_of(300, 64), 16, 2, pace=StreamSchedule(19, 19, 19))
    np.testing.assert_array_equal(passes_of(stream_of(300, 64), 16, 2, pace=StreamSchedule(19, 7, 3)), whole)


def test_rows_that_lie_together_are_shuffled_apart_and_neighbouring_blocks_go_to_different_windows():
    n, window = 64 * 64, 1024
    rows = passes_of(stream_of(n, window), 64, 1).reshape(-1)
    assert np.abs(np.diff(rows)).min() >= 1
    assert np.mean(np.abs(np.diff(rows)) <= 16) < 0.05
    first_window = rows[:window]
    assert first_window.max() - first_window.min() > n / 2


def test_a_window_is_all_that_is_read_for_it_and_each_row_is_read_once_a_pass():
    stream = stream_of(3960, 400)  # ten windows of 66 blocks
    loader = StreamLoader(stream, StreamSchedule(99, 99, 1), 40, 1, np.asarray)
    stream.source.reads.clear()
    loader.next_chunk()
    loader._windows._reader.shutdown(wait=True)
    read = np.concatenate(stream.source.reads)
    assert len(read) <= 2 * 400
    assert len(np.unique(read)) == len(read)
    loader._iterator.close()
    stream.source.reads.clear()
    passes_of(stream, 40, 1)
    in_windows = [rows for rows in stream.source.reads if len(rows) > 64]
    np.testing.assert_array_equal(np.sort(np.concatenate(in_windows)), np.arange(3960))


def test_no_more_than_two_windows_are_held():
    stream, held = stream_of(660, 66), []
    loader = StreamLoader(stream, StreamSchedule(33, 33, 3), 20, 2, np.asarray)
    for _ in range(22):
        loader.next_chunk()
        held.append(len(loader._windows._futures))
    loader.close()
    assert max(held) == 2


def test_what_fits_one_window_is_read_once_for_all_passes():
    stream = stream_of(1000, 1000)
    passes_of(stream, 25, 4)
    assert sum(len(rows) for rows in stream.source.reads if len(rows) > 64) == 1000


def test_shares_of_a_batch_put_side_by_side_are_the_batch_and_read_only_their_own():
    whole = passes_of(stream_of(700, 150, range(0, 700, 9)), 24, 2)
    parts, read = [], []
    for share in (slice(0, 8), slice(8, 24)):
        stream = stream_of(700, 150, range(0, 700, 9))
        parts.append(passes_of(stream, 24, 2, share))
        read.append(sum(len(rows) for rows in stream.source.reads))
    np.testing.assert_array_equal(np.concatenate(parts, axis=2), whole)
    assert read[0] < 2 * 700 / 3 + 64 + 24  # its share, the fingerprint, and what the last batches lack


def test_a_billion_rows_need_no_permutation_of_them():
    order = PassPermutation(n=10**9 + 5, block_size=MAX_BLOCK_SIZE, window_size=65_536, seed=0, pass_index=3)
    starts = order.window_starts
    assert starts[0] == 0
    assert starts[-1] == 10**9 + 5
    assert np.diff(starts).max() == 65_536
    short = int(np.argmin(np.diff(starts)[:-1]))
    for window in (0, short, order.n_windows - 1):
        assert (
            len(order.window_positions(window))
            == starts[window + 1] - starts[window]
            == len(order.window_permutation(window))
        )


@pytest.mark.parametrize(
    ("steps", "per_round", "per_chunk"), [(19, 7, 3), (10, 10, 10), (12, 5, 2), (1, 1, 1), (9, 4, 5)]
)
def test_chunks_follow_each_other_without_gaps_and_end_with_their_rounds(steps, per_round, per_chunk):
    pace, place = StreamSchedule(steps, per_round, per_chunk), 0
    for number in range(3 * pace.chunks_per_pass):
        part = pace.chunk_steps(number)
        assert part.pass_index * steps + part.first_step == place
        assert 1 <= part.n_steps <= per_chunk
        place += part.n_steps
    assert place == 3 * steps
    ends = np.cumsum([0, *(pace.chunk_steps(number).n_steps for number in range(3 * pace.chunks_per_pass))])
    for number in range(3 * pace.rounds_per_pass):
        part = pace.round_steps(number)
        begin = part.pass_index * steps + part.first_step
        assert {begin, begin + part.n_steps} <= set(ends.tolist())
        assert ends[pace.count_chunks_before(number)] == begin


def test_a_loader_goes_on_from_its_state_and_refuses_that_of_other_data():
    stream, pace = stream_of(500, 100), StreamSchedule(25, 10, 4)
    one = StreamLoader(stream, pace, 20, 2, np.asarray)
    chunks = [one.next_chunk().inputs for _ in range(5)]
    state = one.get_state()
    rest = [one.next_chunk().inputs for _ in range(7)]
    other = StreamLoader(stream_of(500, 100), pace, 20, 2, np.asarray)
    other.set_state(state, "run")
    np.testing.assert_array_equal([other.next_chunk().inputs for _ in range(7)], rest)
    assert len(chunks) == 5
    for changed in (
        StreamLoader(stream_of(501, 100), pace, 20, 2, np.asarray),
        StreamLoader(stream, StreamSchedule(25, 5, 5), 20, 2, np.asarray),
    ):
        with pytest.raises(InputError, match="other data, or with another version's rounds"):
            changed.set_state(state, "run")
        changed.close()
    with pytest.raises(InputError, match="does not say where"):
        other.set_state(None, "run")
    one.close()
    other.close()


def test_a_full_window_shuffles_as_well_as_an_epoch_in_memory_does():
    streamed = passes_of(stream_of(2000, 2000), 2000, 1).reshape(-1)
    in_memory = shuffle_epoch(np.arange(2000), 0, 0, 2000).reshape(-1)
    for order in (streamed, in_memory):
        assert abs(np.corrcoef(order, np.arange(2000))[0, 1]) < 0.08


def test_too_large_batches_and_too_small_windows_are_refused():
    with pytest.raises(InputError, match="--batch-size 64: counting has 50 rows"):
        make_stream_schedule(stream_of(60, 100, range(10)), 64)
    with pytest.raises(InputError, match="--shuffle-window 32"):
        make_stream_schedule(stream_of(100, 32), 64)


def test_rounds_of_large_examples_are_short_and_of_small_ones_about_two_hundred_thousand():
    small = stream_of(1_000_000, 65_536)
    pace = make_stream_schedule(small, 250)
    assert (pace.steps_per_pass, pace.steps_per_round, pace.rounds_per_pass) == (4000, 800, 5)
    large = stream_of(1_000_000, 65_536)
    large.source.example_shape = (1_000_000,)  # 4 MB each
    pace = make_stream_schedule(large, 8)
    assert 64 < pace.steps_per_round <= 134
    assert pace.steps_per_chunk == 1
