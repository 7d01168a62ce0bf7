"""Test folds have one size, hold every class, divide no group, and do not depend on the number of trainings."""

import dataclasses

import numpy as np
import pytest
from expected_errors import error_message
from hypothesis import given, settings
from hypothesis import strategies as st
from made_datasets import grouped, made

from aejax.config import DataConfig, SplitConfig
from aejax.data.dataset import UNLABELLED
from aejax.data.leakage import find_duplicates
from aejax.data.near_duplicates import find_near_duplicates
from aejax.data.registry import load_dataset
from aejax.data.splits import make_split

CONFIG = SplitConfig(design="cross-validation")
HOLDOUT_DIGESTS = {  # of version 0.1.0, whose runs on disk are opened by them
    "digits": (SplitConfig(), "d8fd3dae5491b8e7409dfcba81954f48c4938a3fddbe46fee9b6afa478b6f3d9"),
    "wine": (SplitConfig(label_fraction=0.5), "ba27f7ba04af5ee50b75bbc7f665d44438dc39d6b9a9c9c9f9a6c060e0f95266"),
    "tabular": (SplitConfig(split="tutorial"), "80941ba1f266ab2c74522269efbeb31777d1f2671895e9c531b3131dd688d5eb"),
    "groups": (SplitConfig(), "a9c4a75d4dab754d8e6637e522aa62a657b6fade0e224f4e6e36f24a7356a071"),
}


@pytest.mark.parametrize("name", HOLDOUT_DIGESTS)
def test_the_holdout_rows_of_earlier_versions_are_unchanged(name):
    config, digest = HOLDOUT_DIGESTS[name]
    data = grouped() if name == "groups" else load_dataset(DataConfig(dataset=name))
    for design in (None, "holdout"):
        split = make_split(data, dataclasses.replace(config, design=design), 3)
        assert (split.sha256, split.folds) == (digest, 1)
        assert split.test.strides[0] == 0  # seeds share one copy


@pytest.mark.parametrize("name", ["digits", "wine"])
def test_folds_of_a_repetition_are_disjoint_stratified_and_of_one_size(name):
    data = load_dataset(DataConfig(dataset=name))
    split = make_split(data, CONFIG, 10)
    n, (trainings, n_test) = data.n_examples, split.test.shape
    assert (trainings, n_test, split.folds) == (10, n // 5, 5)
    shares = np.bincount(data.labels) / n
    for test in (split.test[:5].ravel(), split.test[5:].ravel()):
        assert len(set(test)) == len(test) == n // 5 * 5  # every row at most once, and all but n % 5 of them
    for training in range(10):
        counts = np.bincount(data.labels[split.test[training]], minlength=data.n_classes)
        assert np.all(np.abs(counts - shares * n_test) <= 2)
        together = np.concatenate([split.train[training], split.valid[training], split.test[training]])
        np.testing.assert_array_equal(np.sort(together), np.arange(n))
    assert len({tuple(np.sort(test)) for test in split.test}) == 10  # the second repetition draws other folds


@settings(max_examples=30, deadline=None)
@given(
    counts=st.lists(st.integers(5, 40), min_size=2, max_size=4), fraction=st.sampled_from([0.5, 0.34, 0.25, 0.2]),
    seed=st.integers(0, 9),
)  # fmt: skip
def test_every_fold_has_every_class_however_rare(counts, fraction, seed):
    data = made(np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts)))
    config = dataclasses.replace(CONFIG, test_fraction=fraction, test_seed=seed)
    split = make_split(data, config, 6)
    assert split.test.shape[1] == data.n_examples // split.folds
    assert all(set(data.labels[test]) == set(range(len(counts))) for test in split.test)
    for training in range(6):
        assert not set(split.labelled[training]) & set(split.test[training])


def test_the_rows_left_over_are_of_any_class():
    data = made(np.repeat([0, 1, 2], [44, 30, 10]))  # 84 rows: 4 are in no fold of a repetition
    split = make_split(data, CONFIG, 200)
    left_over = [np.setdiff1d(np.arange(84), split.test[first : first + 5]) for first in range(0, 200, 5)]
    assert all(len(rows) == 4 for rows in left_over)
    counts = np.bincount(data.labels[np.concatenate(left_over)], minlength=3)
    expected = 160 * np.array([39, 25, 5]) / 69  # five rows of each class are safe
    assert np.all(np.abs(counts - expected) < 4 * np.sqrt(expected))


@pytest.mark.parametrize("valid_fraction", [0.0, 0.1])
def test_groups_are_never_divided_and_every_row_is_tested_at_most_once(valid_fraction):
    data = grouped()
    split = make_split(data, dataclasses.replace(CONFIG, valid_fraction=valid_fraction), 10)
    for training in range(10):
        test, others = split.test[training], np.concatenate([split.train[training], split.valid[training]])
        assert not set(data.groups[test]) & set(data.groups[others])
        assert set(data.labels[test]) == {0, 1, 2}
        assert (data.labels[split.labelled[training]] != UNLABELLED).all()
    n_labelled = np.count_nonzero(data.labels != UNLABELLED)
    for test in (split.test[:5], split.test[5:]):
        assert len(np.unique(test)) == test.size
        assert test.size > 0.85 * n_labelled
    assert split.train.shape[1] > 0.6 * data.n_examples


