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

from aejax.benchmark.training.job import Job, Trainer
from aejax.data.order import orders, steps_per_epoch
from aejax.methods import METHODS
from aejax.run.environment import describe
from aejax.run.experiment import prepare, rows_on_device
from aejax.run.progress import Silent
from aejax.run.training import epochs_per_call, start
from aejax.train.epoch import SeedData, make_epochs
from aejax.train.optimizers import make_optimizer
from aejax.train.state import init_fit

PRODUCT_SIZE = 2048  # rows and columns of the matrices whose product gives the machine's rate
PRODUCT_FLOPS = 2 * PRODUCT_SIZE**3


def make_trainer(job: Job, seeds: Sequence[int], threads: int) -> Trainer:
    """Seeds `0..n-1` laid over the devices that JAX finds, which are all the threads there are."""
    config = dataclasses.replace(job.config, seeds=len(seeds))
    experiment = prepare(config, job.dataset, Silent())
    plan, compiler, rows = experiment.plan, experiment.compiler, experiment.split.train
    batch = config.train.batch_size
    method = METHODS[config.method](experiment.setting)
    assert method.objective is not None
    optimizer = make_optimizer(config.optimizer, steps_per_epoch(rows.shape[1], batch), config.train.epochs)
    variables = start(experiment, method)
    compile_seconds = {"start": compiler.take_seconds()}
    fit = compiler(plan.over(lambda own: init_fit(own, optimizer)), variables)
    compile_seconds["optimizer"] = compiler.take_seconds()
    program = plan.over(make_epochs(method.objective, optimizer), shared=(3,), donate=(0,))
    no_monitor = np.zeros((len(seeds), 0), np.int64)
    data = SeedData(experiment.keys("noise"), experiment.seed_scaler, rows_on_device(experiment, no_monitor))
    done = 0

    def train(epochs: int) -> dict[str, Any]:
        nonlocal fit, done
        portion = math.gcd(epochs, epochs_per_call(config.train.epochs, rows.size))
        for first in range(done, done + epochs, portion):
            order = plan.put_seeded(orders(rows, first, portion, batch))
            fit, metrics = compiler(program, fit, order, data, experiment.examples)
            history = plan.fetch(metrics)
        done += epochs
        compile_seconds["epochs"] = compile_seconds.get("epochs", 0.0) + compiler.take_seconds()
        return {"loss": history["train_loss"][:, -1].tolist(), "steps": order.shape[2]}

    def facts() -> dict[str, Any]:
        environment = describe(plan)
        del environment["command"]  # of this worker; what a person can type again is the benchmark's own
        return {"compile_seconds": compile_seconds, "environment": environment}

    return Trainer(train, facts)


def make_product(job: Job, seeds: Sequence[int], threads: int) -> Trainer:
    """The machine's rate: each "epoch" is one float32 product of square matrices, `PRODUCT_FLOPS`."""
    matrix = jax.random.normal(jax.random.key(0), (PRODUCT_SIZE, PRODUCT_SIZE)) / PRODUCT_SIZE
    multiply = jax.jit(lambda left, right: left @ right)

    def train(epochs: int) -> dict[str, Any]:
        result = matrix
        for _ in range(epochs):
            result = multiply(result, matrix)
        jax.block_until_ready(result)
        return {"loss": [], "steps": 1}

    return Trainer(train, lambda: {"dtype": str(jnp.result_type(matrix))})
