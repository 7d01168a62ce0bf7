"""Each pass contains every training row once, in an order that depends on the seed and the pass only."""

import dataclasses

import numpy as np
import pytest

from aejax.data.shuffling import shuffle_epoch, steps_per_epoch
from aejax.data.stream.loader import ORDER_VERSION, WindowShuffle
from aejax.data.stream.schedule import StreamSchedule
from tests.data.stream.counting import counting_stream, rows_of_passes


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


def test_passes_and_seeds_have_different_orders_that_are_reproducible():
    first, second = rows_of_passes(counting_stream(500, 100), 20, 2)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(rows_of_passes(counting_stream(500, 100), 20, 2), [first, second])
    other_seed = dataclasses.replace(counting_stream(500, 100), seed=1)
    assert not np.array_equal(rows_of_passes(other_seed, 20, 1)[0], first)


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


def test_one_window_shuffles_as_well_as_an_epoch_in_memory():
    streamed = rows_of_passes(counting_stream(2000, 2000), 2000, 1).reshape(-1)
    in_memory = shuffle_epoch(np.arange(2000), 0, 0, 2000).reshape(-1)
    for order in (streamed, in_memory):
        assert abs(np.corrcoef(order, np.arange(2000))[0, 1]) < 0.08


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
