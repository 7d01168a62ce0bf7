"""The whole path by another library, each strength from the solution before, to the same certificate.

Libraries stop by different rules. Before the clock starts, the tolerance of a library is lowered tenfold until every
strength has the gradient norm and the duality gap that are asked of aejax.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from benchmark.path_job import SKLEARN_C, PathJob, certify_solutions
from benchmark.training_job import Runner, UnsupportedJobError

LEAST_TOLERANCE = 1e-9
PREPARATION_LIMIT = 200.0  # seconds in which a tolerance must be found


class Point(NamedTuple):
    """The classifier of one strength."""

    weights: Float[np.ndarray, "d classes"]
    bias: Float[np.ndarray, " classes"]


MakePath = Callable[[float], Callable[[float], Point]]  # from a tolerance to a fit of the next strength


def make_peer_path_runner(job: PathJob, version: str, make_path: MakePath) -> Runner:
    """Returns a runner that solves the path on all rows once per unit.

    Args:
        job: features, labels and strengths.
        version: of the library.
        make_path: from a tolerance of the library to a function of the next strength, strongest first.
    """
    try:
        tolerance, points = choose_tolerance(job, make_path)
    except UnsupportedJobError as error:
        reason = error

        def refuse(times: int) -> dict[str, Any]:
            raise reason

        return Runner(refuse, dict)

    def run(times: int) -> dict[str, Any]:
        nonlocal points
        for _ in range(times):
            points = list(follow_path(job, make_path, tolerance))
        return {}

    def facts() -> dict[str, Any]:
        last = 1 / (SKLEARN_C * len(job.labels))
        fit = make_path(tolerance)
        at_peers_strength = _certify(job, [fit(last)], [last])[0]
        certified = _certify(job, points, job.strengths.tolist())
        return {
            "version": version,
            "points": [certified],
            "tolerance": tolerance,
            "at_peers_strength": at_peers_strength,
        }

    return Runner(run, facts)


def choose_tolerance(job: PathJob, make_path: MakePath) -> tuple[float, list[Point]]:
    """Returns the largest power of ten, from the job's tolerance down, that certifies every strength; and the path.

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
                worst = max(max(p["gradient_norm"], p["gap"]) for p in _certify(job, points, job.strengths.tolist()))
                if worst <= job.tolerance or tolerance <= LEAST_TOLERANCE:
                    return tolerance, points
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


def symmetric_softmax_weights(coefficients: np.ndarray, intercepts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns softmax weights `(d, classes)` and intercepts; two classes share their one row half and half."""
    if len(coefficients) == 1:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    return coefficients.T, intercepts


def _certify(job: PathJob, points: list[Point], strengths: list[float]) -> list[dict[str, float]]:
    weights, bias = (np.stack(part) for part in zip(*points, strict=True))
    return certify_solutions(job, np.arange(len(job.labels)), weights, bias, strengths)
