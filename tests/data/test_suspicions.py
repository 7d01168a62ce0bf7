"""Suspicions find what was planted in a table and nothing in ordinary data."""

import dataclasses

import numpy as np
import pytest

from aejax.config import DataConfig, SplitConfig
from aejax.data.dataset import UNLABELLED, make_dataset
from aejax.data.mnist import load_mnist
from aejax.data.registry import load_dataset
from aejax.data.splits import choose_test_rows
from aejax.data.suspicions import find_suspicions
from aejax.data.table_schema import Column, TableSchema

N = 300
RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(N, 4))
CLASSES = RNG.integers(0, 3, N)


def warnings_of(dataset) -> tuple[str, ...]:
    return find_suspicions(dataset, choose_test_rows(dataset, SplitConfig()))


def with_column(values, labels=CLASSES, noise=NOISE):
    inputs = np.column_stack([values, noise])
    names = ["planted", *(f"noise {i}" for i in range(noise.shape[1]))]
    return make_dataset("made", inputs, labels, source="made", feature_names=names)


@pytest.mark.parametrize("name", ["digits", "wine", "breast_cancer", "tabular"])
def test_ordinary_tables_and_images_raise_no_suspicion(name):
    assert warnings_of(load_dataset(DataConfig(dataset=name))) == ()


def test_mnist_raises_no_suspicion_as_images_or_as_rows(mnist_folder):
    digits = load_mnist(mnist_folder)
    assert warnings_of(digits) == ()
    assert warnings_of(dataclasses.replace(digits, inputs=digits.inputs.reshape(len(digits.inputs), -1))) == ()


@pytest.mark.parametrize("shape", [(20, 5000), (24, 500), (2000, 30)])
@pytest.mark.parametrize("kind", ["normal", "counts"])
def test_noise_raises_no_suspicion_however_wide(shape, kind):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=shape) if kind == "normal" else rng.poisson(5000, size=shape)
    data = make_dataset("noise", inputs, np.arange(shape[0]) % 2, source="noise")
    assert [warning for warning in warnings_of(data) if "column" in warning] == []


GIVES_AWAY = "column 'planted' alone gives the label away"
PLANTED = {
    "a number between cuts": (CLASSES + 0.3 * RNG.random(N), GIVES_AWAY),
    "a date": (np.array([5.0, 1, 9])[CLASSES], "column 'planted' is the label in other words"),
    "codes of classes": (np.array([4.0, 8, 6, 2, 0, 10])[CLASSES + 3 * RNG.integers(0, 2, N)], GIVES_AWAY),
    "a row number": (np.arange(N), "column 'planted' only rises or falls from row to row"),
    "a falling number": (-np.cumsum(RNG.random(N)), "column 'planted' only rises or falls"),
    "an id": (RNG.permutation(10 * N)[:N], "column 'planted' has another value in every row"),
    "a constant": (np.full(N, 3.0), "constant in all rows outside the test set, so no help: planted"),
}


@pytest.mark.parametrize(("values", "message"), PLANTED.values(), ids=PLANTED)
def test_a_planted_column_is_named_with_the_flag_that_drops_it(values, message):
    (warning,) = warnings_of(with_column(values))
    assert warning.startswith(message)
    assert warning.endswith("--drop-columns planted")


def test_a_few_errors_do_not_hide_a_column_and_more_do():
    for errors, expected in ((1, 1), (6, 0)):
        values = CLASSES + 0.3 * RNG.random(N)
        data = with_column(values)
        training = np.setdiff1d(np.arange(N), choose_test_rows(data, SplitConfig()))
        wrong = RNG.choice(training, errors, replace=False)
        inputs = data.inputs.copy()
        inputs[wrong, 0] = (inputs[wrong, 0] + 1) % 3
        assert len(warnings_of(dataclasses.replace(data, inputs=inputs))) == expected


def test_an_easy_problem_is_not_suspicious():
    noise = CLASSES[:, None] + 0.2 * RNG.random((N, 5))
    assert warnings_of(with_column(RNG.random(N), noise=noise)) == ()