@pytest.mark.parametrize("n_classes", [2, 4])
def test_folds_of_unequal_groups_differ_in_every_repetition_and_are_balanced(n_classes):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), np.arange(20, 50))  # no two of one size
    data = made((groups + (rng.random(len(groups)) < 0.3)) % n_classes, groups=groups)
    share, folds = np.bincount(data.labels) / 5, set()
    for test_seed in range(2):
        split = make_split(data, dataclasses.replace(CONFIG, test_seed=test_seed), 30)
        assert split.test.shape[1] > 0.85 * len(groups) / 5
        assert all(np.all(np.abs(np.bincount(data.labels[test]) / share - 1) < 0.5) for test in split.test)
        folds |= {frozenset(data.groups[test]) for test in split.test}
    assert len(folds) == 2 * 30  # for all repetitions of both


@pytest.mark.parametrize("seed", range(6))
def test_unlabelled_rows_of_groups_leave_equal_trainings_without_validation_rows(seed):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(40), rng.integers(8, 16, 40))
    labels = (groups + (rng.random(len(groups)) < 0.3)) % 2
    hidden = rng.random(len(groups)) < 0.8 * rng.random(40)[groups]  # of some groups nearly all rows, of others none
    data = made(np.where(hidden, UNLABELLED, labels), groups=groups)
    split = make_split(data, dataclasses.replace(CONFIG, valid_fraction=0.0), 30)
    assert split.valid.size == 0
    assert np.count_nonzero(data.labels[split.train] == UNLABELLED, axis=1).min() > 0.6 * hidden.sum()


def test_rows_without_a_label_train_everywhere_and_are_tested_nowhere():
    labels = np.where(np.arange(103) < 20, UNLABELLED, np.arange(103) % 3)
    split = make_split(made(labels), CONFIG, 5)
    assert split.test.shape[1] == 83 // 5
    assert np.all(labels[split.test] != UNLABELLED)
    assert all(set(range(20)) <= set(rows) for rows in split.train)


def test_one_of_each_set_of_equal_rows_is_kept():
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(200, 4)).astype(np.float32), np.arange(200) % 2
    inputs[[50, 60, 70]], inputs[80] = inputs[7], inputs[8]
    labels[7] = UNLABELLED  # of these, row 50 is kept, which has a label
    inputs[90] = inputs[9] + np.float32(1e-5)
    data = made(labels, inputs=inputs)
    repeats = find_duplicates(data, None)
    assert dict(zip(repeats.rows.tolist(), repeats.test_rows.tolist(), strict=True)) == {7: 50, 60: 50, 70: 50, 80: 8}
    near = find_near_duplicates(data, None, repeats)
    assert (near.rows.tolist(), near.test_rows.tolist()) == ([90], [9])
    expected = {"keep": [], "drop": [7, 60, 70, 80], "drop-near": [7, 60, 70, 80, 90]}
    for how, absent in expected.items():
        split = make_split(data, dataclasses.replace(CONFIG, duplicates=how), 5)
        used = np.concatenate([split.train, split.valid, split.test], axis=1)
        assert all(np.array_equal(np.sort(rows), np.setdiff1d(np.arange(200), absent)) for rows in used)
    message = error_message(make_split, data, dataclasses.replace(CONFIG, duplicates="refuse"), 5)
    assert "4 examples equal another one, the first in row 7 as in row 50" in message


REJECTED = {
    "a rare class": (made(np.repeat([0, 1], [60, 4])), CONFIG, "class '1' has 4 labelled rows, fewer than the 5 folds"),
    "few groups of a class": (
        made(np.arange(80) % 2, groups=np.where(np.arange(80) % 2, 50 + np.arange(80) % 3, np.arange(80) % 9)),
        CONFIG,
        "class '1' has 3 labelled groups, fewer than the 5 folds",
    ),
    "one group holds nearly all": (
        made(np.arange(80) % 2, groups=np.where(np.arange(80) < 70, 0, np.arange(80))),
        CONFIG,
        "too few or too unequal",
    ),
    "one fold": (
        made(np.arange(80) % 2), dataclasses.replace(CONFIG, test_fraction=0.7), "--test-fraction 0.7: cross-validation"
    ),
    "an official test set": (
        made(np.arange(80) % 2, test_rows=np.arange(20)), CONFIG, "for data without a test set of their own"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "config", "mentioned"), REJECTED.values(), ids=REJECTED)
def test_what_cannot_be_divided_is_rejected_in_one_line(data, config, mentioned):
    message = error_message(make_split, data, config, 5)
    assert mentioned in message
    assert "--design" in message
