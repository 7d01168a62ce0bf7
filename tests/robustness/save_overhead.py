"""What checkpoints cost: the same training with a checkpoint after every epoch and without, interleaved."""

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import optax
from rich.console import Console

from aejax.config import CheckpointConfig, PretrainConfig, to_dict
from aejax.data.registry import load_dataset
from aejax.experiments.checkpointing import ResultCache
from aejax.experiments.environment import describe_environment
from aejax.experiments.experiment import Experiment, prepare_experiment
from aejax.experiments.progress import SilentReporter
from aejax.experiments.resolve import resolve_config
from aejax.experiments.run_dir import open_run_dir
from aejax.experiments.schedule import optimizer_for
from aejax.experiments.training import init_variables, train_method
from aejax.methods import METHODS, Method
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
    job = _prepare_job(seeds, data_dir)
    job.train(ResultCache())  # compiles
    job.train_and_save()  # imports
    without, saving = [], []
    for _ in range(REPEATS):
        without.append(job.train(ResultCache()))
        seconds, size = job.train_and_save()
        saving.append(seconds)
    results = to_jsonable(
        {
            "schema": 1,
            "kind": "saves",
            "environment": {**describe_environment(job.experiment.plan), "seconds": time.perf_counter() - began},
            "recipe": RECIPE,
            "seeds": seeds,
            "epochs": EPOCHS,
            "epoch_seconds": [{"without": one, "saving": other} for one, other in zip(without, saving, strict=True)],
            "median": {"without": statistics.median(without), "saving": statistics.median(saving)},
            "share": statistics.median(other / one - 1 for one, other in zip(without, saving, strict=True)),
            "checkpoint_bytes": size,
        }
    )
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "saves.json", results)
    write_atomically(out / "saves.md", _render_markdown(results).encode())
    return results


class _Job(NamedTuple):
    """A training that is repeated."""

    config: PretrainConfig  # resolved
    experiment: Experiment
    method: Method
    optimizer: optax.GradientTransformation

    def train(self, result_cache: ResultCache) -> float:
        """Returns the seconds per epoch."""
        experiment = dataclasses.replace(self.experiment, result_cache=result_cache)
        began = time.perf_counter()
        variables = init_variables(experiment, self.method)
        trained = train_method(experiment, self.config.method, self.method, self.optimizer, variables)
        jax.block_until_ready(trained.progress)
        return (time.perf_counter() - began) / EPOCHS

    def train_and_save(self) -> tuple[float, int]:
        """Returns the seconds per epoch with a checkpoint after each, until the last is written, and its bytes."""
        with tempfile.TemporaryDirectory(prefix="aejax-saves-") as name:
            folder, checkpoint = Path(name) / "run", CheckpointConfig(save_every=0)
            identity = RunIdentity(to_dict(self.config))
            with open_run_dir(folder, identity, checkpoint, Console(quiet=True), 0.0) as (_, cache):
                began = time.perf_counter()
                self.train(cache)
                cache.flush()
                seconds = (time.perf_counter() - began) / EPOCHS
            latest = folder / "checkpoints" / self.config.method / str(EPOCHS)
            return seconds, sum(path.stat().st_size for path in latest.rglob("*") if path.is_file())


def _prepare_job(seeds: int, data_dir: Path | None) -> _Job:
    config = get_recipe(RECIPE)
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, data_dir=data_dir),
        train=dataclasses.replace(config.train, epochs=EPOCHS),
        seeds=seeds,
    )
    dataset = load_dataset(config.data)
    config = resolve_config(config, dataset)
    experiment = prepare_experiment(config, dataset, SilentReporter())
    method = METHODS[config.method](experiment.problem)
    return _Job(config, experiment, method, optimizer_for(experiment, method))


def _render_markdown(results: dict[str, Any]) -> str:
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
