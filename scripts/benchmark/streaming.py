"""What streaming costs: a large set at bounded memory, and MNIST beside the same training from memory."""

import dataclasses
import io
import multiprocessing
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console

from aejax.config import DataConfig
from aejax.data.dataset import Dataset
from aejax.data.mnist import load_mnist, prepare_mnist
from aejax.data.registry import load_dataset
from aejax.data.registry import resolve_data_dir as data_dir_of
from aejax.data.stream.npy import INPUTS_FILE, LABELS_FILE
from aejax.errors import require
from aejax.experiments.environment import describe_environment, usable_cores
from aejax.experiments.experiment import prepare_experiment
from aejax.experiments.pretrain import pretrain
from aejax.experiments.progress import SilentReporter
from aejax.experiments.resolve import resolve_config
from aejax.experiments.streaming import stream_optimizer, train_stream
from aejax.experiments.training import init_variables, optimizer_for, train_method
from aejax.methods import METHODS
from aejax.recipes import get_recipe
from aejax.storage.atomic_io import to_jsonable
from aejax.train.plan import make_plan

RECIPE = "tutorial-deep"
IMAGE_SHAPE, N_PROTOTYPES, N_CLASSES, BLOCK_SIZE = (28, 28), 300, 10, 16_384
HOLDOUT_SIZE, SHUFFLE_WINDOW = 1_000, 16_384  # of MNIST's 60,000 training digits: held in memory; shuffled together
N_PASSES, N_REPEATS = 3, 3
MEMORY_SAMPLING_INTERVAL = 0.05


def write_synthetic_dataset(folder: Path, size: int, seed: int) -> dict[str, Any]:
    """Write `inputs.npy` and `labels.npy` of about `size` bytes, block by block, and say how many rows they have.

    An example is three quarters of one smooth image of `PROTOTYPES`, a fifth of another, and noise; its class is that
    of the first.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    n = max(BLOCK_SIZE, size // int(np.prod(IMAGE_SHAPE)))
    coarse = rng.uniform(-1, 1, (N_PROTOTYPES, 7, 7)).repeat(4, axis=1).repeat(4, axis=2)
    smooth = np.sum([np.roll(coarse, shift, axis) for shift in range(4) for axis in (1, 2)], axis=0)
    prototypes = np.clip(smooth / smooth.max() * 2, 0, 1)
    most, little = (prototypes * 180).astype(np.uint8), (prototypes * 50).astype(np.uint8)
    inputs = np.lib.format.open_memmap(folder / INPUTS_FILE, "w+", np.uint8, (n, *IMAGE_SHAPE))
    offset = inputs.offset
    del inputs  # only its header was wanted: pages of a map would count as this process's memory
    labels = np.empty(n, np.uint8)
    with (folder / INPUTS_FILE).open("r+b") as file:
        file.seek(offset)
        for begin in range(0, n, BLOCK_SIZE):
            count = min(BLOCK_SIZE, n - begin)
            one, other = rng.integers(0, N_PROTOTYPES, (2, count))
            block = most[one]
            block += little[other]
            block += rng.integers(0, 25, block.shape, np.uint8)
            file.write(block.data)
            labels[begin : begin + count] = one % N_CLASSES
    np.save(folder / LABELS_FILE, labels)
    return {"n": n, "bytes": sum(path.stat().st_size for path in folder.iterdir())}


def read_proc_status(field: str) -> int:
    """Bytes that `/proc/self/status` says of this process: VmHWM, VmRSS, RssAnon, ..."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise KeyError(field)


def track_memory(function: Callable[[], Any]) -> tuple[Any, dict[str, int]]:
    """What `job` returns, and this process's resident memory before it and at its highest, file pages apart."""
    before, highest, done = read_proc_status("RssAnon"), 0, threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(MEMORY_SAMPLING_INTERVAL):
            highest = max(highest, read_proc_status("RssAnon"))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        result = function()
    finally:
        done.set()
        watcher.join()
    peak = max(highest, read_proc_status("RssAnon"))
    return result, {"resident_before": before, "resident_peak": peak, "high_water": read_proc_status("VmHWM")}


def _train_one_pass_in_child(folder: Path, seeds: int, limit: int | None, connection: Any) -> None:
    """In a process of its own."""
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    jax.config.update("jax_num_cpu_devices", max(1, min(usable_cores(), seeds)))
    config = dataclasses.replace(
        get_recipe(RECIPE),
        data=DataConfig(dataset=str(folder), stream=True),
        train=dataclasses.replace(get_recipe(RECIPE).train, epochs=1),
        monitor="valid",
        split=dataclasses.replace(get_recipe(RECIPE).split, split="stratified"),
        seeds=seeds,
    )
    with tempfile.TemporaryDirectory(prefix="aejax-stream-") as name:
        console = Console(file=io.StringIO())
        found, memory = track_memory(lambda: pretrain(config, Path(name) / "run", console))
    connection.send(
        {
            "stream": found["dataset"]["stream"],
            "sample": {key: found["dataset"][key] for key in ("n_train", "n_valid", "n_test")},
            "environment": found["environment"],
            "seconds": found["seconds"],
            "losses": found["history"],
            "test_mse": found["reconstruction_mse"]["mean"],
            "memory": {**memory, "limit": limit},
        }
    )


