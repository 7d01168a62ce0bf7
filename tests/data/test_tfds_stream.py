"""A streamed TFDS set equals the set in memory."""

import numpy as np
import pytest
from tiny_tfds import COLOURS, RECORDS, feature_types, write

from aejax.data.stream.source import DataSource
from aejax.data.stream.tfds import open_tfds
from aejax.data.tfds_dataset import load_tfds
from aejax.errors import InputError


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
    assert isinstance(train, DataSource)
    assert (train.class_names, train.value_range) == (dataset.class_names, dataset.value_range)
    np.testing.assert_array_equal(train.read(np.arange(20)), dataset.inputs[:20])
    np.testing.assert_array_equal(train.read_labels(np.arange(20)), dataset.labels[:20])
    np.testing.assert_array_equal(test.read(np.array([0, 3, 9])), dataset.inputs[dataset.test_rows][[0, 3, 9]])
    if encoded:
        assert open_tfds("tiny", tmp_path, image_size=9)[0].read(np.arange(2)).shape == (2, 9, 9, 1)


def test_a_stream_needs_a_prepared_set(tmp_path):
    with pytest.raises(InputError, match="tfds:tiny: neither prepared in"):
        open_tfds("tiny", tmp_path)
