"""This project as a contender: the whole path for each seed, laid over the devices by the plan that runs use.

Timed: laying out the problem, every strength of the path, fetching the solutions. Every strength is solved; a run's
probe ends the path where the validation loss rises.
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
from aejax.probe.logistic import LinearClassifier, make_problem, solve_path, to_linear
from aejax.train.plan import make_plan
from benchmark.logistic_path.job import SKLEARN_C, PathJob, certify_solutions
from benchmark.training.job import Runner

SUBSAMPLE_FRACTION = 0.9  # share of the rows that each seed draws


def rows_per_seed(seeds: Sequence[int], n: int, *, subsample: bool) -> Int[np.ndarray, "seeds fitted"]:
    """All rows for each seed, or some that it draws without replacement."""
    if not subsample:
        return np.tile(np.arange(n), (len(seeds), 1))
    return np.stack([np.random.default_rng(seed).permutation(n)[: round(SUBSAMPLE_FRACTION * n)] for seed in seeds])


def make_runner(job: PathJob, seeds: Sequence[int], *, subsample: bool) -> Runner:
    """The path of every seed; each "epoch" goes through it once."""
    plan = make_plan(PlanConfig(), len(seeds))
    rows = rows_per_seed(seeds, len(job.labels), subsample=subsample)

    def one_seed(
        own: Int[Array, " fitted"], features: Array, labels: Array, strengths: Float[Array, " grid"]
    ) -> tuple[LinearClassifier, Int[Array, " grid"]]:
        with jax.default_matmul_precision("highest"):
            problem = make_problem(features[own], labels[own], job.classes)
            found = solve_path(problem, strengths, job.tolerance)
            return jax.vmap(lambda point: to_linear(problem, point))(found.coefficients), found.iterations

    own, features, labels = plan.shard(rows), plan.replicate(job.features), plan.replicate(job.labels)
    program = plan.map_seeds(one_seed, replicated_argnums=(1, 2, 3))

    arguments = own, features, labels
    began = time.perf_counter()
    executable = program.lower(*arguments, plan.replicate(jnp.asarray(job.strengths))).compile()  # type: ignore[attr-defined]
    compile_seconds = {"path": time.perf_counter() - began}
    found: tuple[LinearClassifier, np.ndarray] | None = None

    def train(epochs: int) -> dict[str, Any]:
        nonlocal found
        for _ in range(epochs):
            found = plan.to_host(executable(*arguments, plan.replicate(jnp.asarray(job.strengths))))
        assert found is not None
        return {"iterations": found[1].tolist()}

    def facts() -> dict[str, Any]:
        assert found is not None
        solved = zip(rows, found[0].weights, found[0].bias, strict=True)
        points = [certify_solutions(job, *one, job.strengths.tolist()) for one in solved]
        return {
            "compile_seconds": compile_seconds,
            "environment": {key: value for key, value in describe_environment(plan).items() if key != "command"},
            "points": points,
            "at_peers_strength": None if subsample else at_peers_strength(),
        }

    def at_peers_strength() -> dict[str, float]:
        """Not timed: this project's own solution where scikit-learn's is, at the end of a path that leads there."""
        last = 1 / (SKLEARN_C * rows.shape[1])
        towards = np.geomspace(max(job.strengths[0], last), last, len(job.strengths))
        linear, _ = plan.to_host(executable(*arguments, plan.replicate(jnp.asarray(towards))))
        return certify_solutions(job, rows[0], linear.weights[0, -1:], linear.bias[0, -1:], [last])[0]

    return Runner(train, facts)
