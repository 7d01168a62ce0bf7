"""What every contender is given: the same examples, in a folder that each reads in a process of its own.

Nothing here imports JAX, so that a peer's process holds the peer alone.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from aejax.config import PretrainConfig, from_dict, to_dict
from aejax.data.dataset import Dataset
from aejax.storage.atomic_io import read_json, write_json


class UnsupportedJobError(Exception):
    """A library cannot do this work; the message is one line."""


class Runner(NamedTuple):
    """A contender that has built its models and holds its data."""

    run: Callable[[int], dict[str, Any]]
    """Trains every seed for so many further epochs, in order: `{"loss": mean training loss of the last epoch, per
    seed, "steps": steps of one epoch}`."""
    facts: Callable[[], dict[str, Any]]  # what else it has to say: versions, compile seconds


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """One workload with its data."""

    config: PretrainConfig  # resolved; its `seeds` and `epochs` are the recipe's, not the benchmark's
    dataset: Dataset
    rows: Int[np.ndarray, " n_train"]  # training rows, the same for every seed
    shift: Float[np.ndarray, "..."]  # inputs are scaled as (inputs - shift) * scale
    scale: Float[np.ndarray, "..."]

    def save(self, folder: Path) -> None:
        """Write `job.json` and `arrays.npz`."""
        data = self.dataset
        arrays: dict[str, Any] = {"inputs": data.inputs, "labels": data.labels, "rows": self.rows}
        arrays |= {"shift": self.shift, "scale": self.scale}
        if data.test_rows is not None:
            arrays["test_rows"] = data.test_rows
        np.savez(folder / "arrays.npz", **arrays)
        described = {"name": data.name, "class_names": data.class_names, "value_range": data.value_range}
        write_json(folder / "job.json", {"config": to_dict(self.config), "dataset": described})


def load_training_job(folder: Path) -> TrainingJob:
    """The job that `Job.save` wrote."""
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
