"""Prepared TFDS sets are read exactly, into memory and as a stream."""

import numpy as np
import pytest
import tensorflow_datasets as tfds
from expected_errors import error_message
from loading import load
from tiny_tfds import (
    COLOURS,
    FLAT,
    NUMBERS,
    PICTURE,
    RECORDS,
    TWO_LABELS,
    TWO_RECORDS,
    feature_types,
    png,
    tfds_error,
    write,
)

from aejax.data.stream.tfds import open_tfds
from aejax.data.tfds_dataset import load_tfds


def test_images_equal_the_prepared_ones_in_their_order(tmp_path, capfd):
    folder = write(tmp_path, splits={"train": RECORDS[:20], "test": RECORDS[20:], "extra": RECORDS})
    capfd.readouterr()
    dataset = load("tfds:tiny", data_dir=tmp_path)
    assert capfd.readouterr() == ("", "")
    assert (dataset.name, dataset.example_shape, dataset.value_range) == ("tiny", (4, 5, 1), (0, 255))
    assert (dataset.inputs.dtype, dataset.class_names) == (np.uint8, COLOURS)
    np.testing.assert_array_equal(dataset.test_rows, np.arange(20, 30))
    prepared = tfds.builder_from_directory(folder)
    records = [record for split in ("train", "test") for record in prepared.as_data_source(split=split)]
    np.testing.assert_array_equal(dataset.inputs, np.stack([record["image"] for record in records]))
    np.testing.assert_array_equal(dataset.labels, [record["label"] for record in records])


def test_order_is_kept_across_blocks(tmp_path, monkeypatch):
    write(tmp_path)
    expected = load_tfds("tiny", tmp_path).sha256
    monkeypatch.setattr("aejax.data.tfds_records.RECORDS_PER_BLOCK", 7)
    assert load_tfds("tiny", tmp_path).sha256 == expected


@pytest.mark.parametrize(
    ("splits", "n", "test"),
    [
        pytest.param({"train": 20, "validation": 4, "test": 6}, 26, 6, id="test goes before validation"),
        pytest.param({"train": 20, "validation": 4}, 24, 4, id="validation, without a test"),
        pytest.param({"train": 20}, 20, None, id="train alone"),
        pytest.param({"everything": 20}, 20, None, id="one split of another name"),
    ],
)
def test_the_official_test_is_the_test_or_validation_split(tmp_path, splits, n, test):
    write(tmp_path, splits={name: RECORDS[:size] for name, size in splits.items()})
    dataset = load_tfds("tiny", tmp_path)
    assert dataset.n_examples == n
    assert (dataset.test_rows is None) if test is None else dataset.test_rows.tolist() == list(range(n - test, n))


def test_name_config_and_version_select_the_set(tmp_path):
    for version, config, first in (("1.0.0", "wide", 0), ("2.0.0", "wide", 6), ("2.0.0", "narrow", 12)):
        write(tmp_path, splits={"train": RECORDS[first:]}, version=version, config=config)
    sizes = {
        name: load_tfds(name, tmp_path).n_examples for name in ("tiny/wide:1.0.0", "tiny/wide", "tiny/narrow:2.0.0")
    }
    assert sizes == {"tiny/wide:1.0.0": 30, "tiny/wide": 24, "tiny/narrow:2.0.0": 18}


def test_images_of_several_sizes_are_resized_or_rejected(tmp_path):
    sizes = [{"image": png(np.zeros((3 + i % 2, 5), np.uint8)), "label": i % 3} for i in range(12)]
    write(tmp_path, {**PICTURE, "image": feature_types.Image(shape=(None, None, 1))}, {"train": sizes})
    assert load_tfds("tiny", tmp_path, image_size=2).example_shape == (2, 2, 1)
    message = tfds_error("tiny", tmp_path)
    assert "tfds:tiny: images of 2 sizes" in message
    assert "--image-size" in message


def test_numeric_features_are_concatenated_with_names(tmp_path):
    write(tmp_path, FLAT, {"train": NUMBERS})
    dataset = load_tfds("tiny", tmp_path)
    assert dataset.feature_names == ("a", "b", "c[0]", "c[1]", "c[2]")
    assert (dataset.inputs.dtype, dataset.value_range, dataset.class_names) == (np.float32, None, ("no", "yes"))
    order = np.argsort(dataset.inputs[:, 1])
    np.testing.assert_array_equal(dataset.inputs[order], [[i / 4, i, i, i + 1, i + 2] for i in range(12)])
    np.testing.assert_array_equal(dataset.labels[order], np.arange(12) % 2)


