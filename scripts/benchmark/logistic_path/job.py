"""What is fitted: standardised features, labels and strengths, and how each solution is judged on the host.

Nothing here imports JAX, so that a peer's process holds the peer alone.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int, Int32

from aejax.probe.duality_gap import compute_certificate, mean_nll

SKLEARN_C = 1.0  # scikit-learn's inverse strength, summed over examples: 1 / (C n) per example here


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PathJob:
    """One classification problem and the strengths of its path."""

    name: str  # of the dataset
    sha256: str
    features: Float32[np.ndarray, "n d"]  # mean 0, deviation 1
    labels: Int32[np.ndarray, " n"]
    strengths: Float[np.ndarray, " grid"]  # per example, strongest first
    tolerance: float  # gradient and relative gap at which each point may stop

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.labels.max()) + 1

    def save(self, folder: Path) -> None:
        """Write `path.npz`."""
        arrays: dict[str, Any] = vars(self)
        np.savez(folder / "path.npz", **arrays)


def load_path_job(folder: Path) -> PathJob:
    """The job that `PathJob.save` wrote."""
    with np.load(folder / "path.npz") as arrays:
        return PathJob(
            name=str(arrays["name"]),
            sha256=str(arrays["sha256"]),
            features=arrays["features"],
            labels=arrays["labels"],
            strengths=arrays["strengths"],
            tolerance=float(arrays["tolerance"]),
        )


def certify_solutions(
    job: PathJob,
    rows: Int[np.ndarray, " fitted"],
    weights: Float[np.ndarray, "points d classes"],
    bias: Float[np.ndarray, "points classes"],
    strengths: Sequence[float],
) -> list[dict[str, float]]:
    """Each point's strength, and its gradient, relative gap and objective in float64."""
    features, labels = job.features[rows], job.labels[rows]
    found = []
    for own_weights, own_bias, l2 in zip(weights, bias, strengths, strict=True):
        norm, gap = compute_certificate(features, labels, own_weights, own_bias, l2)
        value = regularized_loss(features, labels, own_weights, own_bias, l2)
        found.append({"l2": float(l2), "gradient_norm": float(norm), "gap": float(gap), "objective": value})
    return found


def regularized_loss(
    features: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, "d classes"],
    bias: Float[np.ndarray, " classes"],
    l2: float,
) -> float:
    """Mean loss in nats plus penalty, with the symmetric weights and the constant for two classes of `logistic`."""
    weights, bias = weights.astype(np.float64), bias.astype(np.float64)
    strength = l2 * (2 if weights.shape[1] == 2 else 1)
    return mean_nll(features @ weights + bias, labels) + 0.5 * strength * float(np.sum(weights**2))
