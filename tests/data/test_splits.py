"""Splits are disjoint, complete, stratified, nested in the label fraction, and share test rows across seeds."""

import dataclasses
import functools
import itertools

import numpy as np
import pytest
from expected_errors import error_message
from made_datasets import grouped, made
from sklearn.model_selection import train_test_split

from aejax.config import DataConfig, SplitConfig
from aejax.data import memory
from aejax.data.registry import load_dataset
from aejax.data.shuffling import make_generator, stratified_permutation
from aejax.data.splits import make_split

SEEDS = 3


@functools.cache
def dataset(name: str):
    if name == "official":  # its test rows lie between the others
        return made(np.arange(300) % 7, test_rows=np.arange(40, 90))
    if name == "groups":
        return grouped()
    if name == "unbalanced":
        return made(np.repeat([0, 1, 2, 3], [400, 60, 25, 15]))
    return load_dataset(DataConfig(dataset=name))


every_dataset = pytest.mark.parametrize("name", ["wine", "official", "unbalanced"])
CONFIGS = {
    "default": SplitConfig(),
    "no validation": SplitConfig(valid_fraction=0.0),
    "large shares": SplitConfig(test_fraction=0.5, valid_fraction=0.4),
    "few labels": SplitConfig(label_fraction=0.1),
}


def assert_in_proportion(labels: np.ndarray, chosen: np.ndarray, pool: np.ndarray) -> None:
    """`chosen` holds each class in the proportion of `pool`, to within one example."""
    classes = labels.max() + 1
    expected = np.bincount(labels[pool], minlength=classes) * len(chosen) / len(pool)
    assert np.all(np.abs(np.bincount(labels[chosen], minlength=classes) - expected) <= 1)


@every_dataset
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_roles_are_disjoint_stratified_within_one_example_and_cover_every_row(name, config):
    data = dataset(name)
    split = make_split(data, config, SEEDS)
    rest = np.setdiff1d(np.arange(data.n_examples), split.test[0])
    if data.test_rows is None:
        assert_in_proportion(data.labels, split.test[0], np.arange(data.n_examples))
    for seed in range(SEEDS):
        assert_in_proportion(data.labels, split.valid[seed], rest)
        assert_in_proportion(data.labels, split.train[seed], rest)
        together = np.concatenate([split.train[seed], split.valid[seed], split.test[0]])
        np.testing.assert_array_equal(np.sort(together), np.arange(data.n_examples))
        assert set(split.labelled_train[seed]) <= set(split.train[seed])
        assert set(split.labelled_valid[seed]) <= set(split.valid[seed])
        assert len(set(split.labelled_train[seed])) == split.labelled_train.shape[1]
    assert split.valid.shape[1] == round(config.valid_fraction * len(rest))


@pytest.mark.parametrize(
    ("name", "design"),
    [("official", None), *itertools.product(("wine", "unbalanced", "groups"), ("holdout", "cross-validation"))],
)
def test_seeds_are_independent_of_the_number_of_seeds(name, design):
    config = SplitConfig(label_fraction=0.5, design=design)
    few, many = (make_split(dataset(name), config, seeds) for seeds in (3, 7))
    for role, rows in few.roles.items():
        np.testing.assert_array_equal(rows, getattr(many, role)[:3])
    assert len({rows.tobytes() for rows in many.valid}) == 7


@pytest.mark.parametrize("name", ["wine", "unbalanced"])
def test_test_seed_changes_only_drawn_test_rows(name):
    here, there = (make_split(dataset(name), SplitConfig(test_seed=seed), 1).test[0] for seed in (0, 1))
    assert set(here) != set(there)
    official = dataset("official")
    first, other = (make_split(official, SplitConfig(test_seed=seed, label_fraction=0.5), 2) for seed in (0, 3))
    np.testing.assert_array_equal(other.test[0], official.test_rows)
    for role in ("valid", "labelled_train", "labelled_valid"):  # the other draws of a sensitivity analysis
        assert set(getattr(first, role)[0]) != set(getattr(other, role)[0])


@pytest.mark.parametrize("name", ["digits", "unbalanced"])
def test_label_fractions_are_nested_and_hold_every_class(name):
    data = dataset(name)
    splits = [make_split(data, SplitConfig(label_fraction=f, valid_fraction=0.2), SEEDS) for f in (0.01, 0.1, 0.5, 1)]
    for seed in range(SEEDS):
        for role in ("labelled_train", "labelled_valid"):
            subsets = [set(getattr(split, role)[seed]) for split in splits]
            assert all(small <= large for small, large in itertools.pairwise(subsets))
            assert all(set(data.labels[list(subset)]) == set(data.labels) for subset in subsets)
        np.testing.assert_array_equal(np.sort(splits[-1].labelled_train[seed]), splits[-1].train[seed])
        np.testing.assert_array_equal(np.sort(splits[-1].labelled_valid[seed]), np.sort(splits[-1].valid[seed]))
    for split, fraction in zip(splits, (0.01, 0.1, 0.5, 1), strict=True):
        expected = max(np.ceil(fraction * split.train.shape[1]), data.n_classes)
        assert split.labelled_train.shape[1] == expected
        np.testing.assert_array_equal(split.train, splits[0].train)  # the fraction takes labels, not examples


