"""A pass shows every training row once, in an order that is a function of (seed, pass), and no more than windows."""

import dataclasses
import threading

import numpy as np
import pytest

from aejax.data.order import epoch_order, steps_per_epoch
from aejax.data.stream.loader import Loader
from aejax.data.stream.order import PassOrder
from aejax.data.stream.pace import Pace, pace_of
from aejax.data.stream.source import ROW_BLOCK, Stream
from aejax.errors import InputError


class Counting:
    """Example i is (i, -i); remembers which rows were read."""

    name, dtype, bytes, value_range, class_names, labelled = "counting", np.dtype(np.float32), 0, None, None, False
    shape = (2,)

    def __init__(self, n):
        self.n, self.reads, self.lock = n, [], threading.Lock()

    def read(self, rows):
        assert np.all(np.diff(rows) > 0)
        with self.lock:
            self.reads.append(rows.copy())
        return np.stack([rows, -rows], axis=1).astype(np.float32)

    def labels(self, rows):
        return rows

    def place(self, row):
        return f"counting: row {row}"


def stream_of(n, window, held_out=()):
    return Stream(source=Counting(n), held_out=np.array(sorted(held_out), np.int64), window=window)


def passes_of(stream, batch, passes, share=slice(None), pace=None):
    """Rows in the order of training, `(passes, steps, share)`."""
    pace = pace or pace_of(stream, batch)
    loader = Loader(stream, pace, batch, passes, np.asarray, share)
    found = []
    try:
        for _ in range(passes * pace.chunks):
            chunk = loader.next()
            assert not chunk.inputs[chunk.steps :].any()
            np.testing.assert_array_equal(chunk.inputs[..., 0], -chunk.inputs[..., 1])
            found.append(chunk.inputs[: chunk.steps, :, 0].astype(np.int64))
    finally:
        loader.close()
    return np.concatenate(found).reshape(passes, pace.steps, -1)


@pytest.mark.parametrize(("n", "window", "held"), [(1000, 70, 90), (1000, 2000, 0), (1000, 999, 1), (513, 128, 200)])
def test_every_row_that_trains_is_seen_once_in_a_pass_and_the_others_never(n, window, held):
    held_out = np.random.default_rng(0).choice(n, held, replace=False)
    stream = stream_of(n, window, held_out)
    for rows in passes_of(stream, 32, 3):
        once, again = np.split(rows.reshape(-1), [stream.n])
        np.testing.assert_array_equal(np.sort(once), np.setdiff1d(np.arange(n), held_out))
        np.testing.assert_array_equal(again, once[: len(again)])
        assert len(rows) == steps_per_epoch(stream.n, 32)


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
    whole = passes_of(stream_of(300, 64), 16, 2, pace=Pace(19, 19, 19))
    np.testing.assert_array_equal(passes_of(stream_of(300, 64), 16, 2, pace=Pace(19, 7, 3)), whole)


def test_rows_that_lie_together_are_shuffled_apart_and_neighbouring_blocks_go_to_different_windows():
    n, window = 64 * 64, 1024
    rows = passes_of(stream_of(n, window), 64, 1).reshape(-1)
    assert np.abs(np.diff(rows)).min() >= 1
    assert np.mean(np.abs(np.diff(rows)) <= 16) < 0.05
    first_window = rows[:window]
    assert first_window.max() - first_window.min() > n / 2


def test_a_window_is_all_that_is_read_for_it_and_each_row_is_read_once_a_pass():
    stream = stream_of(3960, 400)  # ten windows of 66 blocks
    loader = Loader(stream, Pace(99, 99, 1), 40, 1, np.asarray)
    stream.source.reads.clear()
    loader.next()
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
    loader = Loader(stream, Pace(33, 33, 3), 20, 2, np.asarray)
    for _ in range(22):
        loader.next()
        held.append(len(loader._windows._read_or_reading))
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
    order = PassOrder(n=10**9 + 5, block=ROW_BLOCK, window=65_536, seed=0, number=3)
    starts = order.starts
    assert starts[0] == 0
    assert starts[-1] == 10**9 + 5
    assert np.diff(starts).max() == 65_536
    short = int(np.argmin(np.diff(starts)[:-1]))
    for window in (0, short, order.windows - 1):
        assert len(order.positions(window)) == starts[window + 1] - starts[window] == len(order.shuffle(window))


@pytest.mark.parametrize(
    ("steps", "per_round", "per_chunk"), [(19, 7, 3), (10, 10, 10), (12, 5, 2), (1, 1, 1), (9, 4, 5)]
)
def test_chunks_follow_each_other_without_gaps_and_end_with_their_rounds(steps, per_round, per_chunk):
    pace, place = Pace(steps, per_round, per_chunk), 0
    for number in range(3 * pace.chunks):
        part = pace.chunk(number)
        assert part.number * steps + part.first == place
        assert 1 <= part.steps <= per_chunk
        place += part.steps
    assert place == 3 * steps
    ends = np.cumsum([0, *(pace.chunk(number).steps for number in range(3 * pace.chunks))])
    for number in range(3 * pace.rounds):
        part = pace.round(number)
        begin = part.number * steps + part.first
        assert {begin, begin + part.steps} <= set(ends.tolist())
        assert ends[pace.chunks_before(number)] == begin


def test_a_loader_goes_on_from_its_state_and_refuses_that_of_other_data():
    stream, pace = stream_of(500, 100), Pace(25, 10, 4)
    one = Loader(stream, pace, 20, 2, np.asarray)
    chunks = [one.next().inputs for _ in range(5)]
    state = one.state()
    rest = [one.next().inputs for _ in range(7)]
    other = Loader(stream_of(500, 100), pace, 20, 2, np.asarray)
    other.restore(state, "run")
    np.testing.assert_array_equal([other.next().inputs for _ in range(7)], rest)
    assert len(chunks) == 5
    for changed in (
        Loader(stream_of(501, 100), pace, 20, 2, np.asarray),
        Loader(stream, Pace(25, 5, 5), 20, 2, np.asarray),
    ):
        with pytest.raises(InputError, match="other data, or with another version's rounds"):
            changed.restore(state, "run")
        changed.close()
    with pytest.raises(InputError, match="does not say where"):
        other.restore(None, "run")
    one.close()
    other.close()


def test_a_full_window_shuffles_as_well_as_an_epoch_in_memory_does():
    streamed = passes_of(stream_of(2000, 2000), 2000, 1).reshape(-1)
    in_memory = epoch_order(np.arange(2000), 0, 0, 2000).reshape(-1)
    for order in (streamed, in_memory):
        assert abs(np.corrcoef(order, np.arange(2000))[0, 1]) < 0.08


def test_too_large_batches_and_too_small_windows_are_refused():
    with pytest.raises(InputError, match="--batch-size 64: counting has 50 rows"):
        pace_of(stream_of(60, 100, range(10)), 64)
    with pytest.raises(InputError, match="--shuffle-window 32"):
        pace_of(stream_of(100, 32), 64)


def test_rounds_of_large_examples_are_short_and_of_small_ones_about_two_hundred_thousand():
    small = stream_of(1_000_000, 65_536)
    pace = pace_of(small, 250)
    assert (pace.steps, pace.per_round, pace.rounds) == (4000, 800, 5)
    large = stream_of(1_000_000, 65_536)
    large.source.shape = (1_000_000,)  # 4 MB each
    pace = pace_of(large, 8)
    assert 64 < pace.per_round <= 134
    assert pace.per_chunk == 1
