"""Classify with a pretrained encoder: the convex probe, and the tutorials' softmax head on the frozen encoder."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optax
from rich.console import Console

from aejax.config import CheckpointConfig, HeadConfig, ProbeRunConfig, to_dict
from aejax.errors import require
from aejax.experiments.checkpointing import WORKING_DIRS
from aejax.experiments.experiment import Experiment, prepare_experiment
from aejax.experiments.feature_extraction import apply_to_rows
from aejax.experiments.finetune import train_head, with_softmax_head
from aejax.experiments.method_result import MethodResult, report_cached, score_method, summary_line
from aejax.experiments.plots import plot_comparison
from aejax.experiments.pretrain import PretrainedModel, load_pretrained
from aejax.experiments.pretrained import load_pretraining_data
from aejax.experiments.progress import ProgressReporter, open_reporter
from aejax.experiments.results import build_results, metric_rows, serialize_scores
from aejax.experiments.run_dir import load_finished, open_run_dir
from aejax.methods import METHODS, Method
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.report.comparison_table import render_comparison_markdown
from aejax.storage.atomic_io import write_atomically
from aejax.train.optimizers import freeze


def probe_run(
    run_dir: Path,
    config: ProbeRunConfig,
    out: Path,
    console: Console,
    checkpoint: CheckpointConfig = CheckpointConfig(),
) -> dict[str, Any]:
    """Classify with the encoder of a pretraining run, for every seed, in both ways; write the results into `out`.

    Raises:
        InputError: the run cannot be opened, or the data are not those it was trained on.
    """
    began = time.perf_counter()
    pretrained = load_pretrained(run_dir)
    settings = {"run": pretrained.results["config"], **to_dict(config)}
    if (known := load_finished(out, settings, checkpoint, console)) is not None:
        return known
    name = pretrained.config.method
    with open_reporter(console, total_epochs=config.head.head_epochs) as reporter:
        experiment = _prepare_probe(pretrained, config, reporter)
        with open_run_dir(out, settings, checkpoint, console, began) as (run, keeper):
            experiment = dataclasses.replace(experiment, result_cache=keeper)
            variables = experiment.plan.shard(pretrained.variables)
            method = METHODS[name](experiment.problem)
            by_probe = _load_or_score(
                experiment, "probe", name, lambda: score_method(experiment, name, method, variables, None, 0.0)
            )
            head_name, head_method = f"{name} + head", _head_method(experiment, pretrained.model)
            by_head = _load_or_score(
                experiment,
                "head",
                head_name,
                lambda: _train_and_score_head(
                    experiment, head_name, head_method, config.head, pretrained.model, variables
                ),
            )
            assert by_head.history is not None
            run.append_metrics(metric_rows(by_head.name, by_head.history))
            found = build_results(experiment, [by_probe, by_head], [], run.seconds)
            found["prediction"] = _predict_first_example(experiment, head_method, by_head)
            write_atomically(run.folder / "scores.npz", serialize_scores([by_probe, by_head]))
            plot_comparison(experiment, [(by_probe, method), (by_head, head_method)], found, run.folder)
            write_atomically(run.folder / "table.md", render_comparison_markdown(found).encode())
            keeper.flush()
            run.finish(found, remove=WORKING_DIRS)
    return found


def _load_or_score(experiment: Experiment, key: str, name: str, score: Callable[[], MethodResult]) -> MethodResult:
    """What an earlier attempt at this run has found, or else what `score` finds now."""
    outcome = experiment.result_cache.load_result(key)
    if outcome is not None:
        outcome = outcome._replace(role="autoencoder")
        report_cached(experiment, outcome)
        return outcome
    experiment.reporter.start_method(name)
    outcome = score()
    experiment.result_cache.save_result(key, outcome)
    experiment.reporter.finish_method(summary_line(outcome))
    return outcome


def _prepare_probe(pretrained: PretrainedModel, config: ProbeRunConfig, reporter: ProgressReporter) -> Experiment:
    """The pretraining run's data and split, verified, with this probe's settings."""
    dataset, _ = load_pretraining_data(pretrained, config.data_dir)
    trained_on = pretrained.config
    data = dataclasses.replace(trained_on.data, data_dir=config.data_dir or trained_on.data.data_dir)
    require(
        dataset.n_classes >= 2, f"{dataset.name}: has no labels to classify by; add them, as labels.npy for instance"
    )
    split = dataclasses.replace(
        trained_on.split, label_fraction=config.label_fraction, labels_per_class=config.labels_per_class
    )
    settings = dataclasses.replace(trained_on, data=data, split=split, probe=config.probe, head=config.head)
    return prepare_experiment(settings, dataset, reporter)


def _head_method(experiment: Experiment, autoencoder: Autoencoder) -> Method:
    """An encoder with a softmax layer on it, as a method."""
    model = with_softmax_head(experiment, autoencoder)
    return Method(
        role="autoencoder", init=lambda key, inputs: model.init(key), encode=model.encode, log_probs=model.log_probs
    )


def _train_and_score_head(
    experiment: Experiment,
    name: str,
    method: Method,
    config: HeadConfig,
    autoencoder: Autoencoder,
    encoder: Variables,
) -> MethodResult:
    """A softmax layer trained by gradient steps on the whole model, the encoder frozen."""
    trained = train_head(
        experiment,
        "head",
        with_softmax_head(experiment, autoencoder),
        encoder,
        freeze(optax.adam(config.head_learning_rate), {"encoder"}),
        frozen_encoder=True,
        epochs=config.head_epochs,
        batch_size=config.head_batch_size,
    )
    variables, course = trained.progress.state.variables, trained.history
    return score_method(experiment, name, method, variables, course, course.seconds)


def _predict_first_example(experiment: Experiment, method: Method, result: MethodResult) -> dict[str, Any]:
    """What the first seed's head says of the first test example."""
    assert method.log_probs is not None
    row = int(experiment.split.test[0])
    variables = experiment.plan.shard(result.variables)
    log_probs = apply_to_rows(experiment, method.log_probs, variables, np.array([row]))[0, 0]
    names = experiment.dataset.class_names
    likeliest = int(log_probs.argmax())
    return {
        "row": row,
        "predicted": names[likeliest],
        "probability": float(np.exp(log_probs[likeliest])),
        "label": names[int(experiment.dataset.labels[row])],
    }
