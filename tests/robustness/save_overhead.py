"""What checkpoints cost: the same training with a checkpoint after every epoch and without, interleaved."""

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from aejax.config import CheckpointConfig, to_dict
from aejax.data.registry import load_dataset
from aejax.experiments.checkpointing import ResultCache
from aejax.experiments.environment import describe_environment
from aejax.experiments.experiment import prepare_experiment
from aejax.experiments.job import open_run_dir
from aejax.experiments.progress import SilentReporter
from aejax.experiments.resolve import resolve_config
from aejax.experiments.schedule import optimizer_for
from aejax.experiments.training import init_variables, train_method
from aejax.methods.registry import METHODS
from aejax.recipes import get_recipe
from aejax.storage.atomic_io import to_jsonable, write_atomically, write_json
from aejax.storage.run_identity import RunIdentity

RECIPE, EPOCHS, REPEATS = "tutorial-deep", 4, 5


def measure_save_overhead(seeds: int, data_dir: Path | None, out: Path) -> dict[str, Any]:
    """Trains the deep tutorial on MNIST; writes `saves.json` and `saves.md`; returns the results.

    Raises:
        InputError: MNIST is missing.
    """
    began = time.perf_counter()
    train, environment = _make_train_function(seeds, data_dir)
    pairs, size = [], 0
    for repeat in range(1 + REPEATS):  # the first compiles and imports
        without, _ = train(saving=False)
        saving, size = train(saving=True)
        pairs += [{"without": without, "saving": saving}] if repeat else []
    results = to_jsonable(
        {
            "schema": 1,
            "kind": "saves",
            "environment": {**environment, "seconds": time.perf_counter() - began},
            "recipe": RECIPE,
            "seeds": seeds,
            "epochs": EPOCHS,
            "epoch_seconds": pairs,
            "median": {name: statistics.median(pair[name] for pair in pairs) for name in ("without", "saving")},
            "share": statistics.median(pair["saving"] / pair["without"] - 1 for pair in pairs),
            "checkpoint_bytes": size,
        }
    )
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "saves.json", results)
    write_atomically(out / "saves.md", render_markdown(results).encode())
    return results


def _make_train_function(seeds: int, data_dir: Path | None) -> tuple[Callable[..., tuple[float, int]], dict[str, Any]]:
    """Returns a function that trains, with or without saves until the last is written, and the environment.

    The function returns the seconds per epoch and the bytes of the last checkpoint.
    """
    config = get_recipe(RECIPE)
    train_config = dataclasses.replace(config.train, epochs=EPOCHS)
    data = dataclasses.replace(config.data, data_dir=data_dir)
    config = dataclasses.replace(config, data=data, train=train_config, seeds=seeds)
    dataset = load_dataset(config.data)
    config = resolve_config(config, dataset)
    experiment = prepare_experiment(config, dataset, SilentReporter())
    method = METHODS[config.method](experiment.problem)
    optimizer = optimizer_for(experiment, method)

    def train(*, saving: bool) -> tuple[float, int]:
        with tempfile.TemporaryDirectory(prefix="aejax-saves-") as name:
            folder, checkpoint = Path(name) / "run", CheckpointConfig(save_every=0)
            with open_run_dir(folder, RunIdentity(to_dict(config)), checkpoint, Console(quiet=True), 0.0) as (_, cache):
                used = dataclasses.replace(experiment, result_cache=cache if saving else ResultCache())
                began = time.perf_counter()
                trained = train_method(used, config.method, method, optimizer, init_variables(used, method))
                jax.block_until_ready(trained.progress)
                cache.flush()
                seconds = (time.perf_counter() - began) / EPOCHS
            latest = folder / "checkpoints" / config.method / str(EPOCHS)
            return seconds, sum(path.stat().st_size for path in latest.rglob("*") if path.is_file())

    return train, describe_environment(experiment.plan)


def render_markdown(results: dict[str, Any]) -> str:
    """Returns `saves.md`."""
    environment, median = results["environment"], results["median"]
    return (
        f"# What saving costs\n\n`{environment['command']}`, {environment['machine']}, "
        f"{environment['seconds']:.0f} s.\n\n"
        f"`{results['recipe']}` on MNIST, {results['seeds']} seeds at once, {results['epochs']} epochs, a checkpoint "
        f"of {results['checkpoint_bytes'] / 1e6:.1f} MB after each, compared with none; interleaved, "
        f"{len(results['epoch_seconds'])} times each. An epoch of all seeds took {median['without']:.3f} s without and "
        f"{median['saving']:.3f} s with checkpoints (medians); the median of the pairs' ratios is "
        f"{100 * results['share']:+.1f} %.\n"
    )
