"""Datasets that scikit-learn includes, or that are generated, without files or network."""

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import datasets

from aejax.config import DataConfig
from aejax.config.validation import require_at_least, require_fields
from aejax.data.dataset import Dataset, make_dataset
from aejax.data.description import DataDescription
from aejax.data.memory import require_host_memory
from aejax.data.packages import require_package
from aejax.errors import require

SKLEARN_TABLES: dict[str, Callable[[], Any]] = {
    "breast_cancer": datasets.load_breast_cancer,  # 569 tumours, 30 measurements each, malignant or benign
    "iris": datasets.load_iris,  # 150 irises, 4 measurements each, of three species
    "wine": datasets.load_wine,  # 178 wines, 13 measurements each, of three cultivars
}
MAGNITUDES = (0.5, 1.5)  # of an active feature of `superposition`, uniform


def digits(config: DataConfig) -> Dataset:
    """1,797 grayscale digits: `(1797, 8, 8, 1)` uint8 from 0 to 16; `config` is unused."""
    bunch = datasets.load_digits()
    images = bunch.images[..., None].astype(np.uint8)
    return make_dataset("digits", images, bunch.target, source="digits", value_range=(0.0, 16.0))


def sklearn_table(name: str, config: DataConfig) -> Dataset:
    """One of `SKLEARN_TABLES`; `config` is unused."""
    bunch = SKLEARN_TABLES[name]()
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


def _validate_tabular(config: DataConfig) -> None:
    samples, features = config.tabular_samples, config.tabular_features
    informative, redundant = config.tabular_informative, config.tabular_redundant
    require_at_least(2, config, "tabular_classes")
    require_at_least(1, config, "tabular_clusters")
    require_fields(config, lambda value: 0 < value < math.inf, "a number above 0", "tabular_separation")
    require_fields(config, lambda value: 0 <= value <= 1, "a share from 0 to 1", "tabular_flips")
    clusters = config.tabular_classes * config.tabular_clusters
    least_informative = (clusters - 1).bit_length()  # each cluster lies at a corner of a hypercube
    require(samples >= clusters, f"--tabular-samples {samples}: expected at least {clusters}, one for each cluster")
    require_at_least(1, config, "tabular_features")
    require(
        informative >= least_informative,
        f"--tabular-informative {informative}: expected at least {least_informative}, for {clusters} clusters",
    )
    require_at_least(0, config, "tabular_redundant")
    require(
        informative + redundant <= features,
        f"--tabular-informative {informative} and --tabular-redundant {redundant} make {informative + redundant} "
        f"features; expected at most --tabular-features {features}",
    )
    require_host_memory(2 * 8 * samples * features, f"--tabular-samples {samples} of --tabular-features {features}")
    require_fields(config, lambda value: 0 <= value < 2**32, f"from 0 to {2**32 - 1}", "tabular_seed")


def superposition(config: DataConfig) -> Dataset:
    """Makes `inputs = coefficients @ directions`, `(n, d)`, as Elhage et al. (2022, Toy Models of Superposition).

    The G directions are unit vectors, uniform on the sphere in d < G dimensions. Of the first ones, one for each class,
    an example has exactly one, which is its label; each of the others is active with the same probability, independent
    of all others. Coefficients of active features are uniform from 0.5 to 1.5. The dataset keeps the directions, so
    that those of a decoder can be compared with them.

    Raises:
        InputError: the `superposition_*` fields contradict each other.
    """
    _validate_superposition(config)
    rng = np.random.default_rng(config.superposition_seed)
    n, features = config.superposition_samples, config.superposition_features
    classes = config.superposition_classes
    directions = rng.normal(size=(features, config.superposition_dimensions))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    labels = rng.permutation(np.arange(n) % classes)
    active = rng.random((n, features)) < config.superposition_active / (features - classes)
    active[:, :classes] = labels[:, None] == np.arange(classes)
    inputs = (active * rng.uniform(*MAGNITUDES, (n, features))) @ directions
    return make_dataset(
        "superposition",
        inputs,
        labels,
        source="superposition",
        directions=directions,
        description=DataDescription(
            label_source="the first features", layout=f"sums of {features} directions in {inputs.shape[1]} dimensions"
        ),
    )


def _validate_superposition(config: DataConfig) -> None:
    samples, features = config.superposition_samples, config.superposition_features
    classes = config.superposition_classes
    require_at_least(2, config, "superposition_classes")
    require(
        features > classes,
        f"--superposition-features {features}: expected more than --superposition-classes {classes}, one for each",
    )
    require_at_least(1, config, "superposition_dimensions")
    most_active, what = features - classes, f"from 0 to {features - classes}, the features that are no class"
    require_fields(config, lambda value: 0 <= value <= most_active, what, "superposition_active")
    require_at_least(0, config, "superposition_seed")
    require_at_least(1, config, "superposition_samples")
    require_host_memory(3 * 8 * samples * features, f"--superposition-samples {samples} of {features} features")


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
