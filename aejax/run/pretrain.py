"""One autoencoder, trained for every seed and kept; and how it is opened again."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Shaped
from rich.console import Console

from aejax.config import KeepingConfig, PretrainConfig, from_dict, to_dict
from aejax.data.scalers import Scaler, scale
from aejax.data.sources import load
from aejax.errors import require
from aejax.kinds.registry import KINDS
from aejax.methods import METHODS, Method
from aejax.models.autoencoder import Autoencoder
from aejax.models.parts import Variables
from aejax.report.table import markdown_rows
from aejax.report.wording import MEASURE_HEADINGS, measured
from aejax.run.assemble import metric_rows, over_seeds
from aejax.run.encoding import codes_measured
from aejax.run.environment import describe
from aejax.run.experiment import Experiment, make_setting, prepare, setting_of
from aejax.run.folder import filling, finished
from aejax.run.keeping import Course
from aejax.run.pictures import draw_model
from aejax.run.processes import in_turn, is_first
from aejax.run.progress import reporting
from aejax.run.resolve import check_methods, resolve
from aejax.run.scoring import reconstruction_fidelity, reported_of
from aejax.run.streaming import describe_stream, stream_optimizer, train_streamed
from aejax.run.training import Trained, optimizer_for, parameters, start, total_epochs, train_method
from aejax.store.checkpoints import load_variables, save_variables
from aejax.store.files import read_json, write_atomically

CHECKPOINT, BEST = "checkpoint", "best"  # folders of the weights after the last epoch, and after each seed's best


def pretrain(
    config: PretrainConfig, out: Path, console: Console, keeping: KeepingConfig = KeepingConfig()
) -> dict[str, Any]:
    """Train an autoencoder into a run folder and return its results.

    A finished run of the same config is just read; one that was interrupted goes on at its last checkpoint. The folder
    holds `checkpoint/` and `best/`, after the last epoch and after each seed's epoch of lowest validation loss: Orbax
    trees with a leading seed axis on every leaf, `params` and `batch_stats`, each by part, and `scaler`. The training's
    own checkpoints, with the optimizer's state, stay in `checkpoints/`.

    Args:
        config: what to train.
        out: the run folder.
        console: where progress goes.
        keeping: what becomes of an earlier run, and how often to save.

    Raises:
        InputError: what is asked for cannot be done; nothing has been trained.
        Stopped: a signal came; the same call goes on.
    """
    began = time.perf_counter()
    check_methods((config.method,))
    require(config.method in KINDS, f"--method {config.method}: is no autoencoder; there are {', '.join(KINDS)}")
    dataset = in_turn(lambda: load(config.data))
    config = resolve(config, dataset)
    if (known := finished(out, to_dict(config), keeping, console)) is not None:
        return known
    method = METHODS[config.method](setting_of(config, dataset))
    with reporting(console, total_epochs=total_epochs(config, method)) as reporter:
        experiment = prepare(config, dataset, reporter)
        streamed = dataset.stream is not None
        optimizer = (stream_optimizer if streamed else optimizer_for)(experiment, method)
        with filling(out, to_dict(config), keeping, console, began) as (run, keeper):
            experiment = dataclasses.replace(experiment, keeper=keeper)
            reporter.begin(config.method)
            train = train_streamed if streamed else train_method
            trained = train(experiment, config.method, method, optimizer, start(experiment, method))
            run.append_metrics(metric_rows(config.method, trained.course))
            variables = experiment.plan.fetch(trained.fit.state.variables)
            _save(run.folder, experiment, trained)
            judged = _judged(experiment, method, trained)
            found = {**_results(experiment, config, trained.course, variables, run.seconds), **judged}
            count = f"{trained.course.epochs} {'rounds' if streamed else 'epochs'}"
            reporter.end(f"{count}, test MSE {judged['reconstruction_mse']['mean']:.4g}")
            draw_model(experiment, config.method, method, variables, trained.course.history, run.folder)
            write_atomically(run.folder / "table.md", epoch_table(found).encode())
            keeper.settle()
            run.finish(found)
    return found


def _save(out: Path, experiment: Experiment, trained: Trained) -> None:
    """The weights after the last epoch, and after the best."""
    for folder, variables in ((CHECKPOINT, trained.fit.state.variables), (BEST, trained.fit.best)):
        fetched = experiment.plan.fetch(variables)
        if is_first():
            save_variables(out / folder, {**fetched, "scaler": experiment.scaler._asdict()})


def _judged(experiment: Experiment, method: Method, trained: Trained) -> dict[str, Any]:
    """What is said of the test examples."""
    final = trained.fit.state.variables
    assert method.reconstruct is not None
    fidelity = reconstruction_fidelity(experiment, method.reconstruct, final)
    measures = {"explained_variance": fidelity.explained_variance}
    measures |= codes_measured(experiment, method, experiment.plan.fetch(final))
    measures |= reported_of(experiment, method, final)
    return {
        "reconstruction_mse": over_seeds(fidelity.mse),
        "measures": {name: over_seeds(values) for name, values in measures.items()},
    }


def _results(
    experiment: Experiment,
    config: PretrainConfig,
    course: Course,
    variables: Variables,
    seconds: float,
) -> dict[str, Any]:
    dataset, passes = experiment.describe_data(), float(course.epochs)
    if experiment.dataset.stream is not None:
        dataset["stream"] = describe_stream(experiment, course)
        passes = dataset["stream"]["passes"]
    return {
        "schema": 1,
        "kind": "pretrain",
        "dataset": dataset,
        "config": to_dict(config),
        "environment": {**describe(experiment.plan), "seconds": seconds},
        "method": config.method,
        "parameters": parameters(variables),
        "diverged_epoch": [int(epoch) or None for epoch in course.diverged_epoch],
        "history": {name: np.nanmean(values, axis=0) for name, values in course.history.items()},
        "seconds": {"compile": experiment.compiler.take_seconds(), "pretrain": course.seconds},
        "seconds_per_seed_and_epoch": course.seconds / (passes * config.seeds),
    }


def epoch_table(results: dict[str, Any]) -> str:
    """The mean over seeds of every metric at up to twelve epochs, or rounds of a stream, as Markdown."""
    history = results["history"]
    epochs = len(history["train_loss"])
    shown = sorted({*range(1, min(epochs, 7) + 1), *np.linspace(1, epochs, 6).astype(int).tolist()})
    rows = [[str(epoch), *(f"{values[epoch - 1]:.4g}" for values in history.values())] for epoch in shown]
    watched = {"valid": "validation rows", "test": "the test rows, as in the tutorial"}[results["config"]["monitor"]]
    heading = (
        f"{results['method']} on {results['dataset']['name']}, mean over {results['config']['seeds']} seed(s); "
        f"`valid_` is on {watched}"
    )
    count = "round" if "stream" in results["dataset"] else "epoch"
    table = markdown_rows([count, *history], "r" * (1 + len(history)), rows)
    names = measured({"methods": [results]})
    said = "; ".join(f"{MEASURE_HEADINGS[name]} {results['measures'][name]['mean']:.4g}" for name in names)
    return f"{heading}\n\n{table}\n" + (f"\nOn the test examples, mean over seeds: {said}.\n" if said else "")


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """A finished pretraining run, opened: encoder and decoder apart, for raw inputs of the dataset's shape."""

    config: PretrainConfig
    results: dict[str, Any]
    model: Autoencoder
    variables: Variables  # every leaf `(seeds, ...)`
    scaler: Scaler  # likewise

    def encode(self, inputs: Shaped[Array | np.ndarray, "batch ..."], seed: int = 0) -> Float[Array, "batch latent"]:
        """Codes of raw inputs `(batch, *shape)`, by one seed's encoder. Jittable and differentiable."""
        flat = jax.numpy.reshape(inputs, (len(inputs), -1))
        scaled = scale(jax.tree.map(lambda leaf: leaf[seed], self.scaler), flat)
        return self.model.encode(self.of_seed(seed), scaled)

    def decode(self, latents: Float[Array, "batch latent"], seed: int = 0) -> Float[Array, "batch d"]:
        """Flat reconstructions in scaled input units, by one seed's decoder."""
        return self.model.decode(self.of_seed(seed), latents)

    def of_seed(self, seed: int) -> Variables:
        """One seed's variables."""
        return jax.tree.map(lambda leaf: jax.numpy.asarray(leaf[seed]), self.variables)


