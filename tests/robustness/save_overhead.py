"""What saving costs: the same trainings with a save after every epoch and without any, in turn, in one process."""

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
from aejax.experiments.training import init_variables, optimizer_for, train_method
from aejax.methods import METHODS, Method
from aejax.recipes import get_recipe
from aejax.storage.atomic_io import to_jsonable, write_atomically, write_json

RECIPE, EPOCHS, REPEATS = "tutorial-deep", 4, 5


def measure_save_overhead(seeds: int, data_dir: Path | None, out: Path) -> dict[str, Any]:
    """Train the deep tutorial on MNIST by turns; write `saves.json` and `saves.md` into `out`.

    Raises:
        InputError: the data cannot be had.
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
    found = to_jsonable(
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
    write_json(out / "saves.json", found)
    write_atomically(out / "saves.md", _render_markdown(found).encode())
    return found


class _Job(NamedTuple):
    """A training that is run again and again."""

    config: PretrainConfig  # resolved
    experiment: Experiment
    method: Method
    optimizer: optax.GradientTransformation

    def train(self, keeper: ResultCache) -> float:
        """Seconds per epoch."""
        own = dataclasses.replace(self.experiment, result_cache=keeper)
        clock = time.perf_counter()
        trained = train_method(own, self.config.method, self.method, self.optimizer, init_variables(own, self.method))
        jax.block_until_ready(trained.progress)
        return (time.perf_counter() - clock) / EPOCHS

    def train_and_save(self) -> tuple[float, int]:
        """Seconds per epoch with a save after each, the wait for the last among them; bytes of a checkpoint."""
        with tempfile.TemporaryDirectory(prefix="aejax-saves-") as name:
            folder, keeping = Path(name) / "run", CheckpointConfig(save_every=0)
            with open_run_dir(folder, to_dict(self.config), keeping, Console(quiet=True), 0.0) as (_, keeper):
                clock = time.perf_counter()
                self.train(keeper)
                keeper.flush()
                seconds = (time.perf_counter() - clock) / EPOCHS
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


def _render_markdown(found: dict[str, Any]) -> str:
    environment, median = found["environment"], found["median"]
    return (
        f"# What saving costs\n\n`{environment['command']}`, {environment['machine']}, "
        f"{environment['seconds']:.0f} s.\n\n"
        f"`{found['recipe']}` on MNIST, {found['seeds']} seeds at once, {found['epochs']} epochs, a save of "
        f"{found['checkpoint_bytes'] / 1e6:.1f} MB after each, beside the same without saves; by turns, "
        f"{len(found['epoch_seconds'])} times each. An epoch of all seeds took {median['without']:.3f} s without and "
        f"{median['saving']:.3f} s with saves (medians); the median of the pairs' ratios is "
        f"{100 * found['share']:+.1f} %.\n"
    )
