"""What streaming costs: a large dataset in bounded memory, and MNIST streamed compared with MNIST in memory."""

import dataclasses
import io
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from aejax.cli import configure_cpu_devices
from aejax.config import DataConfig
from aejax.data.dataset import Dataset
from aejax.data.mnist import download_mnist, load_mnist
from aejax.data.registry import load_dataset, resolve_data_dir
from aejax.data.stream.open import INPUTS_FILE, LABELS_FILE
from aejax.errors import InputError
from aejax.experiments.environment import describe_environment
from aejax.experiments.experiment import prepare_experiment
from aejax.experiments.pretrain import pretrain
from aejax.experiments.progress import SilentReporter
from aejax.experiments.resolve import resolve_config
from aejax.experiments.schedule import optimizer_for
from aejax.experiments.streaming import stream_optimizer, train_stream
from aejax.experiments.training import init_variables, train_method
from aejax.methods.registry import METHODS
from aejax.recipes import get_recipe
from aejax.storage.atomic_io import to_jsonable
from aejax.train.plan import make_plan
from benchmark.memory import track_memory
from benchmark.prepared_mnist import prepare_mnist

RECIPE = "tutorial-deep"
IMAGE_SHAPE, N_PROTOTYPES, N_CLASSES, BLOCK_SIZE = (28, 28), 300, 10, 16_384
HOLDOUT_SIZE, SHUFFLE_WINDOW = 1_000, 16_384  # of MNIST's 60,000 training digits
N_PASSES, N_REPEATS = 3, 3


def write_synthetic_dataset(folder: Path, size: int, seed: int) -> dict[str, Any]:
    """Writes `inputs.npy` and `labels.npy` of about `size` bytes, block by block; returns `n` and `bytes`.

    An example is the sum of three quarters of one smooth image of `N_PROTOTYPES`, a fifth of another, and noise; its
    class is that of the first.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    n = max(BLOCK_SIZE, size // int(np.prod(IMAGE_SHAPE)))
    coarse = rng.uniform(-1, 1, (N_PROTOTYPES, 7, 7)).repeat(4, axis=1).repeat(4, axis=2)
    smooth = np.sum([np.roll(coarse, shift, axis) for shift in range(4) for axis in (1, 2)], axis=0)
    prototypes = np.clip(smooth / smooth.max() * 2, 0, 1)
    strong, weak = (prototypes * 180).astype(np.uint8), (prototypes * 50).astype(np.uint8)
    labels = np.empty(n, np.uint8)
    with (folder / INPUTS_FILE).open("wb") as file:  # pages of a memory map would count as this process's memory
        header = {"descr": "|u1", "fortran_order": False, "shape": (n, *IMAGE_SHAPE)}
        np.lib.format.write_array_header_1_0(file, header)
        for begin in range(0, n, BLOCK_SIZE):
            count = min(BLOCK_SIZE, n - begin)
            first, second = rng.integers(0, N_PROTOTYPES, (2, count))
            block = strong[first]
            block += weak[second]
            block += rng.integers(0, 25, block.shape, np.uint8)
            file.write(block.data)
            labels[begin : begin + count] = first % N_CLASSES
    np.save(folder / LABELS_FILE, labels)
    return {"n": n, "bytes": sum(path.stat().st_size for path in folder.iterdir())}


def _train_one_pass(folder: Path, limit: int | None, seeds: int) -> dict[str, Any]:
    """Trains one pass in this process, which may allocate `limit` bytes."""
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    configure_cpu_devices(seeds)
    recipe = get_recipe(RECIPE)
    config = dataclasses.replace(
        recipe,
        data=DataConfig(dataset=str(folder), stream=True),
        train=dataclasses.replace(recipe.train, epochs=1),
        monitor="valid",
        split=dataclasses.replace(recipe.split, split="stratified"),
        seeds=seeds,
    )
    with tempfile.TemporaryDirectory(prefix="aejax-stream-") as name:
        console = Console(file=io.StringIO())
        results, memory = track_memory(lambda: pretrain(config, Path(name) / "run", console))
    return {
        "stream": results["dataset"]["stream"],
        "sample": {key: results["dataset"][key] for key in ("n_train", "n_valid", "n_test")},
        "environment": results["environment"],
        "seconds": results["seconds"],
        "losses": results["history"],
        "test_mse": results["reconstruction_mse"]["mean"],
        "memory": {**memory, "limit": limit},
    }


def train_on_large_dataset(folder: Path, limit: int | None, seeds: int) -> dict[str, Any]:
    """Trains one pass of the deep tutorial over a large dataset, in a separate process.

    Args:
        folder: of `write_synthetic_dataset`.
        limit: bytes that the process may allocate (RLIMIT_DATA, which includes reserved memory that is never used).
        seeds: trained at once.

    Raises:
        InputError: it failed, for example because the limit was too low.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        try:
            return to_jsonable(process.submit(_train_one_pass, folder, limit, seeds).result())
        except (MemoryError, RuntimeError) as error:  # of NumPy, JAX, or a process that was killed
            raise InputError(f"{folder}: training on it failed: {str(error).partition(chr(10))[0]}") from None