def train_on_large_dataset(folder: Path, limit: int | None = None, seeds: int = 4) -> dict[str, Any]:
    """One pass of the deep tutorial over a large set, in a process of its own.

    Args:
        folder: what `write_large` made.
        limit: bytes that the process may allocate (RLIMIT_DATA, which counts what it has reserved and never touched,
            too); None: only what it takes is told.
        seeds: trained at once.

    Raises:
        InputError: it did not end well, as when the limit was too low.
    """
    context = multiprocessing.get_context("spawn")
    heard, answer = context.Pipe(duplex=False)
    process = context.Process(target=_train_one_pass_in_child, args=(folder, seeds, limit, answer))
    process.start()
    answer.close()
    try:
        found = heard.recv()
    except EOFError:
        found = None
    process.join()
    require(found is not None, f"{folder}: training on it ended with status {process.exitcode}; see above")
    return to_jsonable(found)


class EpochTimer(SilentReporter):
    """When each pass ended: a pass over MNIST is one round."""

    def __init__(self) -> None:
        self.end_times = [time.perf_counter()]

    def advance(self, done: float, loss: float) -> None:
        """Note the time."""
        self.end_times.append(time.perf_counter())


def measure_streaming(
    seeds: int, data_dir: Path | None, scratch: Path, passes: int = N_PASSES, repeats: int = N_REPEATS
) -> dict[str, Any]:
    """The deep tutorial on MNIST from memory and streamed, by turns, in one process.

    The streams are .npy files and the array_record set that TFDS prepares, each by windows of `WINDOW` examples and by
    one window that holds them all and so is read once, in the first pass. A rate counts training examples of each
    seed: a stream holds `SAMPLE` of the 60,000 out. No validation is timed, which all would have in common.

    Raises:
        InputError: MNIST cannot be had.
    """
    root = data_dir_of(DataConfig(data_dir=data_dir))
    digits = load_mnist(root)
    assert digits.test_rows is not None
    train = np.setdiff1d(np.arange(digits.n_examples), digits.test_rows)
    (scratch / "mnist-npy").mkdir(parents=True)
    np.save(scratch / "mnist-npy" / INPUTS_FILE, digits.inputs[train])
    np.save(scratch / "mnist-npy" / LABELS_FILE, digits.labels[train])
    places = [] if root is None else [root, root / "mnist"]
    prepare_mnist(scratch, next((place for place in places if list(place.glob("*ubyte.gz"))), None))
    made = {"memory": _make_train_fn(DataConfig(dataset="mnist", data_dir=data_dir), seeds, digits)}
    for name, dataset in (("npy", str(scratch / "mnist-npy")), ("array_record", "tfds:mnist")):
        for window, said in ((SHUFFLE_WINDOW, f"windows of {SHUFFLE_WINDOW}"), (len(train), "one window")):
            data = DataConfig(
                dataset=dataset, data_dir=scratch, stream=True, stream_sample=HOLDOUT_SIZE, shuffle_window=window
            )
            made[f"{name}, {said}"] = _make_train_fn(data, seeds, None)
    for run in made.values():
        run(1)  # compiles
    turns = [{name: track_memory(partial(run, passes)) for name, run in made.items()} for _ in range(repeats)]
    later = {name: np.median([turn[name][0]["rates"][1:] for turn in turns], axis=1) for name in made}
    return to_jsonable(
        {
            "recipe": RECIPE,
            "seeds": seeds,
            "passes": passes,
            "environment": describe_environment(make_plan(get_recipe(RECIPE).plan, seeds)),
            "entries": {
                name: {
                    "seconds": [turn[name][0]["seconds"] for turn in turns],  # [turn][pass]
                    "first_pass_rate": statistics.median(turn[name][0]["rates"][0] for turn in turns),
                    "rate": statistics.median(later[name]),  # of the later passes, training examples a second
                    "ratio": statistics.median(later[name] / later["memory"]),
                    "train_loss": turns[-1][name][0]["loss"],
                    "memory": turns[-1][name][1],
                }
                for name in made
            },
        }
    )


def _make_train_fn(data: DataConfig, seeds: int, dataset: Dataset | None) -> Callable[[int], dict[str, Any]]:
    """A function that trains from the start for so many passes; the same programs serve every call."""
    config = dataclasses.replace(get_recipe(RECIPE), data=data, monitor="valid", seeds=seeds)
    dataset = dataset or load_dataset(data)
    config = resolve_config(config, dataset)
    experiment = prepare_experiment(config, dataset, SilentReporter())
    method = METHODS[config.method](experiment.problem)
    streamed = dataset.stream is not None
    optimizer = (stream_optimizer if streamed else optimizer_for)(experiment, method)
    begun = init_variables(experiment, method)
    n = experiment.split.train.shape[1] if dataset.stream is None else dataset.stream.n_train

    def train(passes: int) -> dict[str, Any]:
        clock = EpochTimer()
        settings = dataclasses.replace(config, train=dataclasses.replace(config.train, epochs=passes))
        own = dataclasses.replace(experiment, config=settings, reporter=clock)
        trained = (train_stream if streamed else train_method)(own, config.method, method, optimizer, begun)
        seconds = np.diff(clock.end_times)
        loss = trained.history.metrics["train_loss"][:, -1].mean()
        return {"seconds": seconds, "rates": n * seeds / seconds, "loss": loss}

    return train
