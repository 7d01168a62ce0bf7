"""Built-in datasets equal those of scikit-learn and MNIST-1D's package, or have the properties that they promise."""

import sys

import numpy as np
import pytest
from loading import load, load_error
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine, make_classification

from aejax.config.validation import flag_name


def test_digits_are_uint8_images_equal_to_scikit_learn():
    dataset, bunch = load("digits"), load_digits()
    assert (dataset.name, dataset.inputs.shape) == ("digits", (1797, 8, 8, 1))
    assert dataset.inputs.dtype == np.uint8
    assert dataset.value_range == (0, 16)
    np.testing.assert_array_equal(dataset.inputs.reshape(1797, 64), bunch.data)
    np.testing.assert_array_equal(dataset.labels, bunch.target)


@pytest.mark.parametrize(
    ("name", "loader"), [("breast_cancer", load_breast_cancer), ("iris", load_iris), ("wine", load_wine)]
)
def test_tables_equal_scikit_learn(name, loader):
    dataset, bunch = load(name), loader()
    assert dataset.name == name
    np.testing.assert_array_equal(dataset.inputs, bunch.data.astype(np.float32))
    np.testing.assert_array_equal(np.array(dataset.class_names)[dataset.labels], bunch.target_names[bunch.target])
    assert dataset.feature_names == tuple(bunch.feature_names)
    assert dataset.value_range is None


def test_default_tabular_is_the_tutorial_dataset():
    dataset = load("tabular")
    inputs, labels = make_classification(1000, 100, n_informative=10, n_redundant=90, random_state=1)
    assert dataset.name == "tabular"
    np.testing.assert_array_equal(dataset.inputs, inputs.astype(np.float32))
    np.testing.assert_array_equal(dataset.labels, labels)


def test_tabular_fields_reach_make_classification():
    fields = {"samples": 60, "features": 9, "informative": 3, "redundant": 2, "seed": 5}
    fields |= {"classes": 3, "clusters": 1, "separation": 0.4, "flips": 0.2}
    dataset = load("tabular", **{f"tabular_{name}": value for name, value in fields.items()})
    arguments = {"n_informative": 3, "n_redundant": 2, "random_state": 5, "n_classes": 3, "n_clusters_per_class": 1}
    inputs, labels = make_classification(60, 9, class_sep=0.4, flip_y=0.2, **arguments)
    np.testing.assert_array_equal(dataset.labels, labels)
    np.testing.assert_array_equal(dataset.inputs, inputs.astype(np.float32))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tabular_informative", 20),  # with the 90 redundant ones, more than 100 features
        ("tabular_informative", 1),  # too few corners for the clusters
        ("tabular_informative", -4),
        ("tabular_redundant", -1),
        ("tabular_features", 0),
        ("tabular_classes", 1),
        ("tabular_clusters", 0),
        ("tabular_separation", 0.0),
        ("tabular_flips", 1.5),
        ("tabular_samples", 0),
        ("tabular_seed", -1),
        ("tabular_seed", 2**32),
        ("superposition_features", 10),
        ("superposition_active", 200.0),
        ("superposition_classes", 1),
        ("superposition_samples", 0),
        ("superposition_samples", 10**10),  # more than memory has
        ("superposition_dimensions", 0),
        ("superposition_seed", -1),
    ],
)
def test_invalid_fields_are_rejected_by_flag(field, value):
    message = load_error(field.partition("_")[0], **{field: value})
    assert message.startswith(f"{flag_name(field)} {value}")


def test_each_cluster_of_a_table_has_a_row():
    size = {"tabular_features": 50, "tabular_informative": 40, "tabular_redundant": 0}
    message = load_error("tabular", tabular_clusters=2**31, **size)
    assert message == f"--tabular-samples 1000: expected at least {2**32}, one for each cluster"


def test_too_few_rows_of_a_class_are_rejected():
    assert "training rows" in load_error("tabular", tabular_samples=4)


def test_coefficients_are_sparse_and_have_the_class_as_one_of_the_first_features():
    dataset = load(
        "superposition",
        superposition_samples=2000,
        superposition_features=30,
        superposition_dimensions=40,  # so many that the coefficients are unique
        superposition_active=3,
        superposition_classes=5,
    )
    np.testing.assert_allclose(np.linalg.norm(dataset.directions, axis=1), 1)
    coefficients = np.linalg.lstsq(dataset.directions.T, dataset.inputs.T)[0].T
    active = np.abs(coefficients) > 1e-4
    assert (np.abs(coefficients[active] - 1) < 0.501).all()
    np.testing.assert_array_equal(active[:, :5], np.eye(5, dtype=bool)[dataset.labels])
    np.testing.assert_allclose(active[:, 5:].mean(axis=0), 3 / 25, atol=4 * np.sqrt(0.12 * 0.88 / 2000))
    assert np.bincount(dataset.labels).tolist() == [400] * 5


def test_the_default_has_more_directions_than_dimensions_and_the_seed_changes_all():
    first, other = load("superposition"), load("superposition", superposition_seed=1)
    assert first.directions.shape == (128, 64)
    assert first.inputs.shape == other.inputs.shape == (10_000, 64)
    assert first.sha256 != other.sha256
    assert np.abs(first.directions - other.directions).max() > 0.1


def test_mnist1d_is_what_its_package_generates_and_leaves_global_generators_alone(monkeypatch):
    package = pytest.importorskip("mnist1d.data", reason="pip install 'aejax[mnist1d]'")
    arguments = package.get_dataset_args()
    assert arguments.num_samples == 5000
    arguments.num_samples = 500
    monkeypatch.setattr(package, "get_dataset_args", lambda: arguments)
    np.random.seed(3)  # noqa: NPY002
    expected_draw = np.random.RandomState(3).random()
    dataset = load("mnist1d")
    assert np.random.random() == expected_draw  # noqa: NPY002
    expected = package.make_dataset(arguments)
    np.testing.assert_array_equal(dataset.inputs[:400], expected["x"].astype(np.float32))
    np.testing.assert_array_equal(dataset.inputs[dataset.test_rows], expected["x_test"].astype(np.float32))
    np.testing.assert_array_equal(dataset.labels, np.concatenate([expected["y"], expected["y_test"]]))


def test_mnist1d_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mnist1d", None)
    assert load_error("mnist1d").endswith("pip install 'aejax[mnist1d]'")