class EpochTimer(SilentReporter):
    """Records when each pass ended: a pass over MNIST is one round."""

    def __init__(self) -> None:
        self.end_times = [time.perf_counter()]

    def advance(self, done: float, loss: float) -> None:
        """Records the time."""
        self.end_times.append(time.perf_counter())


def _make_train_functions(seeds: int, data_dir: Path | None, scratch: Path) -> dict[str, Callable[[int], Any]]:
    """Returns functions that train on MNIST from memory, from .npy files and from TFDS's array_record set."""
    root = resolve_data_dir(DataConfig(data_dir=data_dir))
    digits = load_mnist(root)
    assert digits.test_rows is not None
    train = np.setdiff1d(np.arange(digits.n_examples), digits.test_rows)
    (scratch / "mnist-npy").mkdir(parents=True)
    np.save(scratch / "mnist-npy" / INPUTS_FILE, digits.inputs[train])
    np.save(scratch / "mnist-npy" / LABELS_FILE, digits.labels[train])
    folders = [] if root is None else [root, root / "mnist"]
    files_dir = next((folder for folder in folders if list(folder.glob("*ubyte.gz"))), None)
    prepare_mnist(scratch, files_dir or download_mnist(scratch / "files"))
    functions = {"memory": _make_train_function(DataConfig(dataset="mnist", data_dir=data_dir), seeds, digits)}
    for name, dataset in (("npy", str(scratch / "mnist-npy")), ("array_record", "tfds:mnist")):
        for window, label in ((SHUFFLE_WINDOW, f"windows of {SHUFFLE_WINDOW}"), (len(train), "one window")):
            data = DataConfig(
                dataset=dataset, data_dir=scratch, stream=True, stream_sample=HOLDOUT_SIZE, shuffle_window=window
            )
            functions[f"{name}, {label}"] = _make_train_function(data, seeds, None)
    return functions


def measure_streaming(seeds: int, data_dir: Path | None, scratch: Path) -> dict[str, Any]:
    """Trains the deep tutorial on MNIST from memory and streamed, interleaved, in one process.

    Each stream is read in windows of `SHUFFLE_WINDOW` examples, and in one window of all examples that is read once. A
    rate counts training examples of each seed: a stream holds `HOLDOUT_SIZE` of the 60,000 out. Validation is
    not timed.

    Raises:
        InputError: MNIST is missing.
    """
    functions = _make_train_functions(seeds, data_dir, scratch)
    for train in functions.values():
        train(1)  # compiles
    turns = [
        {name: track_memory(partial(train, N_PASSES)) for name, train in functions.items()} for _ in range(N_REPEATS)
    ]
    later = {name: np.median([turn[name][0]["rates"][1:] for turn in turns], axis=1) for name in functions}
    return to_jsonable(
        {
            "recipe": RECIPE,
            "seeds": seeds,
            "passes": N_PASSES,
            "environment": describe_environment(make_plan(get_recipe(RECIPE).plan, seeds)),
            "entries": {
                name: {
                    "seconds": [turn[name][0]["seconds"] for turn in turns],  # [turn][pass]
                    "first_pass_rate": statistics.median(turn[name][0]["rates"][0] for turn in turns),
                    "rate": statistics.median(later[name]),  # of the later passes, training examples per second
                    "ratio": statistics.median(later[name] / later["memory"]),
                    "train_loss": turns[-1][name][0]["loss"],
                    "memory": turns[-1][name][1],
                }
                for name in functions
            },
        }
    )


def _make_train_function(data: DataConfig, seeds: int, dataset: Dataset | None) -> Callable[[int], dict[str, Any]]:
    """Returns a function that trains from the start for a number of passes; it compiles on the first call only."""
    config = dataclasses.replace(get_recipe(RECIPE), data=data, monitor="valid", seeds=seeds)
    dataset = dataset or load_dataset(data)
    config = resolve_config(config, dataset)
    experiment = prepare_experiment(config, dataset, SilentReporter())
    method = METHODS[config.method](experiment.problem)
    streamed = dataset.stream is not None
    optimizer = (stream_optimizer if streamed else optimizer_for)(experiment, method)
    variables = init_variables(experiment, method)
    n = experiment.split.train.shape[1] if dataset.stream is None else dataset.stream.n_train

    def train(passes: int) -> dict[str, Any]:
        timer = EpochTimer()
        shorter = dataclasses.replace(config, train=dataclasses.replace(config.train, epochs=passes))
        timed = dataclasses.replace(experiment, config=shorter, reporter=timer)
        trained = (train_stream if streamed else train_method)(timed, config.method, method, optimizer, variables)
        seconds = np.diff(timer.end_times)
        loss = trained.history.metrics["train_loss"][:, -1].mean()
        return {"seconds": seconds, "rates": n * seeds / seconds, "loss": loss}

    return train
