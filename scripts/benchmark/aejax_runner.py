"""aejax as a contender: training, encoding, and a matrix product.

Training runs the programs of `experiments.training`. Timed are shuffling on the host, sending the order to the devices
and fetching the losses; not the validation loss of each epoch, which peers do not compute either.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from aejax.data.shuffling import shuffle_epochs
from aejax.experiments.compilation import Stopwatch
from aejax.experiments.environment import describe_environment
from aejax.experiments.experiment import Experiment, prepare_experiment, shard_rows
from aejax.experiments.feature_extraction import row_program
from aejax.experiments.progress import SilentReporter
from aejax.experiments.schedule import epochs_per_call, optimizer_for
from aejax.experiments.training import init_or_restore, init_variables
from aejax.methods.registry import METHODS
from aejax.train.epoch import Metrics, SeedData, make_train_epochs
from aejax.train.state import TrainProgress
from benchmark.path_runner import make_path_runner
from benchmark.training_job import MakeRunner, Runner, TrainingJob

MATMUL_SIZE = 2048  # rows and columns of the matrices whose product gives the machine's rate
MATMUL_FLOPS = 2 * MATMUL_SIZE**3


def _prepare_experiment(job: TrainingJob, seeds: Sequence[int]) -> Experiment:
    """Returns the experiment of seeds `0..n-1`, sharded over the devices that JAX finds."""
    return prepare_experiment(dataclasses.replace(job.config, seeds=len(seeds)), job.dataset, SilentReporter())


class Training(NamedTuple):
    """The training of all seeds, before its first step."""

    experiment: Experiment
    program: Callable[..., tuple[TrainProgress, Metrics]]  # jitted; of progress, order, data and examples
    progress: TrainProgress
    data: SeedData
    compile_seconds: dict[str, float]  # of what led here

    def shuffle(self, first_epoch: int, epochs: int) -> Array:
        """Returns the order of the rows in these epochs, `(seeds, epochs, steps, batch)`."""
        rows, batch = self.experiment.split.train, self.experiment.config.train.batch_size
        return self.experiment.plan.shard(shuffle_epochs(rows, first_epoch, epochs, batch))


def prepare_training(job: TrainingJob, seeds: Sequence[int]) -> Training:
    """Returns the training of a job, sharded over the devices that JAX finds."""
    experiment = _prepare_experiment(job, seeds)
    method = METHODS[job.config.method](experiment.problem)
    assert method.objective is not None
    optimizer = optimizer_for(experiment, method)
    watch = Stopwatch()
    variables = init_variables(experiment, method)
    compile_seconds = {"start": watch.compile_seconds}
    watch = Stopwatch()
    progress, _ = init_or_restore(experiment, experiment.result_cache.checkpointer(""), variables, optimizer)
    compile_seconds["optimizer"] = watch.compile_seconds
    program = experiment.plan.map_seeds(
        make_train_epochs(method.objective, optimizer), replicated_argnums=(3,), donate_argnums=(0,)
    )
    no_validation = np.zeros((len(seeds), 0), np.int64)
    data = SeedData(experiment.keys("noise"), experiment.device_scaler, shard_rows(experiment, no_validation))
    return Training(experiment, program, progress, data, compile_seconds)


def make_training_runner(job: TrainingJob, seeds: Sequence[int], threads: int) -> Runner:
    """Returns a runner that trains all seeds at once."""
    training = prepare_training(job, seeds)
    plan, compile_seconds = training.experiment.plan, training.compile_seconds
    n_rows = training.experiment.split.train.size
    progress, done = training.progress, 0

    def run(epochs: int) -> dict[str, Any]:
        nonlocal progress, done
        watch = Stopwatch()
        per_call = math.gcd(epochs, epochs_per_call(job.config.train.epochs, n_rows))
        for first in range(done, done + epochs, per_call):
            order = training.shuffle(first, per_call)
            progress, metrics = training.program(progress, order, training.data, training.experiment.examples)
            history = plan.to_host(metrics)
        done += epochs
        compile_seconds["epochs"] = compile_seconds.get("epochs", 0.0) + watch.compile_seconds
        return {"loss": history["train_loss"][:, -1].tolist(), "steps": order.shape[2]}

    return Runner(run, lambda: {"compile_seconds": compile_seconds, "environment": describe_environment(plan)})


def make_encoding_runner(job: TrainingJob, seeds: Sequence[int], threads: int) -> Runner:
    """Returns a runner with untrained encoders of all seeds, that encodes all rows."""
    experiment = _prepare_experiment(job, seeds)
    method = METHODS[job.config.method](experiment.problem)
    variables = init_variables(experiment, method)
    program, rows = row_program(experiment.plan, method.encode), shard_rows(experiment, job.rows[None])
    compile_seconds = {"encode": 0.0}

    def run(rounds: int) -> dict[str, Any]:
        watch = Stopwatch()
        for _ in range(rounds):
            encoded = program(variables, experiment.device_scaler, rows, experiment.examples)
            codes = experiment.plan.to_host(encoded)
        compile_seconds["encode"] += watch.compile_seconds
        return {"codes": list(codes.shape[1:])}

    return Runner(
        run, lambda: {"compile_seconds": compile_seconds, "environment": describe_environment(experiment.plan)}
    )


def make_matmul_runner(job: TrainingJob, seeds: Sequence[int], threads: int) -> Runner:
    """Returns a runner of float32 products of square matrices, `MATMUL_FLOPS` each."""
    matrix = jax.random.normal(jax.random.key(0), (MATMUL_SIZE, MATMUL_SIZE)) / MATMUL_SIZE
    multiply = jax.jit(lambda left, right: left @ right)

    def run(epochs: int) -> dict[str, Any]:
        result = matrix
        for _ in range(epochs):
            result = multiply(result, matrix)
        jax.block_until_ready(result)
        return {}

    return Runner(run, lambda: {"dtype": str(jnp.result_type(matrix))})


RUNNERS: dict[str, MakeRunner] = {
    "training": make_training_runner,
    "encoding": make_encoding_runner,
    "path": make_path_runner,
    "matmul": make_matmul_runner,
}
