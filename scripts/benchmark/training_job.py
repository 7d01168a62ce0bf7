"""The job that every contender gets: the same examples, in a folder that each of its processes reads.

Imports no JAX, so that a peer's process contains the peer alone.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from aejax.config import PretrainConfig, from_dict, to_dict
from aejax.data.dataset import Dataset
from aejax.storage.atomic_io import read_json, write_json


class UnsupportedJobError(Exception):
    """A library cannot do a job; the message is one line."""


class Runner(NamedTuple):
    """A contender with its models built and its data in memory."""

    run: Callable[[int], dict[str, Any]]
    """Trains every seed for the given number of further epochs; returns `loss` (mean of the last epoch, per seed) and
    `steps` (of one epoch)."""
    facts: Callable[[], dict[str, Any]]  # versions, compile seconds


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """One workload with its data."""

    config: PretrainConfig  # resolved; `seeds` and `epochs` are those of the recipe, not of the benchmark
    dataset: Dataset
    rows: Int[np.ndarray, " n_train"]  # training rows, the same for every seed
    shift: Float[np.ndarray, "..."]  # inputs are scaled as (inputs - shift) * scale
    scale: Float[np.ndarray, "..."]

    def scaled_inputs(self) -> Float32[np.ndarray, "n_train features"]:
        """Returns the training rows, flattened and scaled."""
        flat = self.dataset.inputs.reshape(len(self.dataset.inputs), -1)[self.rows].astype(np.float32)
        return (flat - self.shift.astype(np.float32)) * self.scale.astype(np.float32)

    def save(self, folder: Path) -> None:
        """Writes `job.json` and `arrays.npz`."""
        data = self.dataset
        arrays: dict[str, Any] = {"inputs": data.inputs, "labels": data.labels, "rows": self.rows}
        arrays |= {"shift": self.shift, "scale": self.scale}
        if data.test_rows is not None:
            arrays["test_rows"] = data.test_rows
        np.savez(folder / "arrays.npz", **arrays)
        described = {"name": data.name, "class_names": data.class_names, "value_range": data.value_range}
        write_json(folder / "job.json", {"config": to_dict(self.config), "dataset": described})


def load_training_job(folder: Path) -> TrainingJob:
    """Reads what `TrainingJob.save` wrote."""
    written = read_json(folder / "job.json")
    described = written["dataset"]
    with np.load(folder / "arrays.npz") as arrays:
        dataset = Dataset(
            name=described["name"],
            inputs=arrays["inputs"],
            labels=arrays["labels"],
            class_names=tuple(described["class_names"]),
            value_range=described["value_range"] and tuple(described["value_range"]),
            test_rows=arrays.get("test_rows"),
        )
        config = from_dict(PretrainConfig, written["config"])
        return TrainingJob(
            config=config, dataset=dataset, rows=arrays["rows"], shift=arrays["shift"], scale=arrays["scale"]
        )