def test_prefixes_of_a_stratified_permutation_are_stratified():
    labels = np.repeat([0, 1, 2], [70, 25, 5])
    order = stratified_permutation(labels, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(order), np.arange(100))
    for length in range(1, 101):
        assert_in_proportion(labels, order[:length], np.arange(100))
    with_all = stratified_permutation(labels, np.random.default_rng(0), every_class_first=True)
    np.testing.assert_array_equal(np.sort(with_all), np.arange(100))
    assert set(labels[with_all[:3]]) == {0, 1, 2}


def test_rows_of_a_class_are_equally_likely_to_come_first():
    labels = np.repeat([0, 1], [6, 3])
    firsts = [stratified_permutation(labels, make_generator(seed, "a use"))[:3] for seed in range(2000)]
    counts = np.bincount(np.concatenate(firsts), minlength=9)
    for label in (0, 1):
        of_class = counts[labels == label]
        assert np.all(np.abs(of_class - of_class.mean()) < 5 * np.sqrt(of_class.mean()))


def test_the_tutorials_split_is_train_test_split_and_only_classifiers_hold_rows_out():
    data = load_dataset(DataConfig(dataset="tabular"))
    split = make_split(data, SplitConfig(split="tutorial"), SEEDS)
    rest, expected = train_test_split(np.arange(data.n_examples), test_size=0.33, random_state=1)
    np.testing.assert_array_equal(split.test[0], expected)
    assert split.valid.shape == (SEEDS, 0)
    for seed in range(SEEDS):
        np.testing.assert_array_equal(np.sort(split.train[seed]), np.sort(rest))
        np.testing.assert_array_equal(np.sort(split.labelled[seed]), np.sort(rest))
    assert split.labelled_valid.shape[1] == round(0.1 * len(rest))
    official = dataset("official")  # whose test set takes precedence
    split = make_split(official, SplitConfig(split="tutorial"), 1)
    np.testing.assert_array_equal(split.test[0], official.test_rows)


@pytest.mark.parametrize(("design", "copies", "n_rows"), [("holdout", 3, 400), ("cross-validation", 4, 500)])
def test_row_numbers_outside_a_shared_test_set_must_fit_into_memory(monkeypatch, design, copies, n_rows):
    data, config = dataset("unbalanced"), SplitConfig(design=design)
    size = copies * 8 * SEEDS * n_rows
    monkeypatch.setattr(memory, "available_host_memory", lambda: size)
    make_split(data, config, SEEDS)
    monkeypatch.setattr(memory, "available_host_memory", lambda: size - 1)
    assert f"--seeds {SEEDS}" in error_message(make_split, data, config, SEEDS)


def test_digests_are_equal_only_for_equal_splits():
    data = dataset("wine")
    base = make_split(data, SplitConfig(), 2)
    assert make_split(data, SplitConfig(), 2).sha256 == base.sha256
    others = [
        make_split(data, SplitConfig(test_seed=1), 2),
        make_split(data, SplitConfig(label_fraction=0.5), 2),
        make_split(data, SplitConfig(), 3),
        dataclasses.replace(base, train=base.train[:, ::-1]),
        dataclasses.replace(base, labelled_train=base.labelled_valid, labelled_valid=base.labelled_train),
    ]
    assert len({base.sha256, *(other.sha256 for other in others)}) == 6
    folds = make_split(data, SplitConfig(design="cross-validation"), 6)  # the test rows of every training count
    assert dataclasses.replace(folds, test=folds.test[:, :-1]).sha256 != folds.sha256


@pytest.mark.parametrize(
    ("counts", "config", "mentioned"),
    [
        pytest.param([80, 3], SplitConfig(test_fraction=0.01), "class '1' has no test rows", id="test"),
        pytest.param(
            [80, 3], SplitConfig(test_fraction=0.5, valid_fraction=0.9), "no training (seed 0)", id="training"
        ),
    ],
)
def test_a_class_without_rows_is_named(counts, config, mentioned):
    assert mentioned in error_message(make_split, made(np.repeat([0, 1], counts)), config, 2)
