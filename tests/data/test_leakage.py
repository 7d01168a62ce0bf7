"""Leakage checks detect each kind of leak and nothing else."""

import dataclasses

import numpy as np
import pytest
from expected_errors import error_message

from aejax.config import DataConfig, SplitConfig
from aejax.data.dataset import make_dataset
from aejax.data.leakage import LeakageError, find_duplicates
from aejax.data.mnist import load_mnist
from aejax.data.registry import load_dataset
from aejax.data.splits import make_split

WINE = load_dataset(DataConfig(dataset="wine"))
SPLIT = make_split(WINE, SplitConfig(design="cross-validation"), 3)  # each training has other test rows
LEAKS = {
    "a test row in training": ("train", "test"),
    "a test row in validation": ("valid", "test"),
    "a validation row in training": ("train", "valid"),
    "a test row's label in training": ("labelled_train", "test"),
    "a test row's label in choosing": ("labelled_valid", "test"),
    "a label both to fit and to choose by": ("labelled_train", "labelled_valid"),
}


@pytest.mark.parametrize(("into", "source"), LEAKS.values(), ids=LEAKS)
def test_a_row_with_two_roles_is_leakage(into, source):
    rows = getattr(SPLIT, into).copy()
    leaked = getattr(SPLIT, source)[2, 0]
    rows[2, 1] = leaked
    with pytest.raises(LeakageError, match=rf"^row {leaked} is both .* \(seed 2; 1 such rows\)"):
        dataclasses.replace(SPLIT, **{into: rows})


def test_fitting_on_anything_but_training_rows_is_leakage():
    assert SPLIT.check_training_rows(SPLIT.train, "a scaler") is SPLIT.train
    for role, other in (("test", SPLIT.test[1, 0]), ("validation", SPLIT.valid[1, 0])):
        rows = SPLIT.train.copy()
        rows[1, 5] = other
        message = rf"row {other} is both a row that a scaler is fitted on and a {role} row"
        with pytest.raises(LeakageError, match=message):
            SPLIT.check_training_rows(rows, "a scaler")
    own = np.concatenate([SPLIT.test[0], SPLIT.valid[0]])
    for rows_of_another_seed in (SPLIT.test[1], SPLIT.valid[1]):
        rows = SPLIT.train[:, :1].copy()
        rows[0] = np.setdiff1d(rows_of_another_seed, own)[0]  # is no leak
        SPLIT.check_training_rows(rows, "a scaler")


def doubled(dtype):
    """A hundred examples, of which the test rows 80.. repeat the rows 3, 3, 5 and 81."""
    inputs = np.random.default_rng(0).uniform(0, 255, size=(100, 3, 3)).astype(dtype)
    inputs[[80, 85, 90, 95]] = inputs[[3, 3, 5, 81]]
    labels = np.arange(100) % 4
    return make_dataset("doubled", inputs, labels, source="doubled", test_rows=np.arange(80, 100))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_duplicates_across_the_split_are_found(dtype):
    data = doubled(dtype)
    duplicates = find_duplicates(data, data.test_rows)
    assert duplicates.rows.tolist() == [3, 5]
    assert duplicates.test_rows.tolist() == [80, 90]
    nearly = data.inputs.copy()
    nearly[3, 0, 0] += 1
    assert find_duplicates(dataclasses.replace(data, inputs=nearly), data.test_rows).rows.tolist() == [5]


def test_duplicates_are_dropped_outside_the_test_set():
    data = doubled(np.float32)
    kept, dropped = (make_split(data, SplitConfig(duplicates=how), 5) for how in ("keep", "drop"))
    np.testing.assert_array_equal(kept.test, dropped.test)
    for seed in range(5):
        together = [np.sort(np.concatenate([split.train[seed], split.valid[seed]])) for split in (kept, dropped)]
        np.testing.assert_array_equal(together[0], np.arange(80))
        np.testing.assert_array_equal(together[1], np.setdiff1d(np.arange(80), [3, 5]))
    assert not np.isin([3, 5], dropped.labelled).any()


def test_rejected_duplicates_are_counted_and_located():
    message = error_message(make_split, doubled(np.float32), SplitConfig(duplicates="refuse"), 1)
    assert message.startswith("doubled: 2 examples")
    assert "row 3 as in test row 80; --duplicates drop" in message
    make_split(WINE, SplitConfig(duplicates="refuse"), 1)


def test_mnist_has_no_duplicates_across_the_split(mnist_folder):
    digits = load_mnist(mnist_folder)
    assert find_duplicates(digits, digits.test_rows).rows.size == 0
