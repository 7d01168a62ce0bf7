"""Measure what an accelerator makes of this project, in one command of at most eight minutes.

    python scripts/benchmark/accelerator.py --data-dir DIR [--minutes 8] [--out DIR]
    python scripts/benchmark/accelerator.py --rehearse [--out DIR]

Needs jax, flax, optax, orbax, scikit-learn and what the package imports with them, but no TFDS, grain or tyro. DIR
holds MNIST's four IDX files. Writes `accelerator.json`, `table.md` and `seeds.png`, again after each measurement, so
that a run that is cut off still counts. `--rehearse` does everything at a tiny size on CPU, on images that it draws,
with the imports of what the machine may lack blocked; it tells whether the command works, and nothing about speed.
"""

import argparse
import dataclasses
import importlib.util
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

if not __package__:  # run as a script: `benchmark` is imported from the folder above, `aejax` from that of `scripts`
    sys.path[:1] = [str(Path(__file__).resolve().parents[depth]) for depth in (1, 2)]

import jax
import numpy as np

from aejax.cli import configure_cpu_devices, run_main
from aejax.config import CompareConfig, DataConfig, ProbeConfig
from aejax.config.model import ComputeDtype
from aejax.errors import require
from aejax.experiments.environment import command_line, usable_cores
from aejax.recipes import compare_defaults
from aejax.storage.atomic_io import write_atomically, write_json
from benchmark.accelerator_report import render_markdown, save_seeds_figure
from benchmark.device_measures import describe_device, measure_agreement, measure_comparison, measure_task
from benchmark.measure import SUBSAMPLED
from benchmark.timing import Contender, TimedTask
from benchmark.training_job import TrainingJob
from benchmark.workloads import WORKLOADS, PathWorkload, TrainingWorkload

MISSING_PACKAGES = ("tensorflow_datasets", "grain", "tyro", "array_record")  # that a rehearsal blocks
TRAININGS = ("deep", "conv", "vae", "k-sparse-1000")
PRECISIONS: dict[str, tuple[str | None, ComputeDtype]] = {  # of products of float32, and of layers
    "float32": ("float32", "float32"),
    "tf32": ("tensorfloat32", "float32"),
    "bf16": (None, "bfloat16"),
}


class Sizes(NamedTuple):
    """How much is measured."""

    seeds: tuple[int, ...] = (1, 4, 16, 64, 256, 1024)  # of trainings
    path_seeds: tuple[int, ...] = (1, 10, 100)
    encoded_seeds: int = 64  # of encodings, and of trainings in each precision
    epochs: int = 5  # until the losses of the precisions are compared, and of the comparison on MNIST
    compared_seeds: int = 10
    methods: tuple[str, ...] = ()  # of comparisons; empty: the defaults
    agreement: tuple[str, ...] = ("deep", "conv")  # trainings whose plans must agree
    is_rehearsal: bool = False  # no compiled PyTorch, and one process for all measurements but comparisons


REHEARSAL = Sizes((2,), (1, 2), 2, 1, 2, ("raw", "pca"), ("deep",), is_rehearsal=True)


class Measurement(NamedTuple):
    """One record of the results."""

    part: str
    name: str
    process: str  # measurements that follow each other with equal names share a process
    seeds: int  # at most, in that process
    measure: Callable[..., Mapping[str, Any]]
    arguments: tuple[Any, ...] = ()


def list_measurements(data: Path, sizes: Sizes) -> Iterator[Measurement]:
    """Yields what is measured, the most important first; jobs are prepared one at a time."""
    yield Measurement("device", "device", "device", max(sizes.seeds), describe_device)
    for name in TRAININGS:
        job, few = (_prepare(name, data, examples) for examples in (None, 512))
        if name in sizes.agreement:
            yield Measurement("agreement", name, name, max(sizes.seeds), measure_agreement, (few,))
        for seeds in sizes.seeds:
            yield Measurement(
                "training", name, name, max(sizes.seeds), measure_task, (aejax_task("training", job, seeds),)
            )
    path = PathWorkload(DataConfig(dataset=str(data)), n_components=64).prepare(None)
    for seeds in sizes.path_seeds:
        task = aejax_task("path", path, seeds, options=SUBSAMPLED if seeds > 1 else ())
        yield Measurement("path", "probe-path-64", "path", max(sizes.path_seeds), measure_task, (task, 1))
    deep, few_seeds = _prepare("deep", data), sizes.encoded_seeds
    yield Measurement("encoding", "encode", "deep", few_seeds, measure_task, (aejax_task("encoding", deep, few_seeds),))
    for name, (precision, dtype) in PRECISIONS.items():
        model = dataclasses.replace(deep.config.model, compute_dtype=dtype)
        job = dataclasses.replace(deep, config=dataclasses.replace(deep.config, model=model))
        task = aejax_task("training", job, few_seeds, sizes.epochs)
        yield Measurement("precision", name, "precision", few_seeds, measure_task, (task, 2, precision))
    yield from _list_torch(deep, sizes)
    for name, config in _list_comparisons(data, sizes).items():
        yield Measurement("comparison", name, name, config.seeds, measure_comparison, (config,))


def _prepare(name: str, data: Path, examples: int | None = None) -> TrainingJob:
    """Returns the job of a workload on MNIST in a folder."""
    workload = WORKLOADS[name]
    assert isinstance(workload, TrainingWorkload)
    source = dataclasses.replace(workload.config.data, dataset=str(data))
    config = dataclasses.replace(workload.config, data=source)
    return workload._replace(config=config, examples=examples or workload.examples).prepare(None)


