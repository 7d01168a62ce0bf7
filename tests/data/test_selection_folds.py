"""Folds for choosing settings: every labelled row validates about once, every class trains in every fold."""

import dataclasses

import numpy as np
import pytest
from made_datasets import made

from aejax.config import SplitConfig
from aejax.data.selection_folds import MAX_CROSS_VALIDATED_LABELS, make_selection_folds
from aejax.data.splits import make_split


def make_examples(counts):
    return made(np.repeat(np.arange(len(counts)), counts))


@pytest.mark.parametrize(("counts", "per_class"), [((60, 33, 41), None), ((30, 30), 2), ((90, 90, 90), 7)])
def test_folds_divide_the_labelled_rows_and_train_on_every_class(counts, per_class):
    dataset = make_examples(counts)
    split = make_split(dataset, SplitConfig(labels_per_class=per_class), seeds=3)
    folds = make_selection_folds(dataset, split)
    assert folds.n_folds == min(5, per_class or 5)
    for seed, labelled in enumerate(split.labelled):
        valid = folds.valid[seed].ravel()
        assert len(set(valid)) == len(valid) > len(labelled) - folds.n_folds
        assert set(valid) <= set(labelled)
        for fold in range(folds.n_folds):
            rows = np.concatenate([folds.train[seed, fold], folds.valid[seed, fold]])
            np.testing.assert_array_equal(np.sort(rows), np.sort(labelled))
            assert set(dataset.labels[folds.train[seed, fold]]) == set(range(len(counts)))


def test_many_labels_and_groups_are_chosen_by_on_the_validation_rows():
    many = make_examples((MAX_CROSS_VALIDATED_LABELS, MAX_CROSS_VALIDATED_LABELS))
    few = make_examples((40, 40))
    grouped = dataclasses.replace(few, groups=(np.arange(80) // 2).astype(np.int32))
    for dataset in (many, grouped):
        split = make_split(dataset, SplitConfig(), seeds=2)
        folds = make_selection_folds(dataset, split)
        np.testing.assert_array_equal(folds.train[:, 0], split.labelled_train)
        np.testing.assert_array_equal(folds.valid[:, 0], split.labelled_valid)