def test_nested_features_are_read(tmp_path):
    nested = [{"wine": {"acid": i, "sugar": 2 * i}, "id": "x", "kind": i % 2} for i in range(12)]
    features = {
        "wine": feature_types.FeaturesDict(
            {"acid": feature_types.Scalar(np.int32), "sugar": feature_types.Scalar(np.int32)}
        ),
        "id": feature_types.Text(),
        "kind": FLAT["kind"],
    }
    write(tmp_path, features, {"train": nested}, supervised=("wine", "kind"))
    dataset = load_tfds("tiny", tmp_path)
    assert dataset.feature_names == ("wine/acid", "wine/sugar")
    np.testing.assert_array_equal(dataset.inputs[:, 1], 2 * dataset.inputs[:, 0])


def test_a_single_feature_keeps_its_shape(tmp_path):
    features = {"pixels": feature_types.Tensor(shape=(2, 3, 1), dtype=np.uint8), "kind": FLAT["kind"]}
    records = [{"pixels": np.full((2, 3, 1), i, np.uint8), "kind": i % 2} for i in range(12)]
    write(tmp_path, features, {"train": records})
    dataset = load_tfds("tiny", tmp_path)
    assert (dataset.example_shape, dataset.inputs.dtype, dataset.value_range) == ((2, 3, 1), np.uint8, (0, 255))
    assert sorted(dataset.inputs[:, 0, 0, 0]) == list(range(12))


@pytest.mark.parametrize(
    ("supervised", "label", "expected"),
    [
        pytest.param(("image", "size"), None, ("small", "large"), id="the set's supervised keys"),
        pytest.param(("image", "size"), "label", COLOURS, id="the flag takes precedence"),
        pytest.param(None, "size", ("small", "large"), id="the flag, without supervised keys"),
    ],
)
def test_the_label_feature_can_be_selected(tmp_path, supervised, label, expected):
    write(tmp_path, TWO_LABELS, {"train": TWO_RECORDS}, supervised=supervised)
    dataset = load("tfds:tiny", data_dir=tmp_path, label_column=label)
    assert dataset.class_names == expected


def test_a_stream_needs_a_prepared_set(tmp_path):
    assert "tfds:tiny: neither prepared in" in error_message(open_tfds, "tiny", tmp_path)


def test_absent_classes_are_left_out(tmp_path):
    write(tmp_path, splits={"train": [record for record in RECORDS if record["label"] != 1]})
    dataset = load_tfds("tiny", tmp_path)
    assert dataset.class_names == ("red", "blue")
    assert set(dataset.labels) == {0, 1}


@pytest.mark.parametrize(
    ("feature", "values", "expected"),
    [(feature_types.Text(), ["no", "yes"], ("no", "yes")), (feature_types.Scalar(np.int64), [7, 40], ("7", "40"))],
    ids=["text", "whole numbers"],
)
def test_labels_may_be_text_or_integers(tmp_path, feature, values, expected):
    records = [{"image": record["image"], "label": values[i % 2]} for i, record in enumerate(RECORDS)]
    write(tmp_path, {**PICTURE, "label": feature}, {"train": records}, supervised=("image", "label"))
    assert load_tfds("tiny", tmp_path).class_names == expected


@pytest.mark.parametrize("encoded", [True, False])
def test_a_stream_equals_the_set_in_memory(encoded, tmp_path):
    numbers = {
        "left": feature_types.Tensor(shape=(2,), dtype=np.float32),
        "label": feature_types.ClassLabel(names=COLOURS),
    }
    tables = [{"left": np.full(2, row, np.float32), "label": row % 3} for row in range(30)]
    records, features = (RECORDS, None) if encoded else (tables, numbers)
    write(tmp_path, features, splits={"train": records[:20], "test": records[20:]})
    train, test = open_tfds("tiny", tmp_path)
    dataset = load_tfds("tiny", tmp_path)
    assert (train.class_names, train.value_range) == (dataset.class_names, dataset.value_range)
    np.testing.assert_array_equal(train.read(np.arange(20)), dataset.inputs[:20])
    np.testing.assert_array_equal(train.read_labels(np.arange(20)), dataset.labels[:20])
    np.testing.assert_array_equal(test.read(np.array([0, 3, 9])), dataset.inputs[dataset.test_rows][[0, 3, 9]])
    if encoded:
        assert open_tfds("tiny", tmp_path, image_size=9)[0].read(np.arange(2)).shape == (2, 9, 9, 1)
