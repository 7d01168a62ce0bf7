"""Passes are divided into rounds and rounds into chunks, without gaps."""

import numpy as np
import pytest

from aejax.data.stream.schedule import StreamSchedule, make_stream_schedule
from aejax.errors import InputError
from tests.data.stream.counting import counting_stream


@pytest.mark.parametrize(
    ("steps", "per_round", "per_chunk"), [(19, 7, 3), (10, 10, 10), (12, 5, 2), (1, 1, 1), (9, 4, 5)]
)
def test_chunks_are_contiguous_and_rounds_end_with_a_chunk(steps, per_round, per_chunk):
    schedule, next_step = StreamSchedule(steps, per_round, per_chunk), 0
    chunk_ends = {0}
    for index in range(3 * schedule.chunks_per_pass):
        chunk = schedule.chunk_steps(index)
        assert chunk.pass_index * steps + chunk.first_step == next_step
        assert 1 <= chunk.n_steps <= per_chunk
        next_step += chunk.n_steps
        chunk_ends.add(next_step)
    assert next_step == 3 * steps
    for index in range(3 * schedule.rounds_per_pass):
        pass_index, first_step, n_steps = schedule.round_steps(index)
        begin = pass_index * steps + first_step
        assert {begin, begin + n_steps} <= chunk_ends


def test_batches_larger_than_the_training_rows_or_the_window_are_rejected():
    with pytest.raises(InputError, match="--batch-size 64: counting has 50 training rows"):
        make_stream_schedule(counting_stream(60, 100, range(10)), 64)
    with pytest.raises(InputError, match="--shuffle-window 32"):
        make_stream_schedule(counting_stream(100, 32), 64)


def test_rounds_have_about_200_000_small_examples_and_fewer_large_ones():
    schedule = make_stream_schedule(counting_stream(1_000_000, 65_536), 250)
    assert (schedule.steps_per_pass, schedule.steps_per_round, schedule.rounds_per_pass) == (4000, 800, 5)
    large = counting_stream(1_000_000, 65_536)
    large.source.example_shape = (1_000_000,)  # 4 MB each
    schedule = make_stream_schedule(large, 8)
    assert 64 < schedule.steps_per_round <= 134
    assert schedule.steps_per_chunk == 1


def test_a_pass_of_a_prime_number_of_steps_is_divided_evenly():
    schedule = make_stream_schedule(counting_stream(1009 * 250, 65_536), 250)
    lengths = [schedule.round_steps(index).n_steps for index in range(schedule.rounds_per_pass)]
    assert np.ptp(lengths) <= len(lengths)
