"""Rows of one group are never on two sides of a split, which `Split` checks itself, and unlabelled rows only train."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from expected_errors import error_message
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from made_datasets import grouped, made

from aejax.config import SplitConfig
from aejax.data.dataset import UNLABELLED, Dataset
from aejax.data.grouping import draw_groups, number_groups
from aejax.data.leakage import LeakageError
from aejax.data.splits import Split, make_split
from aejax.errors import InputError

SEEDS = 4
CONFIGS = {
    "default": SplitConfig(),
    "half": SplitConfig(test_fraction=0.5, valid_fraction=0.4),
    "labels": SplitConfig(label_fraction=0.3),
    "no validation": SplitConfig(valid_fraction=0.0),
}


@pytest.mark.parametrize("dtype", [object, "str", "string", "category", "string[pyarrow]"])
def test_spaces_around_the_name_of_a_group_make_no_other_group_and_a_blank_name_none(dtype):
    names = pd.Series(["b", "a ", None, " a", " ", "b"], dtype=object).astype(dtype)
    np.testing.assert_array_equal(number_groups(names), [1, 0, -1, 0, -1, 1])


def test_groups_are_in_the_order_of_categories_or_numbers():
    np.testing.assert_array_equal(number_groups(pd.Series(pd.Categorical(["x", "z"], ["z", "x"]))), [1, 0])
    np.testing.assert_array_equal(number_groups(pd.Series([10.0, 9.0, np.nan])), [1, 0, -1])


@pytest.mark.parametrize("dtype", ["float64", "Float32", "datetime64[ns]", "double[pyarrow]"])
def test_numbers_of_groups_are_not_mapped_one_by_one(dtype, monkeypatch):
    monkeypatch.delattr(pd.Series, "map")
    np.testing.assert_array_equal(number_groups(pd.Series([10, 9, None], dtype=dtype)), [1, 0, -1])


@st.composite
def labels_and_groups(draw) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(12, 150))
    n_classes = draw(st.integers(2, 4))
    groups = draw(hnp.arrays(np.int32, n, elements=st.integers(-3, draw(st.integers(3, 60)))))
    labels = draw(hnp.arrays(np.int32, n, elements=st.integers(UNLABELLED, n_classes - 1)))
    labels[:n_classes] = np.arange(n_classes)
    return labels, groups


@settings(max_examples=100, deadline=None)
@given(drawn=labels_and_groups(), name=st.sampled_from(sorted(CONFIGS)))
def test_no_group_and_no_row_is_on_two_sides(drawn, name):
    data = made(*drawn)
    try:
        split = make_split(data, CONFIGS[name], SEEDS)
    except InputError:  # some class is in too few groups
        return
    assert_roles_are_complete(data, split)
    everywhere = np.concatenate([*split.test, *split.train, *split.valid])
    assert set(everywhere) <= set(range(data.n_examples))


@pytest.mark.parametrize("design", ["holdout", "cross-validation"])
def test_groups_are_drawn_without_validation_rows_and_with_an_imbalance_of_classes(design):
    labels, groups = np.random.default_rng(1).integers([3, 150], size=(600, 2)).T
    data = made(labels, groups)
    split = make_split(data, SplitConfig(design=design, valid_fraction=0.0), SEEDS)
    assert_roles_are_complete(data, split)
    assert split.valid.size == split.labelled_valid.size == 0
    split = make_split(data, SplitConfig(design=design, class_imbalance=10.0), SEEDS)
    assert_roles_are_complete(data, split)
    (counts,) = {tuple(np.bincount(labels[rows])) for rows in split.labelled_train}  # the same for all seeds
    np.testing.assert_allclose(counts, counts[0] / np.array([1, 10**0.5, 10]), atol=1)


def assert_roles_are_complete(data: Dataset, split: Split):
    for seed in range(SEEDS):
        rows = {name: value[seed] for name, value in split.roles.items()}
        for name, role_rows in rows.items():
            assert len(set(role_rows)) == len(role_rows)
            assert name == "train" or (data.labels[role_rows] != UNLABELLED).all()
        assert set(rows["labelled_train"]) <= set(rows["train"])
        assert set(data.labels[rows["labelled_train"]]) >= set(range(data.n_classes))


def test_fractions_and_classes_are_met_as_closely_as_groups_allow():
    data = grouped(0, n=3000, n_groups=200)
    split = make_split(data, SplitConfig(), SEEDS)
    labelled = np.flatnonzero(data.labels != UNLABELLED)
    largest = np.bincount(data.groups).max()
    assert abs(len(split.test[0]) - 0.2 * len(labelled)) <= largest
    assert abs(split.valid.shape[1] - 0.1 * (len(labelled) - len(split.test[0]))) <= largest
    unused = len(labelled) - len(split.test[0]) - split.labelled.shape[1]
    assert unused <= largest
    overall = np.bincount(data.labels[labelled]) / len(labelled)
    for rows in (split.test[0], *split.valid, *split.labelled_train):
        np.testing.assert_allclose(np.bincount(data.labels[rows]) / len(rows), overall, atol=0.05)
    assert len({frozenset(data.groups[rows]) for rows in split.valid}) == SEEDS


def test_label_fractions_are_nested_in_groups_too():
    few, many = (make_split(grouped(), SplitConfig(label_fraction=fraction), SEEDS) for fraction in (0.1, 0.5))
    np.testing.assert_array_equal(few.train, many.train)
    assert all(set(small) < set(large) for small, large in zip(few.labelled, many.labelled, strict=True))


def test_groups_of_one_row_are_as_good_as_none():
    labels = np.repeat([0, 1, 2], [120, 60, 20])
    split = make_split(made(labels, np.random.default_rng(0).permutation(200)), SplitConfig(), SEEDS)
    single = make_split(made(labels), SplitConfig(), SEEDS)
    assert len(split.test[0]) + split.train.shape[1] + split.valid.shape[1] == 200  # none is unused
    for name, rows in split.roles.items():  # each class is rounded by itself
        assert abs(rows.shape[-1] - getattr(single, name).shape[-1]) <= 3


@settings(max_examples=100, deadline=None)
@given(
    counts=hnp.arrays(np.int64, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=st.integers(0, 30)),
    fraction=st.floats(0.05, 0.6),
    seed=st.integers(0, 5),
)
@example(
    counts=np.array(
        [[1, 4, 0], [0, 3, 1], [2, 0, 2], [2, 3, 1], [1, 3, 1], [0, 0, 1], [4, 1, 1], [1, 0, 1], [4, 3, 1]]
    ),
    fraction=0.1,
    seed=4,
)
def test_no_class_loses_its_last_rows_and_classes_of_two_groups_are_drawn(counts, fraction, seed):
    drawn = draw_groups(counts, fraction, np.random.default_rng(seed))
    present = counts.any(axis=0)
    np.testing.assert_array_equal(counts[~drawn].any(axis=0), present)
    alone = counts.any(axis=1) & (np.count_nonzero(counts, axis=1) == 1).all()
    if alone.any():  # with groups of one class each, a class of two groups can always give one
        np.testing.assert_array_equal(counts[drawn].any(axis=0), np.count_nonzero(counts, axis=0) >= 2)


def test_an_official_test_set_that_divides_groups_is_rejected_by_row():
    data = made(np.arange(40) % 2, np.arange(40) // 4, test_rows=np.arange(34, 40))
    message = error_message(make_split, data, SplitConfig(), 1)
    assert message.startswith("made: 2 training rows are of groups")
    assert "row 32 as in test row 34" in message
    labels = data.labels.copy()
    labels[32:34] = UNLABELLED
    split = make_split(dataclasses.replace(data, labels=labels), SplitConfig(), SEEDS)
    assert not np.isin([32, 33], split.train).any()  # they share a patient with the test


def test_divided_groups_are_leakage():
    data = grouped(3)
    split = make_split(data, SplitConfig(), SEEDS)
    leaked, kept = split.train.copy(), split.test[:, 1:]
    leaked[1, 0] = split.test[0, 0]  # of a group with other test rows
    with pytest.raises(LeakageError, match=r"^the group of row \d+ is both a training and a test row \(seed 1"):
        dataclasses.replace(split, train=leaked, test=kept)
    with pytest.raises(LeakageError, match=r"group of row .* is both a row that a scaler is fitted on and a test row"):
        dataclasses.replace(split, test=kept).check_training_rows(leaked, "a scaler")


def test_too_few_groups_are_named():
    one, two = (made([0, 1] * 10, groups) for groups in ([0] * 20, [0, 0, 1, 1] * 5))
    assert "class '0' has no test rows; give more rows of it, or rows of" in error_message(
        make_split, one, SplitConfig(), 1
    )
    assert "--group-column leaves no group for validation" in error_message(make_split, two, SplitConfig(), 1)


def test_budgets_per_class_and_the_tutorial_do_not_divide_groups():
    data = grouped(4)
    split = make_split(data, SplitConfig(labels_per_class=20), SEEDS)
    assert split.labelled.shape == (SEEDS, 60)
    assert_roles_are_complete(data, split)
    assert "--group-column keeps those of training out" in error_message(
        make_split, data, SplitConfig(labels_per_class=900), 1
    )
    assert "would divide groups" in error_message(make_split, data, SplitConfig(split="tutorial"), 1)


@settings(max_examples=60, deadline=None)
@given(
    labels=hnp.arrays(np.int32, st.integers(40, 120), elements=st.integers(0, 2)),
    hidden=st.integers(1, 60),
    config=st.sampled_from([*CONFIGS.values(), SplitConfig(split="tutorial"), SplitConfig(labels_per_class=2)]),
)
def test_unlabelled_rows_train_every_seed_and_the_labelled_are_split_as_if_alone(labels, hidden, config):
    n = len(labels) + hidden
    where = np.sort(np.random.default_rng(0).permutation(n)[: len(labels)])
    mixed = np.full(n, UNLABELLED, np.int32)
    mixed[where] = labels
    try:
        alone = make_split(made(labels), config, SEEDS)
    except InputError:
        return
    split = make_split(made(mixed), config, SEEDS)
    for role, rows in alone.roles.items():
        if role == "train":
            expected = [np.union1d(where[seed_rows], np.flatnonzero(mixed == UNLABELLED)) for seed_rows in rows]
            np.testing.assert_array_equal(np.sort(split.train), expected)
        else:
            np.testing.assert_array_equal(getattr(split, role), where[rows])


def test_official_test_rows_need_labels():
    labels = np.arange(40) % 2
    labels[[3, 38]] = UNLABELLED
    message = error_message(make_split, made(labels, test_rows=np.arange(30, 40)), SplitConfig(), 1)
    assert "made: 1 of 10 test rows have no label" in message
