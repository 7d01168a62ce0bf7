"""What `accelerator.py` measures, each in a fresh process: trainings, paths, encodings, comparisons.

Every function returns a record of JSON values. Peak memory on the device grows over a process's life, so a process
measures one thing, or the same thing with more and more seeds.
"""

import contextlib
import dataclasses
import io
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped
from rich.console import Console

from aejax.config import CompareConfig, PlanConfig
from aejax.data.shuffling import shuffle_epochs
from aejax.experiments.compare import compare
from aejax.experiments.environment import describe_machine, usable_cores
from aejax.storage.atomic_io import to_jsonable
from benchmark.architecture import flops_per_example
from benchmark.memory import peak_memory_bytes
from benchmark.timing import TimedTask, summarize
from benchmark.training_job import TrainingJob
from benchmark.worker import runners_of

PRODUCT_SIZES = {"cpu": 1024}  # rows of the matrices whose product gives the rate of a device; others: 8192
AGREEMENT_TOLERANCE = 1e-3  # of losses that only the order of sums and the precision of products tell apart
Record = dict[str, Any]


def describe_device() -> Record:
    """Returns the device's name and its rate of matrix products in GFLOP/s, by precision; `default` is JAX's own."""
    device = jax.devices()[0]
    size = PRODUCT_SIZES.get(device.platform, 8192)
    matrix = jax.random.normal(jax.random.key(0), (size, size), jnp.float32) / size**0.5
    rates = {"bfloat16": _product_rate(matrix.astype(jnp.bfloat16), None), "default": _product_rate(matrix, None)}
    rates |= {precision: _product_rate(matrix, precision) for precision in ("float32", "tensorfloat32")}
    versions = {"jax": jax.__version__, "python": sys.version.split()[0]}
    return {
        "machine": describe_machine(),
        "platform": device.platform,
        "product_gflop_per_second": rates,
        "versions": versions,
    }


def _product_rate(matrix: Shaped[Array, "n n"], precision: str | None) -> float:
    """Returns the rate of five products of a matrix with itself, GFLOP/s."""
    with jax.default_matmul_precision(precision) if precision else contextlib.nullcontext():
        multiply = jax.jit(lambda left, right: left @ right).lower(matrix, matrix).compile()
    product = jax.block_until_ready(multiply(matrix, matrix))
    began = time.perf_counter()
    for _ in range(5):
        product = multiply(product, matrix)
    jax.block_until_ready(product)
    return 5 * 2 * len(matrix) ** 3 / (time.perf_counter() - began) / 1e9


def measure_agreement(job: TrainingJob) -> Record:
    """Trains three seeds together, by every way to place them, and each seed alone; returns the largest difference.

    The difference is relative, of the mean loss of the last epoch. A repeated training must have equal losses.
    """

    def losses(plan: PlanConfig) -> np.ndarray:
        placed = dataclasses.replace(job, config=dataclasses.replace(job.config, plan=plan))
        return np.array(runners_of("aejax")["training"](placed, range(3), usable_cores()).run(1)["loss"])

    alone = losses(PlanConfig(devices=1, within_device="serial"))
    plans = {"vmapped": PlanConfig(devices=1, within_device="vmap")}
    if jax.device_count() > 1:
        plans["sharded"] = PlanConfig(devices=2)
    found = {name: losses(plan) for name, plan in plans.items()}
    differences = {name: float(np.max(np.abs(other / alone - 1))) for name, other in found.items()}
    repeated = bool(np.array_equal(losses(plans["vmapped"]), found["vmapped"]))
    agree = repeated and max(differences.values()) <= AGREEMENT_TOLERANCE
    return {"differences": differences, "repeats_bit_equal": repeated, "agree": agree}


def measure_task(task: TimedTask, repeats: int = 2, precision: str | None = None) -> Record:
    """Times a task of the benchmark in this process, after one repetition that compiles.

    Args:
        task: its contender has one process, this one.
        repeats: timed repetitions.
        precision: of float32 matrix products; None: the backend's own.
    """
    one, kind, job, units, _ = task
    (seeds,), began = one.seeds_per_process, time.perf_counter()
    with jax.default_matmul_precision(precision) if precision else contextlib.nullcontext():
        runner = runners_of(one.library)[kind](job, seeds, one.threads, **dict(one.options))
        answer = runner.run(units)
        first = time.perf_counter() - began
        seconds = [_seconds_of(runner, units) for _ in range(repeats)]
        facts = runner.facts() if kind != "path" or one.seeds == 1 else {}  # certificates of many seeds take long
    record = {
        "library": one.library,
        "seeds": one.seeds,
        "seconds": summarize([repetition / units for repetition in seconds]),
        "seconds_until_first_result": first,
        "compile_seconds": facts.get("compile_seconds"),
        "peak_memory_bytes": _device_memory() if one.library == "aejax" else None,
        "peak_host_bytes": peak_memory_bytes(),
    }
    if kind == "training":
        record |= _describe_training(job, one.seeds, answer, statistics.median(seconds) / units)
    if "points" in facts:
        record["worst_gap"] = max(point["gap"] for points in facts["points"] for point in points)
    return to_jsonable(record)


def _seconds_of(runner: Any, units: int) -> float:
    began = time.perf_counter()
    runner.run(units)
    return time.perf_counter() - began


def _describe_training(job: TrainingJob, seeds: int, answer: Record, seconds: float) -> Record:
    """Returns losses, the rate of arithmetic, and the share of an epoch that shuffling on the host takes."""
    batch = min(job.config.train.batch_size, len(job.rows))
    operations = flops_per_example(job.config, job.dataset.example_shape)
    began = time.perf_counter()
    shuffle_epochs(np.tile(job.rows, (seeds, 1)), 0, 1, batch)
    shuffling = time.perf_counter() - began
    return {
        "train_loss": float(np.mean(answer["loss"])),
        "seconds_per_step": seconds / answer["steps"],
        "gflop_per_second": operations * answer["steps"] * batch * seeds / seconds / 1e9,
        "shuffling_share": shuffling / seconds,
    }


def _device_memory() -> int | None:
    """Returns the peak memory on the first device in bytes; None where the backend does not count it."""
    statistics_of_device = jax.devices()[0].memory_stats() or {}
    return statistics_of_device.get("peak_bytes_in_use")


def measure_comparison(config: CompareConfig) -> Record:
    """Runs a comparison into a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="aejax-accelerator-") as folder:
        began = time.perf_counter()
        results = compare(config, Path(folder) / "run", Console(file=io.StringIO()))
        seconds = time.perf_counter() - began
    methods = [method["name"] for method in results["methods"]]
    return {"seconds": seconds, "methods": methods, "seeds": config.seeds, "peak_memory_bytes": _device_memory()}
