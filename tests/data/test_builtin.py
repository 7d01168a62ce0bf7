"""Built-in datasets equal those of scikit-learn."""

import sys

import numpy as np
import pytest
from expected_errors import error_message
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine, make_classification

from aejax.config import DataConfig
from aejax.data.builtin import breast_cancer, digits, iris, mnist1d, tabular, wine


def test_digits_are_uint8_images_equal_to_scikit_learn():
    dataset, bunch = digits(DataConfig()), load_digits()
    assert dataset.inputs.shape == (1797, 8, 8, 1)
    assert dataset.inputs.dtype == np.uint8
    assert dataset.value_range == (0, 16)
    np.testing.assert_array_equal(dataset.inputs.reshape(1797, 64), bunch.data)
    np.testing.assert_array_equal(dataset.labels, bunch.target)


@pytest.mark.parametrize(
    ("source", "loader"), [(breast_cancer, load_breast_cancer), (iris, load_iris), (wine, load_wine)]
)
def test_tables_equal_scikit_learn(source, loader):
    dataset, bunch = source(DataConfig()), loader()
    np.testing.assert_array_equal(dataset.inputs, bunch.data.astype(np.float32))
    np.testing.assert_array_equal(np.array(dataset.class_names)[dataset.labels], bunch.target_names[bunch.target])
    assert dataset.feature_names == tuple(bunch.feature_names)
    assert dataset.value_range is None


def test_default_tabular_is_the_tutorial_dataset():
    dataset = tabular(DataConfig())
    inputs, labels = make_classification(1000, 100, n_informative=10, n_redundant=90, random_state=1)
    np.testing.assert_array_equal(dataset.inputs, inputs.astype(np.float32))
    np.testing.assert_array_equal(dataset.labels, labels)


def test_tabular_fields_reach_make_classification():
    fields = {"samples": 60, "features": 9, "informative": 3, "redundant": 2, "seed": 5}
    fields |= {"classes": 3, "clusters": 1, "separation": 0.4, "flips": 0.2}
    dataset = tabular(DataConfig(**{f"tabular_{name}": value for name, value in fields.items()}))
    inputs, labels = make_classification(
        60,
        9,
        n_informative=3,
        n_redundant=2,
        random_state=5,
        n_classes=3,
        n_clusters_per_class=1,
        class_sep=0.4,
        flip_y=0.2,
    )
    np.testing.assert_array_equal(dataset.labels, labels)
    np.testing.assert_array_equal(dataset.inputs, inputs.astype(np.float32))


@pytest.mark.parametrize(
    ("fields", "mentioned"),
    [
        pytest.param({"tabular_informative": 20}, "--tabular-informative 20 and --tabular-redundant 90", id="too many"),
        pytest.param({"tabular_informative": 1}, "--tabular-informative 1", id="too few corners"),
        pytest.param({"tabular_informative": -4}, "--tabular-informative -4", id="negative informative"),
        pytest.param({"tabular_redundant": -1}, "--tabular-redundant -1", id="negative redundant"),
        pytest.param({"tabular_features": 0}, "--tabular-features 0", id="no features"),
        pytest.param({"tabular_classes": 1}, "--tabular-classes 1", id="one class"),
        pytest.param({"tabular_clusters": 0}, "--tabular-clusters 0", id="no cluster"),
        pytest.param({"tabular_separation": 0.0}, "--tabular-separation 0.0", id="no separation"),
        pytest.param({"tabular_flips": 1.5}, "--tabular-flips 1.5", id="more flips than labels"),
        pytest.param({"tabular_samples": 0}, "--tabular-samples 0", id="no samples"),
        pytest.param({"tabular_samples": 4}, "training rows", id="too few of a class"),
        pytest.param({"tabular_seed": -1}, "--tabular-seed -1", id="negative seed"),
        pytest.param({"tabular_seed": 2**32}, "--tabular-seed 4294967296", id="seed too large"),
    ],
)
def test_invalid_tabular_fields_are_rejected_by_flag(fields, mentioned):
    assert mentioned in error_message(tabular, DataConfig(**fields))


def test_mnist1d_is_what_its_package_generates_and_leaves_global_generators_alone():
    package = pytest.importorskip("mnist1d.data", reason="pip install 'aejax[mnist1d]'")
    np.random.seed(3)  # noqa: NPY002
    expected_draw = np.random.RandomState(3).random()
    dataset = mnist1d(DataConfig())
    assert np.random.random() == expected_draw  # noqa: NPY002
    expected = package.make_dataset(package.get_dataset_args())
    np.testing.assert_array_equal(dataset.inputs[:4000], expected["x"].astype(np.float32))
    np.testing.assert_array_equal(dataset.inputs[dataset.test_rows], expected["x_test"].astype(np.float32))
    np.testing.assert_array_equal(dataset.labels, np.concatenate([expected["y"], expected["y_test"]]))


def test_mnist1d_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mnist1d", None)
    assert error_message(mnist1d, DataConfig()).endswith("pip install 'aejax[mnist1d]'")
