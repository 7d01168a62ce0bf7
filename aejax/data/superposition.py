"""Synthetic examples with known ground truth: sparse sums of more directions than there are dimensions."""

import numpy as np

from aejax.config import DataConfig
from aejax.data.dataset import Dataset, make_dataset
from aejax.data.description import DataDescription
from aejax.data.memory import require_host_memory
from aejax.errors import require

MAGNITUDES = (0.5, 1.5)  # of an active feature, uniform


def superposition(config: DataConfig) -> Dataset:
    """Makes `inputs = coefficients @ directions`, `(n, d)`, as Elhage et al. (2022, Toy Models of Superposition).

    The G directions are unit vectors, uniform on the sphere in d < G dimensions. Of the first ones, one for each class,
    an example has exactly one, which is its label; each of the others is active with the same probability, independent
    of all others. Coefficients of active features are uniform from 0.5 to 1.5. The dataset keeps the directions, so
    that those of a decoder can be compared with them.

    Raises:
        InputError: the `superposition_*` fields contradict each other.
    """
    _validate(config)
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


def _validate(config: DataConfig) -> None:
    samples, features = config.superposition_samples, config.superposition_features
    classes, active = config.superposition_classes, config.superposition_active
    require(classes >= 2, f"--superposition-classes {classes}: expected at least 2")
    require(
        features > classes,
        f"--superposition-features {features}: expected more than --superposition-classes {classes}, one for each",
    )
    dimensions = config.superposition_dimensions
    require(dimensions >= 1, f"--superposition-dimensions {dimensions}: expected at least 1")
    require(
        0 <= active <= features - classes,
        f"--superposition-active {active}: expected from 0 to {features - classes}, the features that are no class",
    )
    require(config.superposition_seed >= 0, f"--superposition-seed {config.superposition_seed}: expected at least 0")
    require(samples >= 1, f"--superposition-samples {samples}: expected at least 1")
    require_host_memory(3 * 8 * samples * features, f"--superposition-samples {samples} of {features} features")
