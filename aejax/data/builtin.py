"""Datasets that scikit-learn includes or generates, without files or network."""

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import datasets

from aejax.config import DataConfig
from aejax.data.dataset import Dataset, make_dataset
from aejax.data.description import DataDescription
from aejax.data.memory import require_host_memory
from aejax.data.packages import require_package
from aejax.errors import require


def digits(config: DataConfig) -> Dataset:
    """1,797 grayscale digits: `(1797, 8, 8, 1)` uint8 from 0 to 16; `config` is unused."""
    bunch = datasets.load_digits()
    images = bunch.images[..., None].astype(np.uint8)
    return make_dataset("digits", images, bunch.target, source="digits", value_range=(0.0, 16.0))


def breast_cancer(config: DataConfig) -> Dataset:
    """569 tumours with 30 measurements each, malignant or benign; `config` is unused."""
    return _sklearn_table("breast_cancer", datasets.load_breast_cancer)


def wine(config: DataConfig) -> Dataset:
    """178 wines with 13 measurements each, of three cultivars; `config` is unused."""
    return _sklearn_table("wine", datasets.load_wine)


def iris(config: DataConfig) -> Dataset:
    """150 irises with 4 measurements each, of three species; `config` is unused."""
    return _sklearn_table("iris", datasets.load_iris)


def _sklearn_table(name: str, load: Callable[[], Any]) -> Dataset:
    bunch = load()
    return make_dataset(
        name,
        bunch.data,
        bunch.target,
        source=name,
        class_names=[str(class_name) for class_name in bunch.target_names],
        feature_names=[str(feature) for feature in bunch.feature_names],
    )


def tabular(config: DataConfig) -> Dataset:
    """Generates a table with scikit-learn's `make_classification`: informative, redundant and other features.

    Each class has clusters at corners of a hypercube of the informative features, with sides of twice the separation
    (Guyon, 2003, Design of experiments for the NIPS 2003 variable selection benchmark). The rest, neither informative
    nor redundant, is noise. The defaults of `config` give the dataset of the feature-extraction tutorial, 1,000 rows of
    100 features.

    Raises:
        InputError: the `tabular_*` fields contradict each other.
    """
    _validate_tabular(config)
    inputs, labels = datasets.make_classification(
        n_samples=config.tabular_samples,
        n_features=config.tabular_features,
        n_informative=config.tabular_informative,
        n_redundant=config.tabular_redundant,
        n_classes=config.tabular_classes,
        n_clusters_per_class=config.tabular_clusters,
        class_sep=config.tabular_separation,
        flip_y=config.tabular_flips,
        random_state=config.tabular_seed,
    )
    return make_dataset("tabular", inputs, labels, source="tabular")


def mnist1d(config: DataConfig) -> Dataset:
    """Generates MNIST-1D (Greydanus and Kobak, 2020) with its package: `(5000, 40)`, 4,000 training rows first.

    The arguments are the package's defaults, which give the published dataset; `config` is unused.

    Raises:
        InputError: the package is not installed.
    """
    require_package("mnist1d", "mnist1d", "--dataset mnist1d")
    from mnist1d.data import get_dataset_args
    from mnist1d.data import make_dataset as generate

    states = np.random.get_state(), random.getstate()  # noqa: NPY002  the package seeds both global generators
    try:
        parts = generate(get_dataset_args())
    finally:
        np.random.set_state(states[0])  # noqa: NPY002
        random.setstate(states[1])
    inputs = np.concatenate([parts["x"], parts["x_test"]])
    labels = np.concatenate([parts["y"], parts["y_test"]])
    n_train = len(parts["x"])
    return make_dataset(
        "mnist1d",
        inputs,
        labels,
        source="mnist1d",
        test_rows=np.arange(n_train, len(inputs)),
        description=DataDescription(
            label_source="array 'y' of the package", layout=f"rows of {inputs.shape[1]} numbers"
        ),
    )


def _validate_tabular(config: DataConfig) -> None:
    samples, features = config.tabular_samples, config.tabular_features
    informative, redundant = config.tabular_informative, config.tabular_redundant
    require(config.tabular_classes >= 2, f"--tabular-classes {config.tabular_classes}: expected at least 2")
    require(config.tabular_clusters >= 1, f"--tabular-clusters {config.tabular_clusters}: expected at least 1")
    separation, flips = config.tabular_separation, config.tabular_flips
    require(0 < separation < math.inf, f"--tabular-separation {separation}: expected a number above 0")
    require(0 <= flips <= 1, f"--tabular-flips {flips}: expected a share from 0 to 1")
    clusters = config.tabular_classes * config.tabular_clusters
    least_informative = (clusters - 1).bit_length()  # each cluster lies at a corner of a hypercube
    require(samples >= clusters, f"--tabular-samples {samples}: expected at least {clusters}, one for each cluster")
    require(features >= 1, f"--tabular-features {features}: expected at least 1")
    require(
        informative >= least_informative,
        f"--tabular-informative {informative}: expected at least {least_informative}, for {clusters} clusters",
    )
    require(redundant >= 0, f"--tabular-redundant {redundant}: expected at least 0")
    require(
        informative + redundant <= features,
        f"--tabular-informative {informative} and --tabular-redundant {redundant} make {informative + redundant} "
        f"features; expected at most --tabular-features {features}",
    )
    require_host_memory(2 * 8 * samples * features, f"--tabular-samples {samples} of --tabular-features {features}")
    seed = config.tabular_seed
    require(0 <= seed < 2**32, f"--tabular-seed {seed}: expected from 0 to {2**32 - 1}")
