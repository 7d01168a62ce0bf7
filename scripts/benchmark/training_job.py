"""The job that every contender of a training gets: the same examples, rows and scaling.

Imports no JAX, so that a peer's process contains the peer alone.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from aejax.config import PretrainConfig
from aejax.data.dataset import Dataset


class UnsupportedJobError(Exception):
    """A library cannot do a job; the message is one line."""


class Runner(NamedTuple):
    """A contender with its models built and its data in memory."""

    run: Callable[[int], dict[str, Any]]  # does this many units of work: epochs, rounds, fits; returns results
    facts: Callable[[], dict[str, Any]]  # what is known at the end: versions, compile seconds, certificates


MakeRunner = Callable[..., Runner]  # of a job, seeds, threads, and a contender's options as keyword arguments


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
