"""Which problems the probe's path is timed on: MNIST's raw pixels, and their leading principal components."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Shaped

from aejax.config import DataConfig, SplitConfig
from aejax.data.registry import load_dataset
from aejax.data.splits import make_split
from aejax.probe.logistic_probe import L2_GRID, PATH_TOLERANCE
from benchmark.logistic_path.job import PathJob


class PathWorkload(NamedTuple):
    """Data, what is fitted on them, and for how many seeds."""

    data: DataConfig
    n_components: int | None = None  # leading principal components to fit on; None: the inputs themselves
    seed_counts: tuple[int, ...] = ()  # numbers of paths on rows of their own that are timed besides


PATH_WORKLOADS: dict[str, PathWorkload] = {
    "probe-path": PathWorkload(DataConfig(dataset="mnist")),
    "probe-path-64": PathWorkload(DataConfig(dataset="mnist"), n_components=64, seed_counts=(1, 4, 10)),
}


def prepare_path_job(workload: PathWorkload, data_dir: Path | None) -> PathJob:
    """Load a workload's data and standardise what every contender fits: all rows outside the test.

    Raises:
        InputError: the data cannot be had.
    """
    dataset = load_dataset(dataclasses.replace(workload.data, data_dir=data_dir))
    rows = make_split(dataset, SplitConfig(split="tutorial"), seeds=1).train[0]
    inputs = dataset.inputs.reshape(len(dataset.inputs), -1)[rows]
    features = inputs if workload.n_components is None else principal_components(inputs, workload.n_components)
    return PathJob(
        name=dataset.name,
        sha256=dataset.sha256,
        features=standardize(features),
        labels=dataset.labels[rows],
        strengths=np.asarray(L2_GRID),
        tolerance=PATH_TOLERANCE,
    )


def principal_components(inputs: Shaped[np.ndarray, "n d"], count: int) -> Float[np.ndarray, "n count"]:
    """Coordinates along the directions of largest variance, largest first, in float64."""
    centred = inputs - inputs.mean(axis=0, dtype=np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    return centred @ directions[:, ::-1][:, :count]


def standardize(inputs: Shaped[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
    """Mean 0 and deviation 1 for each feature; one that is constant is 0."""
    deviation = inputs.std(axis=0, dtype=np.float64)
    centred = inputs - inputs.mean(axis=0, dtype=np.float64)
    return np.ascontiguousarray(centred / np.where(deviation > 0, deviation, 1.0), dtype=np.float32)
