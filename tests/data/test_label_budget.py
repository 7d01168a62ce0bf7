"""Label budgets count every label that is used; permuted labels keep class counts only."""

import itertools

import numpy as np
import pytest
from expected_errors import error_message
from made_datasets import made

from aejax.config import DataConfig, SplitConfig
from aejax.data.label_budget import (
    add_label_noise,
    choose_labelled_rows,
    class_shares,
    largest_label_budget,
    make_seed_labels,
)
from aejax.data.registry import load_dataset
from aejax.data.splits import make_split

DIGITS = load_dataset(DataConfig(dataset="digits"))
SEEDS = 3


def budget(count: int, dataset=DIGITS, **settings):
    return make_split(dataset, SplitConfig(labels_per_class=count, **settings), SEEDS)


def counts(dataset, rows):
    return np.bincount(dataset.labels[rows], minlength=dataset.n_classes).tolist()


def test_budgets_are_nested_have_a_fifth_for_validation_in_every_class_and_keep_the_examples():
    splits = {count: budget(count) for count in (2, 3, 4, 5, 9, 10, 11, 50, 100)}
    everything = make_split(DIGITS, SplitConfig(), SEEDS)
    for count, split in splits.items():
        to_choose = max(1, count // 5)
        for seed in range(SEEDS):
            assert counts(DIGITS, split.labelled_train[seed]) == [count - to_choose] * 10
            assert counts(DIGITS, split.labelled_valid[seed]) == [to_choose] * 10
            assert set(split.labelled_train[seed]) <= set(split.train[seed])
        np.testing.assert_array_equal(split.train, everything.train)
        np.testing.assert_array_equal(split.valid, everything.valid)
    for smaller, larger in itertools.pairwise(splits.values()):
        for role, seed in itertools.product(("labelled_train", "labelled_valid"), range(SEEDS)):
            assert set(getattr(smaller, role)[seed]) <= set(getattr(larger, role)[seed])


def test_labels_per_class_are_a_random_draw_that_depends_on_the_seed_alone():
    rows = np.arange(1500), np.arange(1500, len(DIGITS.labels))
    config = SplitConfig(labels_per_class=50)
    shares = class_shares(DIGITS, np.concatenate(rows))
    drawn = [choose_labelled_rows(DIGITS, config, *rows, seed, shares)[0] for seed in range(8)]
    assert len({rows.tobytes() for rows in drawn}) == 8  # the rows to draw from are the same
    again, _ = choose_labelled_rows(DIGITS, config, *rows, 3, shares)
    np.testing.assert_array_equal(again, drawn[3])
    # The mean position of 3,200 rows drawn from 1,500 has a standard error of 7.7.
    assert abs(np.mean(drawn) - 749.5) < 5 * 7.7


def test_validation_labels_come_from_validation_rows_first():
    plenty, beyond, without = budget(10), budget(100), budget(10, valid_fraction=0.0)
    for seed in range(SEEDS):
        assert set(plenty.labelled_valid[seed]) <= set(plenty.valid[seed])
        assert set(beyond.valid[seed]) < set(beyond.labelled_valid[seed])
        assert set(without.labelled_valid[seed]) < set(without.train[seed])
    assert without.labelled_valid.shape == (SEEDS, 20)


SCARCE = made(np.repeat([0, 1], [100, 10]), test_rows=np.arange(20))


def test_a_class_with_too_few_rows_is_named():
    settings = {"dataset": SCARCE, "valid_fraction": 0.2}
    assert budget(10, **settings).labelled.shape == (SEEDS, 20)  # every row of the rare class
    has_only = "class '1' has only 8 training and 2 validation rows (seed 0), of"
    assert error_message(budget, 11, **settings).startswith(f"--labels-per-class 11: {has_only} 11 needed")
    assert f"--labels-per-class 60: {has_only} 30 needed" in error_message(budget, 60, class_imbalance=2, **settings)
    # Validation rows cannot replace missing training rows.
    assert "only 2 training and 8 validation" in error_message(budget, 10, dataset=SCARCE, valid_fraction=0.8)


@pytest.mark.parametrize("settings", [{"labels_per_class": 1}, {"labels_per_class": 4, "label_fraction": 0.5}])
def test_invalid_label_budgets_are_rejected(settings):
    assert f"--labels-per-class {settings['labels_per_class']}: " in error_message(SplitConfig, **settings)


def test_labels_are_permuted_among_labelled_rows_only():
    split = make_split(DIGITS, SplitConfig(label_fraction=0.5), SEEDS)
    np.testing.assert_array_equal(
        make_seed_labels(DIGITS.labels, split.labelled, permuted=False), [DIGITS.labels] * SEEDS
    )
    seen = make_seed_labels(DIGITS.labels, split.labelled, permuted=True)
    agreement = []
    for seed, rows in enumerate(split.labelled):
        others = np.setdiff1d(np.arange(DIGITS.n_examples), rows)
        assert set(split.test[0]) <= set(others)
        np.testing.assert_array_equal(seen[seed, others], DIGITS.labels[others])
        np.testing.assert_array_equal(np.bincount(seen[seed, rows]), np.bincount(DIGITS.labels[rows]))
        agreement.append(np.mean(seen[seed, rows] == DIGITS.labels[rows]))
    assert np.max(np.abs(np.array(agreement) - 0.1)) < 4 * np.sqrt(0.09 / split.labelled.shape[1])
    assert np.any(seen[0] != seen[1])


@pytest.mark.parametrize("design", ["holdout", "cross-validation"])
@pytest.mark.parametrize("imbalance", [10, 0.1])
def test_classes_fall_by_one_factor_in_every_seed_alike_and_nothing_else_changes(design, imbalance):
    split = make_split(DIGITS, SplitConfig(class_imbalance=imbalance, design=design), 7)
    full = make_split(DIGITS, SplitConfig(design=design), 7)
    for role in ("train", "valid", "test"):
        np.testing.assert_array_equal(getattr(split, role), getattr(full, role))
    for role in ("labelled_train", "labelled_valid"):
        rows, all_rows = getattr(split, role), getattr(full, role)
        (of_first,) = {tuple(counts(DIGITS, of_seed)) for of_seed in rows}  # the same for all seeds
        assert all(set(one) <= set(every) for one, every in zip(rows, all_rows, strict=True))
        largest = max(of_first)
        expected = largest * np.geomspace(1, 0.1, 10)[:: 1 if imbalance > 1 else -1]
        np.testing.assert_allclose(of_first, expected, atol=1)
        assert largest >= min(map(min, (counts(DIGITS, one) for one in all_rows))) - 3  # as large as can be
    assert np.unique(split.labelled_train, axis=0).shape[0] == 7


def test_an_imbalance_of_a_budget_gives_the_largest_class_that_number():
    split = budget(40, class_imbalance=10)
    expected = [max(2, round(40 * 10 ** (-label / 9))) for label in range(10)]
    assert counts(DIGITS, split.labelled[0]) == counts(DIGITS, split.labelled[2]) == expected
    smaller = budget(20, class_imbalance=10)
    assert set(smaller.labelled_train[1]) <= set(split.labelled_train[1])
    for settings in ({"class_imbalance": 0}, {"label_noise": 1.0}, {"label_noise": -0.1}):
        assert "expected" in error_message(SplitConfig, **settings)


@pytest.mark.parametrize("imbalance", [None, 10.0, 0.1])
def test_the_largest_budget_can_be_drawn_for_every_seed_and_one_more_label_cannot(imbalance):
    every = budget(None)
    largest = largest_label_budget(DIGITS, every.labelled_train, every.labelled_valid, imbalance)
    drawn = budget(largest, class_imbalance=imbalance)
    assert max(counts(DIGITS, drawn.labelled[0])) == largest
    assert f"--labels-per-class {largest + 1}" in error_message(budget, largest + 1, class_imbalance=imbalance)


def test_noise_replaces_labels_by_others_uniformly_and_is_nested():
    clean, half, quarter = (add_label_noise(DIGITS, SplitConfig(label_noise=share)) for share in (0, 0.5, 0.25))
    np.testing.assert_array_equal(clean, DIGITS.labels)
    wrong = half != clean
    assert abs(wrong.mean() - 0.5) < 5 * np.sqrt(0.25 / len(clean))
    np.testing.assert_array_equal(quarter[quarter != clean], half[quarter != clean])
    shift = np.bincount((half - clean)[wrong] % 10, minlength=10)
    assert shift[0] == 0
    assert np.abs(shift[1:] - wrong.sum() / 9).max() < 5 * np.sqrt(wrong.sum() / 9)
    again = add_label_noise(DIGITS, SplitConfig(label_noise=0.5, test_seed=1))
    assert np.mean((again != clean) == wrong) < 0.6  # another draw


def of_sizes(*sizes):
    return made(np.repeat(np.arange(len(sizes)), sizes))


@pytest.mark.parametrize("design", ["cross-validation", "holdout"])
@pytest.mark.parametrize("sizes", [(7, 60), (6, 31), (7, 7, 32), (6, 32, 39)])
def test_a_share_of_labels_is_one_number_although_few_validation_rows_lack_rare_classes_in_some_seeds(sizes, design):
    config = SplitConfig(design=design, label_fraction=0.05)
    many, few = (make_split(of_sizes(*sizes), config, seeds) for seeds in (30, 3))
    assert few.labelled_valid.shape[1] >= 1
    for role, rows in few.roles.items():
        np.testing.assert_array_equal(rows, getattr(many, role)[:3])


@pytest.mark.parametrize(("sizes", "n_labels"), [((5, 196), 1), ((9, 192), 2), ((5, 5, 190), 1)])
def test_a_class_that_no_seed_has_among_its_validation_rows_needs_no_label(sizes, n_labels):
    split = make_split(of_sizes(*sizes), SplitConfig(design="cross-validation", label_fraction=0.01), 10)
    assert split.labelled_valid.shape == (10, n_labels)  # as in earlier versions, whose splits stay the same
