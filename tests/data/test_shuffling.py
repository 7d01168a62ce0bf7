"""Epochs cover every row in full batches, in an order that depends on seed and epoch only."""

import numpy as np
import pytest

from aejax.data.shuffling import make_generator, shuffle_epoch, shuffle_epochs, steps_per_epoch

ROWS = np.arange(100, 147)


@pytest.mark.parametrize("batch_size", [1, 5, 10, 46, 47, 48, 1000])
def test_an_epoch_covers_every_row_in_full_batches_of_distinct_rows(batch_size):
    order = shuffle_epoch(ROWS, seed=0, epoch=3, batch_size=batch_size)
    assert order.shape == (steps_per_epoch(47, batch_size), min(batch_size, 47))
    assert set(order.ravel()) == set(ROWS)
    assert all(len(set(batch)) == len(batch) for batch in order)
    counts = np.unique(order, return_counts=True)[1]
    assert counts.max() <= 2
    assert np.count_nonzero(counts == 2) == order.size - 47 < min(batch_size, 47)


def test_order_is_a_function_of_seed_and_epoch_and_differs_between_them():
    drawn = {shuffle_epoch(ROWS, seed, epoch, 10).tobytes() for seed in range(5) for epoch in range(5)}
    assert len(drawn) == 25
    # Neither the number of seeds, nor where a portion begins, nor what was drawn before plays a part.
    rows = np.stack([ROWS, ROWS + 1, ROWS + 2])
    orders = shuffle_epochs(rows, first_epoch=0, epochs=6, batch_size=10)
    assert orders.shape == (3, 6, 5, 10)
    np.testing.assert_array_equal(shuffle_epochs(rows[:2], first_epoch=4, epochs=2, batch_size=10), orders[:2, 4:])
    np.testing.assert_array_equal(shuffle_epoch(rows[1], 1, 5, 10), orders[1, 5])


def test_generators_are_distinct_and_reproducible():
    def first(seed, use, index):
        return make_generator(seed, use, index).bytes(16)

    draws = [first(s, u, i) for s in range(4) for u in ("order", "valid", "test") for i in range(4)]
    assert len(set(draws)) == len(draws)
    assert first(2, "order", 3) == first(2, "order", 3)


def test_generators_of_adjacent_epochs_do_not_overlap():
    # Epochs differ in the counter's highest word, so an epoch would have to draw 2^192 numbers to reach the next.
    here, there = (set(make_generator(0, "order", epoch).integers(2**63, size=50_000)) for epoch in (0, 1))
    assert not here & there