def _list_comparisons(data: Path, sizes: Sizes) -> dict[str, CompareConfig]:
    """Returns the default comparison on digits and, with fewer epochs, on MNIST."""
    digits, mnist = compare_defaults("digits"), compare_defaults("mnist")
    mnist = dataclasses.replace(
        mnist,
        data=dataclasses.replace(mnist.data, dataset=str(data)),
        train=dataclasses.replace(mnist.train, epochs=sizes.epochs),
    )
    configs = {"digits, cold start": digits, f"MNIST, {sizes.epochs} epochs": mnist}
    if sizes.is_rehearsal:  # on images of noise the logistic probe needs minutes, and the path is measured above
        ridge = ProbeConfig(probe="ridge")
        configs = {name: dataclasses.replace(config, probe=ridge) for name, config in configs.items()}
    return {
        name: dataclasses.replace(config, seeds=sizes.compared_seeds, methods=sizes.methods or config.methods)
        for name, config in configs.items()
    }


def _list_torch(job: TrainingJob, sizes: Sizes) -> Iterator[Measurement]:
    """Yields eager and compiled PyTorch, one seed each; nothing if it is not installed."""
    if importlib.util.find_spec("torch") is not None:
        for compiled in (False,) if sizes.is_rehearsal else (False, True):
            contender = Contender("torch", "torch", ((0,),), usable_cores(), options=(("compiled", compiled),))
            task = TimedTask(contender, "training", job)
            yield Measurement(
                "torch", f"deep, {'compiled' if compiled else 'eager'}", "torch", 1, measure_task, (task,)
            )


def aejax_task(kind: str, job: Any, seeds: int, units: int = 1, options: tuple[tuple[str, Any], ...] = ()) -> TimedTask:
    """Returns the task of this project for all seeds at once."""
    contender = Contender("aejax", "aejax", (tuple(range(seeds)),), usable_cores(), options=options)
    return TimedTask(contender, kind, job, units)


def run_measurements(measurements: Iterator[Measurement], minutes: float, write: Callable[[list[Any]], None]) -> None:
    """Makes one measurement after the other, and writes after each; those that no time is left for are skipped.

    The seconds of a measurement include the start of its process if it is the first there.
    """
    deadline, records, pool, process = time.monotonic() + 60 * minutes, list[Any](), None, ""
    for one in measurements:
        record: dict[str, Any] = {"part": one.part, "name": one.name}
        began = time.monotonic()
        if began > deadline:
            record["skipped"] = "no time was left"
        else:
            if pool is None or process != one.process:
                if pool is not None:
                    pool.shutdown()
                pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), configure_cpu_devices, (one.seeds,))
                process = one.process
            try:
                record |= pool.submit(one.measure, *one.arguments).result()
            except Exception as error:  # such as one seed too many for the memory: the others go on
                record["failed"] = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
                pool.shutdown()
                pool = None
        record["total_seconds"] = time.monotonic() - began
        records.append(record)
        write(records)
        print(f"{one.part}: {one.name}: {record.get('failed', record.get('skipped', 'done'))}, ", end="")
        print(f"{record['total_seconds']:.1f} s", flush=True)
    if pool is not None:
        pool.shutdown()


def block_imports(folder: Path) -> None:
    """Makes the packages that an accelerator's machine may lack fail to import here and in processes started from here.

    Raises:
        InputError: one has been imported already.
    """
    for name in MISSING_PACKAGES:
        require(name not in sys.modules, f"{name}: is imported by this command, and may be missing on that machine")
        source = f'raise ModuleNotFoundError("{name} is blocked in a rehearsal")\n'
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    sys.path.insert(0, str(folder))


def write_rehearsal_images(folder: Path) -> None:
    """Writes random images with MNIST's names and shapes: 640 for training, 160 for the test."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 640), ("t10k", 160)):
        arrays = {"images-idx3": rng.integers(0, 256, (count, 28, 28)), "labels-idx1": np.arange(count) % 10}
        for name, array in arrays.items():
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
            (folder / f"{split}-{name}-ubyte").write_bytes(header + array.astype(np.uint8).tobytes())


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="folder of MNIST's four IDX files")
    parser.add_argument("--minutes", type=float, default=8, help="after which no further measurement is begun")
    parser.add_argument("--out", type=Path, default=Path("runs/accelerator"), help="results folder")
    parser.add_argument("--rehearse", action="store_true", help="at a tiny size, on CPU, without the data")
    args = parser.parse_args(argv)
    require(args.rehearse or args.data_dir, "--data-dir: give the folder of MNIST's four IDX files, or --rehearse")
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # each process frees the device for the next
    jax.config.update("jax_platforms", "cpu")  # of this process, which only prepares data
    args.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()

    def write(records: list[Any]) -> None:
        environment = {"command": command_line(), "seconds": time.monotonic() - began}
        results = {"schema": 1, "kind": "accelerator", "environment": environment, "measurements": records}
        write_json(args.out / "accelerator.json", results)
        write_atomically(args.out / "table.md", render_markdown(results).encode())
        save_seeds_figure(results, args.out / "seeds.png")

    with tempfile.TemporaryDirectory(prefix="aejax-accelerator-") as name:
        scratch = Path(name)
        if args.rehearse:
            os.environ["JAX_PLATFORMS"] = "cpu"
            block_imports(scratch)
            args.data_dir = scratch / "images"
            args.data_dir.mkdir()
            write_rehearsal_images(args.data_dir)
        sizes = REHEARSAL if args.rehearse else Sizes()
        measurements = list_measurements(args.data_dir, sizes)
        if args.rehearse:
            measurements = (one if one.part == "comparison" else one._replace(process="all") for one in measurements)
        run_measurements(measurements, args.minutes, write)
    print(f"{args.out}: table.md, accelerator.json, seeds.png")


if __name__ == "__main__":
    run_main(main)
