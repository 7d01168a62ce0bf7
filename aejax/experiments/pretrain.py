"""One autoencoder, trained for every seed and kept; and how it is opened again."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Shaped
from rich.console import Console

from aejax.autoencoders.registry import KINDS
from aejax.config import CheckpointConfig, PretrainConfig, from_dict, to_dict
from aejax.data.registry import load_dataset
from aejax.data.scalers import Scaler, apply_scaler
from aejax.errors import require
from aejax.experiments.checkpointing import TrainingHistory
from aejax.experiments.environment import describe_environment
from aejax.experiments.experiment import Experiment, make_problem_spec, prepare_experiment, problem_spec_for
from aejax.experiments.feature_extraction import evaluate_codes
from aejax.experiments.method_result import evaluate_method_report, evaluate_reconstruction
from aejax.experiments.multihost import is_primary, primary_first
from aejax.experiments.plots import plot_model
from aejax.experiments.progress import open_reporter
from aejax.experiments.resolve import check_methods, resolve_config
from aejax.experiments.results import metric_rows, summarize_seeds
from aejax.experiments.run_dir import load_finished, open_run_dir
from aejax.experiments.streaming import describe_stream, stream_optimizer, train_stream
from aejax.experiments.training import (
    TrainingResult,
    count_parameters,
    init_variables,
    optimizer_for,
    total_epochs,
    train_method,
)
from aejax.methods import METHODS, Method
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.report.comparison_table import format_markdown_table
from aejax.report.formatting import CODE_METRIC_HEADINGS, code_metric_names
from aejax.storage.atomic_io import read_json, write_atomically
from aejax.storage.pytree_io import load_variables, save_variables

LAST_WEIGHTS, BEST_WEIGHTS = (
    "checkpoint",
    "best",
)  # folders of the weights after the last epoch, and after each seed's best


def pretrain(
    config: PretrainConfig, out: Path, console: Console, checkpoint: CheckpointConfig = CheckpointConfig()
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
    dataset = primary_first(lambda: load_dataset(config.data))
    config = resolve_config(config, dataset)
    if (known := load_finished(out, to_dict(config), checkpoint, console)) is not None:
        return known
    method = METHODS[config.method](problem_spec_for(config, dataset))
    with open_reporter(console, total_epochs=total_epochs(config, method)) as reporter:
        experiment = prepare_experiment(config, dataset, reporter)
        streamed = dataset.stream is not None
        optimizer = (stream_optimizer if streamed else optimizer_for)(experiment, method)
        with open_run_dir(out, to_dict(config), checkpoint, console, began) as (run, keeper):
            experiment = dataclasses.replace(experiment, result_cache=keeper)
            reporter.start_method(config.method)
            train = train_stream if streamed else train_method
            trained = train(experiment, config.method, method, optimizer, init_variables(experiment, method))
            run.append_metrics(metric_rows(config.method, trained.history))
            variables = experiment.plan.to_host(trained.progress.state.variables)
            _save_weights(run.folder, experiment, trained)
            judged = _evaluate(experiment, method, trained)
            found = {**_build_results(experiment, config, trained.history, variables, run.seconds), **judged}
            count = f"{trained.history.epochs} {'rounds' if streamed else 'epochs'}"
            reporter.finish_method(f"{count}, test MSE {judged['reconstruction_mse']['mean']:.4g}")
            plot_model(experiment, config.method, method, variables, trained.history.metrics, run.folder)
            write_atomically(run.folder / "table.md", markdown_epoch_table(found).encode())
            keeper.flush()
            run.finish(found)
    return found


def _save_weights(out: Path, experiment: Experiment, trained: TrainingResult) -> None:
    """The weights after the last epoch, and after the best."""
    for folder, variables in ((LAST_WEIGHTS, trained.progress.state.variables), (BEST_WEIGHTS, trained.progress.best)):
        fetched = experiment.plan.to_host(variables)
        if is_primary():
            save_variables(out / folder, {**fetched, "scaler": experiment.scaler._asdict()})


def _evaluate(experiment: Experiment, method: Method, trained: TrainingResult) -> dict[str, Any]:
    """What is said of the test examples."""
    final = trained.progress.state.variables
    assert method.reconstruct is not None
    fidelity = evaluate_reconstruction(experiment, method.reconstruct, final)
    measures = {"explained_variance": fidelity.explained_variance}
    measures |= evaluate_codes(experiment, method, experiment.plan.to_host(final))
    measures |= evaluate_method_report(experiment, method, final)
    return {
        "reconstruction_mse": summarize_seeds(fidelity.mse),
        "measures": {name: summarize_seeds(values) for name, values in measures.items()},
    }


def _build_results(
    experiment: Experiment,
    config: PretrainConfig,
    history: TrainingHistory,
    variables: Variables,
    seconds: float,
) -> dict[str, Any]:
    dataset, passes = experiment.describe_data(), float(history.epochs)
    if experiment.dataset.stream is not None:
        dataset["stream"] = describe_stream(experiment, history)
        passes = dataset["stream"]["passes"]
    return {
        "schema": 1,
        "kind": "pretrain",
        "dataset": dataset,
        "config": to_dict(config),
        "environment": {**describe_environment(experiment.plan), "seconds": seconds},
        "method": config.method,
        "parameters": count_parameters(variables),
        "diverged_epoch": [int(epoch) or None for epoch in history.diverged_epoch],
        "history": {name: np.nanmean(values, axis=0) for name, values in history.metrics.items()},
        "seconds": {"compile": experiment.compiler.pop_seconds(), "pretrain": history.seconds},
        "seconds_per_seed_and_epoch": history.seconds / (passes * config.seeds),
    }


def markdown_epoch_table(results: dict[str, Any]) -> str:
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
    table = format_markdown_table([count, *history], "r" * (1 + len(history)), rows)
    names = code_metric_names({"methods": [results]})
    said = "; ".join(f"{CODE_METRIC_HEADINGS[name]} {results['measures'][name]['mean']:.4g}" for name in names)
    return f"{heading}\n\n{table}\n" + (f"\nOn the test examples, mean over seeds: {said}.\n" if said else "")


@dataclasses.dataclass(frozen=True)
class PretrainedModel:
    """A finished pretraining run, opened: encoder and decoder apart, for raw inputs of the dataset's shape."""

    config: PretrainConfig
    results: dict[str, Any]
    model: Autoencoder
    variables: Variables  # every leaf `(seeds, ...)`
    scaler: Scaler  # likewise

    def encode(self, inputs: Shaped[Array | np.ndarray, "batch ..."], seed: int = 0) -> Float[Array, "batch latent"]:
        """Codes of raw inputs `(batch, *shape)`, by one seed's encoder. Jittable and differentiable."""
        flat = jax.numpy.reshape(inputs, (len(inputs), -1))
        scaled = apply_scaler(jax.tree.map(lambda leaf: leaf[seed], self.scaler), flat)
        return self.model.encode(self.seed_variables(seed), scaled)

    def decode(self, latents: Float[Array, "batch latent"], seed: int = 0) -> Float[Array, "batch d"]:
        """Flat reconstructions in scaled input units, by one seed's decoder."""
        return self.model.decode(self.seed_variables(seed), latents)

    def seed_variables(self, seed: int) -> Variables:
        """One seed's variables."""
        return jax.tree.map(lambda leaf: jax.numpy.asarray(leaf[seed]), self.variables)