def open_pretrained(folder: Path, weights: str = CHECKPOINT) -> Pretrained:
    """Open a run folder that `pretrain` finished, with the weights after the last epoch, or after the best.

    Raises:
        InputError: it is not one, or its parts do not belong together.
    """
    require(folder.is_dir(), f"{folder}: no such folder; give --run a folder that scripts/pretrain.py made")
    results = read_json(folder / "results.json")
    require(
        isinstance(results, dict) and results.get("kind") == "pretrain",
        f"{folder}: is not a pretraining run; give --run a folder that scripts/pretrain.py made",
    )
    config = from_dict(PretrainConfig, read_json(folder / "config.json"), str(folder / "config.json"))
    features = int(np.prod(results["dataset"]["shape"]))
    setting = make_setting(config, tuple(results["dataset"]["shape"]), results["dataset"]["classes"])
    model = KINDS[config.method](setting).model
    one = jax.eval_shape(model.init, jax.random.key(0))
    stacked = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((config.seeds, *leaf.shape), leaf.dtype), one)
    width = 1 if config.data.scaler in ("range", "none") else features
    numbers = jax.ShapeDtypeStruct((config.seeds, width), np.float32)
    like = {**stacked, "scaler": {"shift": numbers, "scale": numbers}}
    variables = load_variables(folder / weights, like)
    return Pretrained(config, results, model, variables, Scaler(**variables.pop("scaler")))
