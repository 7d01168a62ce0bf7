"""A logistic path: features, labels and strengths, the certificate of each solution, and another library's solutions.

Libraries stop by different rules. Before the clock starts, the tolerance of a library is lowered tenfold until every
strength has the gradient norm and the duality gap that are asked of aejax. Imports no JAX, so that a peer's process
contains the peer alone.
"""

import contextlib
import dataclasses
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, Int32

from aejax.probes.duality_gap import compute_certificate, mean_nll
from benchmark.training_job import Runner, UnsupportedJobError

LEAST_TOLERANCE = 1e-9
PREPARATION_LIMIT = 200.0  # seconds in which a tolerance must be found


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


class Point(NamedTuple):
    """The classifier of one strength."""

    weights: Float[np.ndarray, "d classes"]
    bias: Float[np.ndarray, " classes"]


def certify_solutions(
    job: PathJob, rows: Int[np.ndarray, " fitted"], points: Iterable[Point], strengths: Iterable[float]
) -> list[dict[str, float]]:
    """Returns the strength, gradient norm, relative duality gap and objective of each point, in float64.

    The objective is mean loss in nats plus penalty, with symmetric weights and the constant of `probes.logistic` for
    two classes.
    """
    features, labels = job.features[rows], job.labels[rows]
    certificates = []
    for (weights, bias), l2 in zip(points, strengths, strict=True):
        norm, gap = compute_certificate(features, labels, weights, bias, l2)
        weights, bias = weights.astype(np.float64), bias.astype(np.float64)
        penalty = 0.5 * l2 * (2 if job.classes == 2 else 1) * float(np.sum(weights**2))
        value = mean_nll(features @ weights + bias, labels) + penalty
        certificates.append({"l2": float(l2), "gradient_norm": float(norm), "gap": float(gap), "objective": value})
    return certificates


MakePath = Callable[[float], Callable[[float], Point]]  # from a tolerance to a fit of the next strength


def make_peer_path_runner(job: PathJob, version: str, make_path: MakePath) -> Runner:
    """Returns a runner that solves the path on all rows once per unit.

    Args:
        job: features, labels and strengths.
        version: of the library.
        make_path: from a tolerance of the library to a function of the next strength, strongest first.
    """
    tolerance, points = 0.0, list[Point]()

    def run(times: int) -> dict[str, Any]:
        nonlocal tolerance, points
        tolerance = tolerance or choose_tolerance(job, make_path)
        began = time.perf_counter()
        for _ in range(times):
            points = list(follow_path(job, make_path, tolerance))
        return {"seconds": time.perf_counter() - began}

    def facts() -> dict[str, Any]:
        last, rows = 1 / len(job.labels), np.arange(len(job.labels))
        return {
            "version": version,
            "points": [certify_solutions(job, rows, points, job.strengths)],
            "tolerance": tolerance,
            "at_peers_strength": certify_solutions(job, rows, [make_path(tolerance)(last)], [last])[0],
        }

    return Runner(run, facts)


def choose_tolerance(job: PathJob, make_path: MakePath) -> float:
    """Returns the largest power of ten, from the job's tolerance down, that certifies every strength.

    Raises:
        UnsupportedJobError: `PREPARATION_LIMIT` has passed.
    """
    tolerance, points = job.tolerance, list[Point]()
    try:
        with time_limit(PREPARATION_LIMIT):
            while True:
                points.clear()
                for point in follow_path(job, make_path, tolerance):
                    points.append(point)  # each at once: the limit may come before the last
                certificates = certify_solutions(job, np.arange(len(job.labels)), points, job.strengths)
                worst = max(max(one["gradient_norm"], one["gap"]) for one in certificates)
                if worst <= job.tolerance or tolerance <= LEAST_TOLERANCE:
                    return tolerance
                tolerance /= 10
    except TimeoutError:
        reached = f"at tolerance {tolerance:.0e} it had fitted {len(points)} of {len(job.strengths)} strengths"
        raise UnsupportedJobError(f"no certificate of the path in {PREPARATION_LIMIT:g} s: {reached}") from None


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises `TimeoutError` in the block after some seconds; a call into compiled code ends first. Main thread only."""

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def follow_path(job: PathJob, make_path: MakePath, tolerance: float) -> Iterator[Point]:
    """Yields the classifier of each strength, strongest first."""
    fit = make_path(tolerance)
    for l2 in job.strengths:
        yield fit(float(l2))


def symmetric_softmax_weights(coefficients: np.ndarray, intercepts: np.ndarray) -> Point:
    """Returns softmax weights `(d, classes)` and intercepts; two classes share their one row half and half."""
    if len(coefficients) == 1:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    return Point(coefficients.T, intercepts)
