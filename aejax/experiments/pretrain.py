"""One autoencoder, trained for every seed: weights, history and metrics of the test rows."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optax
from rich.console import Console

from aejax.config import CheckpointConfig, PretrainConfig, to_dict
from aejax.data.dataset import Dataset
from aejax.data.input_encoding import InputEncoding, encoding_of
from aejax.evaluate.intervals import summarize_seeds
from aejax.experiments.checkpointing import TrainingHistory
from aejax.experiments.compilation import Stopwatch
from aejax.experiments.experiment import Experiment, load_examples, prepare_experiment, problem_spec_for
from aejax.experiments.job import FillRun, Job, identify_run, open_experiment, run_job
from aejax.experiments.multihost import is_primary
from aejax.experiments.plots import plot_models
from aejax.experiments.pretrained import BEST_WEIGHTS, ENCODING_KEY, LAST_WEIGHTS
from aejax.experiments.progress import ProgressReporter
from aejax.experiments.representation_metrics import evaluate_autoencoder, evaluate_codes
from aejax.experiments.resolve import check_kind, resolve_config
from aejax.experiments.results import metric_rows, results_header
from aejax.experiments.schedule import optimizer_for
from aejax.experiments.streaming import describe_stream, stream_optimizer, stream_schedule, train_stream
from aejax.experiments.training import TrainingResult, count_parameters, init_variables, train_method
from aejax.experiments.work import (
    FIGURES,
    begin_work,
    describe_methods,
    end_of_run,
    method_work,
    require_training_memory,
)
from aejax.methods.method import Method
from aejax.methods.registry import METHODS
from aejax.report.epoch_table import render_pretrain_markdown
from aejax.report.run_page import FigureFiles
from aejax.report.style import describe_design
from aejax.storage.atomic_io import write_atomically
from aejax.storage.pytree_io import save_variables
from aejax.storage.results_file import write_results
from aejax.storage.run_folder import RESULTS_FILE
from aejax.storage.runs import Run


class PretrainDesign(NamedTuple):
    """What a pretraining trains."""

    config: PretrainConfig  # resolved
    dataset: Dataset
    method: Method


def design_pretraining(config: PretrainConfig, dataset: Dataset) -> PretrainDesign:
    """Returns the design of a pretraining on a dataset. Raises `InputError` if settings contradict each other."""
    check_kind(config.method)
    config = resolve_config(config, dataset)
    return PretrainDesign(config, dataset, METHODS[config.method](problem_spec_for(config, dataset)))


def prepare_pretraining(design: PretrainDesign, reporter: ProgressReporter) -> Experiment:
    """Returns the experiment, before anything is trained. Raises as `prepare_experiment`."""
    experiment = prepare_experiment(design.config, design.dataset, reporter)
    name, methods = design.config.method, {design.config.method: design.method}
    describe_methods(experiment, methods)
    work = method_work(experiment, name, design.method, stages=("compile", "train", "evaluate"))
    begin_work(experiment, [work, *end_of_run(figures=1)], methods)
    require_training_memory(experiment, methods)
    _make_optimizer(experiment, design.method)  # raises what the training would
    return experiment


def _make_optimizer(experiment: Experiment, method: Method) -> optax.GradientTransformation:
    return (optimizer_for if experiment.dataset.stream is None else stream_optimizer)(experiment, method)


def pretrain(
    config: PretrainConfig, out: Path, console: Console, checkpoint: CheckpointConfig = CheckpointConfig()
) -> dict[str, Any]:
    """Trains an autoencoder into a run folder and returns its results.

    The folder holds `checkpoint/` and `best/`, the weights after the last epoch and after each seed's epoch of lowest
    validation loss: Orbax trees with a leading seed axis on every leaf, `params` and `batch_stats`, each by part, and
    `scaler`. The training's own checkpoints, with the optimizer's state, stay in `checkpoints/`.

    Arguments and errors are those of `run_job`.
    """
    start_time = time.perf_counter()
    check_kind(config.method)
    return run_pretraining(design_pretraining(config, load_examples(config.data)), out, console, checkpoint, start_time)


def run_pretraining(
    design: PretrainDesign, out: Path, console: Console, checkpoint: CheckpointConfig, start_time: float
) -> dict[str, Any]:
    """Runs a pretraining whose data are loaded; arguments and errors are those of `run_job`."""

    def prepare(reporter: ProgressReporter) -> FillRun:
        experiment = prepare_pretraining(design, reporter)
        return lambda run, cache: _pretrain(open_experiment(experiment, run, cache), design, run)

    job = Job(identify_run(design.config, design.dataset, [design.config.method]), prepare, remove=())
    return run_job(job, out, console, checkpoint, start_time)


def train_model(
    experiment: Experiment,
    method: Method,
    seconds: Callable[[], float],
    record: Callable[[TrainingResult], None] = lambda trained: None,
) -> tuple[TrainingResult, dict[str, Any]]:
    """Trains an autoencoder; returns the training and the content of `results.json`.

    `seconds` returns those since the run began; `record` is called after the training, before metrics are computed.
    """
    config = experiment.config
    assert isinstance(config, PretrainConfig)
    is_stream = experiment.dataset.stream is not None
    experiment.reporter.start_method(config.method)
    watch = Stopwatch()
    train = train_stream if is_stream else train_method
    optimizer, variables = _make_optimizer(experiment, method), init_variables(experiment, method)
    trained = train(experiment, config.method, method, optimizer, variables)
    record(trained)
    experiment.reporter.start_stage("evaluate")
    metrics = _evaluate(experiment, method, trained)
    results = {
        **results_header(experiment, seconds(), "pretrain"),
        "method": config.method,
        **_describe_encoding(experiment.dataset),
        **_describe_training(experiment, trained.history, watch.compile_seconds),
        "parameters": count_parameters(trained.progress.state.variables),
        **metrics,
    }
    if is_stream:
        results["dataset"]["stream"] = describe_stream(experiment, trained.history)
    count = f"{trained.history.epochs} {'rounds' if is_stream else 'epochs'}"
    experiment.reporter.finish_method(f"{count}, test MSE {metrics['reconstruction_mse']['mean']:.4g}")
    return trained, results


def _pretrain(experiment: Experiment, design: PretrainDesign, run: Run) -> dict[str, Any]:
    name = design.config.method

    def record(trained: TrainingResult) -> None:
        run.append_metrics(metric_rows(name, trained.history))
        _save_weights(run, experiment, trained)

    trained, results = train_model(experiment, design.method, lambda: run.seconds, record)
    variables = experiment.plan.to_host(trained.progress.state.variables)
    write_results(run.folder / RESULTS_FILE, results)
    write_atomically(run.folder / "table.md", render_pretrain_markdown(results).encode())
    files = FigureFiles(run.folder, run.figure_format, describe_design(results))
    experiment.reporter.start_method(FIGURES)
    plot_models(experiment, {name: (design.method, variables)}, {name: trained.history.metrics}, files)
    files.write_page(results)
    return results


def _save_weights(run: Run, experiment: Experiment, trained: TrainingResult) -> None:
    for name, variables in ((LAST_WEIGHTS, trained.progress.state.variables), (BEST_WEIGHTS, trained.progress.best)):
        host_variables = experiment.plan.to_host(variables)
        if is_primary():
            folder = run.path / name
            with run.guard_save(folder):
                save_variables(folder, {**host_variables, "scaler": experiment.scaler.as_variables()})


def _evaluate(experiment: Experiment, method: Method, trained: TrainingResult) -> dict[str, Any]:
    """Returns the metrics of the test rows."""
    variables = trained.progress.state.variables
    codes = evaluate_codes(experiment, method, experiment.plan.to_host(variables))
    mse, metrics = evaluate_autoencoder(experiment, method, variables, codes)
    assert mse is not None
    return {
        "reconstruction_mse": summarize_seeds(mse),
        "measures": {name: summarize_seeds(values) for name, values in metrics.items()},
    }


def _describe_encoding(dataset: Dataset) -> dict[str, Any]:
    """Returns what a published encoder must know of how examples were read, if they were not taken as they are."""
    encoding = encoding_of(dataset)
    return {} if encoding == InputEncoding() else {ENCODING_KEY: to_dict(encoding)}


def _describe_training(experiment: Experiment, history: TrainingHistory, compile_seconds: float) -> dict[str, Any]:
    stream = experiment.dataset.stream
    passes = float(history.epochs) if stream is None else history.epochs / stream_schedule(experiment).rounds_per_pass
    return {
        "diverged_epoch": [int(epoch) or None for epoch in history.diverged_epoch],
        "history": {name: np.nanmean(values, axis=0).tolist() for name, values in history.metrics.items()},
        "seconds": {"compile": compile_seconds, "pretrain": history.seconds},
        "seconds_per_seed_and_epoch": history.seconds / (passes * experiment.config.seeds),
    }
