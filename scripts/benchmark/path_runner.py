"""aejax as a contender: the whole path for each seed, sharded over the devices.

Timed are laying out the problem, every strength of the path, and fetching the solutions. Every strength is solved; the
probe of an experiment ends its path when the validation loss rises.
"""

import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from aejax.config import PlanConfig
from aejax.experiments.environment import describe_environment
from aejax.probes.logistic import LinearClassifier, make_problem, to_linear
from aejax.probes.newton import solve_path
from aejax.train.lapack import single_threaded_lapack
from aejax.train.plan import make_plan
from benchmark.path_job import PathJob, Point, certify_solutions
from benchmark.training_job import Runner

SUBSAMPLE_FRACTION = 0.9  # share of the rows that each seed draws


def rows_per_seed(seeds: Sequence[int], n: int, *, subsample: bool) -> Int[np.ndarray, "seeds fitted"]:
    """Returns all rows for each seed, or a share that it draws without replacement."""
    if not subsample:
        return np.tile(np.arange(n), (len(seeds), 1))
    return np.stack([np.random.default_rng(seed).permutation(n)[: round(SUBSAMPLE_FRACTION * n)] for seed in seeds])


def make_path_runner(job: PathJob, seeds: Sequence[int], threads: int, *, subsample: bool = False) -> Runner:
    """Returns a runner that solves the path of every seed once per unit."""
    plan = make_plan(PlanConfig(), len(seeds))
    rows = rows_per_seed(seeds, len(job.labels), subsample=subsample)

    def solve_one_seed(
        fitted: Int[Array, " fitted"], features: Array, labels: Array, strengths: Float[Array, " grid"]
    ) -> tuple[LinearClassifier, Int[Array, " grid"]]:
        with jax.default_matmul_precision("highest"):
            problem = make_problem(features[fitted], labels[fitted], job.classes)
            path = solve_path(problem, strengths, job.tolerance)
            return jax.vmap(lambda point: to_linear(problem, point))(path.coefficients), path.iterations

    program = plan.map_seeds(solve_one_seed, replicated_argnums=(1, 2, 3))
    data = plan.shard(rows), plan.replicate(job.features), plan.replicate(job.labels)
    began = time.perf_counter()
    executable = program.lower(*data, plan.replicate(jnp.asarray(job.strengths))).compile()  # type: ignore[attr-defined]
    compile_seconds = {"path": time.perf_counter() - began}
    solution: tuple[LinearClassifier, np.ndarray] | None = None

    def solve(strengths: np.ndarray) -> tuple[LinearClassifier, np.ndarray]:
        with single_threaded_lapack():
            return plan.to_host(executable(*data, plan.replicate(jnp.asarray(strengths))))

    def run(times: int) -> dict[str, Any]:
        nonlocal solution
        for _ in range(times):
            solution = solve(job.strengths)
        return {}

    def facts() -> dict[str, Any]:
        assert solution is not None
        solved = zip(rows, solution[0].weights, solution[0].bias, strict=True)
        return {
            "compile_seconds": compile_seconds,
            "environment": describe_environment(plan),
            "points": [
                certify_solutions(job, fitted, map(Point, weights, bias), job.strengths)
                for fitted, weights, bias in solved
            ],
            "iterations": solution[1].tolist(),
            "at_peers_strength": None if subsample else certify_at_peers_strength(),
        }

    def certify_at_peers_strength() -> dict[str, float]:
        """Certifies the solution at scikit-learn's C = 1, the end of a path that leads there. Not timed."""
        last = 1 / rows.shape[1]
        linear = solve(np.geomspace(max(job.strengths[0], last), last, len(job.strengths)))[0]
        point = Point(np.asarray(linear.weights[0, -1]), np.asarray(linear.bias[0, -1]))
        return certify_solutions(job, rows[0], [point], [last])[0]

    return Runner(run, facts)
