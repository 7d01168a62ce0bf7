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

from aejax.benchmark.path.job import C, PathJob, judge
from aejax.benchmark.training.job import Trainer
from aejax.classify.logistic import Linear, linear_of, make_problem, path
from aejax.config import PlanConfig
from aejax.run.environment import describe
from aejax.train.plan import make_plan

DRAWN = 0.9  # share of the rows that each seed draws


def rows_of(seeds: Sequence[int], n: int, *, drawn: bool) -> Int[np.ndarray, "seeds fitted"]:
    """All rows for each seed, or some that it draws without replacement."""
    if not drawn:
        return np.tile(np.arange(n), (len(seeds), 1))
    return np.stack([np.random.default_rng(seed).permutation(n)[: round(DRAWN * n)] for seed in seeds])


def make_trainer(job: PathJob, seeds: Sequence[int], *, drawn: bool) -> Trainer:
    """The path of every seed; each "epoch" goes through it once."""
    plan = make_plan(PlanConfig(), len(seeds))
    rows = rows_of(seeds, len(job.labels), drawn=drawn)

    def one_seed(
        own: Int[Array, " fitted"], features: Array, labels: Array, strengths: Float[Array, " grid"]
    ) -> tuple[Linear, Int[Array, " grid"]]:
        with jax.default_matmul_precision("highest"):
            problem = make_problem(features[own], labels[own], job.classes)
            found = path(problem, strengths, job.tolerance)
            return jax.vmap(lambda point: linear_of(problem, point))(found.coefficients), found.iterations

    own, features, labels = plan.put_seeded(rows), plan.put_shared(job.features), plan.put_shared(job.labels)
    program = plan.over(one_seed, shared=(1, 2, 3))

    arguments = own, features, labels
    began = time.perf_counter()
    executable = program.lower(*arguments, plan.put_shared(jnp.asarray(job.strengths))).compile()  # type: ignore[attr-defined]
    compile_seconds = {"path": time.perf_counter() - began}
    found: tuple[Linear, np.ndarray] | None = None

    def train(epochs: int) -> dict[str, Any]:
        nonlocal found
        for _ in range(epochs):
            found = plan.fetch(executable(*arguments, plan.put_shared(jnp.asarray(job.strengths))))
        assert found is not None
        return {"iterations": found[1].tolist()}

    def facts() -> dict[str, Any]:
        assert found is not None
        solved = zip(rows, found[0].weights, found[0].bias, strict=True)
        points = [judge(job, *one, job.strengths.tolist()) for one in solved]
        return {
            "compile_seconds": compile_seconds,
            "environment": {key: value for key, value in describe(plan).items() if key != "command"},
            "points": points,
            "at_peers_strength": None if drawn else at_peers_strength(),
        }

    def at_peers_strength() -> dict[str, float]:
        """Not timed: this project's own solution where scikit-learn's is, at the end of a path that leads there."""
        last = 1 / (C * rows.shape[1])
        towards = np.geomspace(max(job.strengths[0], last), last, len(job.strengths))
        linear, _ = plan.fetch(executable(*arguments, plan.put_shared(jnp.asarray(towards))))
        return judge(job, rows[0], linear.weights[0, -1:], linear.bias[0, -1:], [last])[0]

    return Trainer(train, facts)
