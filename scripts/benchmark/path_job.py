"""The job of a logistic path: features, labels and strengths, and the certificate of each solution in NumPy.

Imports no JAX, so that a peer's process contains the peer alone.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32, Int, Int32

from aejax.probes.duality_gap import compute_certificate, mean_nll

SKLEARN_C = 1.0  # scikit-learn's inverse strength, summed over examples: 1 / (C n) per example here


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PathJob:
    """A classification problem and the penalty strengths of its path."""

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


def certify_solutions(
    job: PathJob,
    rows: Int[np.ndarray, " fitted"],
    weights: Float[np.ndarray, "points d classes"],
    bias: Float[np.ndarray, "points classes"],
    strengths: Sequence[float],
) -> list[dict[str, float]]:
    """Returns the strength, gradient norm, relative duality gap and objective of each point, in float64."""
    features, labels = job.features[rows], job.labels[rows]
    points = []
    for point_weights, point_bias, l2 in zip(weights, bias, strengths, strict=True):
        norm, gap = compute_certificate(features, labels, point_weights, point_bias, l2)
        value = regularized_loss(features, labels, point_weights, point_bias, l2)
        points.append({"l2": float(l2), "gradient_norm": float(norm), "gap": float(gap), "objective": value})
    return points


def regularized_loss(
    features: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, "d classes"],
    bias: Float[np.ndarray, " classes"],
    l2: float,
) -> float:
    """Returns mean loss in nats plus penalty, with symmetric weights and the constant of `probe.logistic` for two
    classes."""
    weights, bias = weights.astype(np.float64), bias.astype(np.float64)
    strength = l2 * (2 if weights.shape[1] == 2 else 1)
    return mean_nll(features @ weights + bias, labels) + 0.5 * strength * float(np.sum(weights**2))