def load_pretrained(run_dir: Path, weights: str = LAST_WEIGHTS) -> PretrainedModel:
    """Open a run folder that `pretrain` finished, with the weights after the last epoch, or after the best.

    Raises:
        InputError: it is not one, or its parts do not belong together.
    """
    require(run_dir.is_dir(), f"{run_dir}: no such folder; give --run a folder that scripts/pretrain.py made")
    results = read_json(run_dir / "results.json")
    require(
        isinstance(results, dict) and results.get("kind") == "pretrain",
        f"{run_dir}: is not a pretraining run; give --run a folder that scripts/pretrain.py made",
    )
    config = from_dict(PretrainConfig, read_json(run_dir / "config.json"), str(run_dir / "config.json"))
    features = int(np.prod(results["dataset"]["shape"]))
    setting = make_problem_spec(config, tuple(results["dataset"]["shape"]), results["dataset"]["classes"])
    model = KINDS[config.method](setting).model
    one = jax.eval_shape(model.init, jax.random.key(0))
    stacked = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((config.seeds, *leaf.shape), leaf.dtype), one)
    width = 1 if config.data.scaler in ("range", "none") else features
    numbers = jax.ShapeDtypeStruct((config.seeds, width), np.float32)
    like = {**stacked, "scaler": {"shift": numbers, "scale": numbers}}
    variables = load_variables(run_dir / weights, like)
    return PretrainedModel(config, results, model, variables, Scaler(**variables.pop("scaler")))