def test_a_rule_must_beat_the_largest_class():
    labels = (np.arange(4000) < 12).astype(int)
    noise = np.random.default_rng(0).normal(size=(4000, 3))
    (dominant,) = warnings_of(with_column(np.random.default_rng(1).normal(size=4000), labels, noise))
    assert dominant == (
        "class '0' has 99.7 % of the rows, so always predicting it is right that often; compare by --metric "
        "balanced_accuracy"
    )
    leaked = warnings_of(with_column(labels + 0.5 * np.random.default_rng(1).random(4000), labels, noise))
    assert [warning[:9] for warning in leaked] == ["class '0'", "column 'p"]


def test_a_row_number_of_rows_sorted_by_class_gives_the_label_away():
    data = with_column(np.arange(N), np.sort(CLASSES))
    labels = data.labels.copy()
    labels[::7] = UNLABELLED
    for some in (data, dataclasses.replace(data, labels=labels)):
        (warning,) = warnings_of(some)
        assert "as the rows are sorted by class, it gives the label away" in warning
    assert warnings_of(with_column(RNG.normal(size=N), np.sort(CLASSES))) == ()  # the order alone is no feature


def test_a_row_number_of_rows_sorted_by_class_hides_no_other_column():
    labels = np.sort(CLASSES)
    leak = np.array([5.0, 1, 9])[labels]
    in_order, rule = warnings_of(with_column(np.arange(N), labels, np.column_stack([NOISE[:, 0], leak])))
    assert in_order.startswith("column 'planted' only rises or falls")
    assert rule.startswith("column 'noise 1' is the label in other words")


def test_categories_are_columns_however_they_are_encoded():
    codes = np.array([[0, 3], [4, 1], [2, 5]])[CLASSES, RNG.integers(0, 2, N)]
    ids = np.eye(N)
    for encoding, inputs in (("onehot", np.eye(6)[codes]), ("ordinal", codes[:, None])):
        category = Column(name="the code", kind="category", categories=tuple("abcdef"), encoding=encoding)
        numbers = tuple(Column(name=f"noise {i}", kind="number") for i in range(4))
        data = make_dataset("made", np.column_stack([inputs, NOISE]), CLASSES, source="made")
        (warning,) = warnings_of(dataclasses.replace(data, table=TableSchema(columns=(category, *numbers))))
        assert warning.startswith("column 'the code' alone gives the label away")
        assert warning.endswith("--drop-columns 'the code'")
    category = Column(name="name", kind="category", categories=tuple(map(str, range(N))), encoding="onehot")
    data = make_dataset("made", np.column_stack([ids[RNG.permutation(N)], NOISE]), CLASSES, source="made")
    (warning,) = warnings_of(dataclasses.replace(data, table=TableSchema(columns=(category, *numbers))))
    assert warning.startswith("column 'name' has another value in every row")


def test_classes_with_few_rows_are_named_and_unlabelled_rows_are_no_class():
    labels = np.repeat([0, 1, 2], [150, 140, 10])
    (warning,) = warnings_of(with_column(RNG.normal(size=N), labels))
    assert warning.startswith("fewer than 10 rows outside the test set are of class 2:")
    data = with_column(np.arange(N) % 7, CLASSES)
    labels = data.labels.copy()
    labels[:200] = UNLABELLED
    assert warnings_of(dataclasses.replace(data, labels=labels)) == ()


@pytest.mark.parametrize(("names", "suspicious"), [((-1, 0, 1), True), ((-1, 1), False), ((0, 1, 2), False)])
def test_a_class_minus_one_among_counted_classes_may_be_no_label(names, suspicious):
    labels = np.tile(names, 20)
    dataset = make_dataset("drawn", np.random.default_rng(0).normal(size=(len(labels), 3)), labels, source="drawn")
    assert any("--unlabelled -1" in warning for warning in find_suspicions(dataset, np.arange(0))) is suspicious
