"""This project as a contender: the programs that `run.training` lays over the devices, and a matrix product.

Not timed: the validation loss of each epoch, which peers do not take either. Timed, as in any training: making the
epoch's order on the host, sending it to the devices, fetching the losses.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aejax.data.shuffling import shuffle_epochs, steps_per_epoch
from aejax.experiments.environment import describe_environment
from aejax.experiments.experiment import prepare_experiment, shard_rows
from aejax.experiments.progress import SilentReporter
from aejax.experiments.training import epochs_per_call, init_variables
from aejax.methods import METHODS
from aejax.train.epoch import SeedData, make_train_epochs
from aejax.train.optimizers import make_optimizer
from aejax.train.state import init_progress
from benchmark.training.job import Runner, TrainingJob

MATMUL_SIZE = 2048  # rows and columns of the matrices whose product gives the machine's rate
MATMUL_FLOPS = 2 * MATMUL_SIZE**3


def make_runner(job: TrainingJob, seeds: Sequence[int], threads: int) -> Runner:
    """Seeds `0..n-1` laid over the devices that JAX finds, which are all the threads there are."""
    config = dataclasses.replace(job.config, seeds=len(seeds))
    experiment = prepare_experiment(config, job.dataset, SilentReporter())
    plan, compiler, rows = experiment.plan, experiment.compiler, experiment.split.train
    batch = config.train.batch_size
    method = METHODS[config.method](experiment.problem)
    assert method.objective is not None
    optimizer = make_optimizer(config.optimizer, steps_per_epoch(rows.shape[1], batch), config.train.epochs)
    variables = init_variables(experiment, method)
    compile_seconds = {"start": compiler.pop_seconds()}
    fit = compiler(plan.map_seeds(lambda own: init_progress(own, optimizer)), variables)
    compile_seconds["optimizer"] = compiler.pop_seconds()
    program = plan.map_seeds(
        make_train_epochs(method.objective, optimizer), replicated_argnums=(3,), donate_argnums=(0,)
    )
    no_monitor = np.zeros((len(seeds), 0), np.int64)
    data = SeedData(experiment.keys("noise"), experiment.device_scaler, shard_rows(experiment, no_monitor))
    done = 0

    def train(epochs: int) -> dict[str, Any]:
        nonlocal fit, done
        portion = math.gcd(epochs, epochs_per_call(config.train.epochs, rows.size))
        for first in range(done, done + epochs, portion):
            order = plan.shard(shuffle_epochs(rows, first, portion, batch))
            fit, metrics = compiler(program, fit, order, data, experiment.examples)
            history = plan.to_host(metrics)
        done += epochs
        compile_seconds["epochs"] = compile_seconds.get("epochs", 0.0) + compiler.pop_seconds()
        return {"loss": history["train_loss"][:, -1].tolist(), "steps": order.shape[2]}

    def facts() -> dict[str, Any]:
        environment = describe_environment(plan)
        del environment["command"]  # of this worker; what a person can type again is the benchmark's own
        return {"compile_seconds": compile_seconds, "environment": environment}

    return Runner(train, facts)


def make_matmul_runner(job: TrainingJob, seeds: Sequence[int], threads: int) -> Runner:
    """The machine's rate: each "epoch" is one float32 product of square matrices, `PRODUCT_FLOPS`."""
    matrix = jax.random.normal(jax.random.key(0), (MATMUL_SIZE, MATMUL_SIZE)) / MATMUL_SIZE
    multiply = jax.jit(lambda left, right: left @ right)

    def train(epochs: int) -> dict[str, Any]:
        result = matrix
        for _ in range(epochs):
            result = multiply(result, matrix)
        jax.block_until_ready(result)
        return {"loss": [], "steps": 1}

    return Runner(train, lambda: {"dtype": str(jnp.result_type(matrix))})
