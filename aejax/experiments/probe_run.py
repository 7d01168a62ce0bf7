"""Classify with a pretrained encoder: the convex probe, and the tutorials' softmax head on the frozen encoder."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
import optax
from rich.console import Console

from aejax.config import CheckpointConfig, HeadConfig, ProbeRunConfig
from aejax.data.dataset import Dataset
from aejax.experiments.classifier_training import with_new_head
from aejax.experiments.compare import write_comparison
from aejax.experiments.compilation import Stopwatch
from aejax.experiments.experiment import Experiment, prepare_experiment, require_classes
from aejax.experiments.feature_extraction import apply_to_test_rows
from aejax.experiments.job import FillRun, Job, open_experiment, run_job
from aejax.experiments.method_result import MethodResult, load_or_score, score_method
from aejax.experiments.pretrained import PretrainedModel, load_pretrained, load_pretraining_data
from aejax.experiments.progress import ProgressReporter
from aejax.experiments.results import build_results, metric_rows
from aejax.experiments.training import TrainingResult, TrainingSpec, train
from aejax.experiments.work import COMPILE_SECONDS, DIAGNOSE_SECONDS, Work, begin_work, end_of_run
from aejax.methods.method import Method
from aejax.methods.registry import METHODS
from aejax.models.submodules import Variables
from aejax.probes.head import Classifier, SoftmaxHead, make_cross_entropy_objective
from aejax.storage.runs import Run
from aejax.train.optimizers import freeze


def probe_run(
    run_dir: Path,
    config: ProbeRunConfig,
    out: Path,
    console: Console,
    checkpoint: CheckpointConfig = CheckpointConfig(),
) -> dict[str, Any]:
    """Classifies with the encoder of a pretraining run, by a probe and by a softmax head, for every seed.

    Raises:
        InputError: the run cannot be opened, or the data are not those it was trained on.
    """
    start_time = time.perf_counter()
    pretrained = load_pretrained(run_dir)
    dataset, _ = load_pretraining_data(pretrained, config.data_dir)
    require_classes(dataset)

    def prepare(reporter: ProgressReporter) -> FillRun:
        experiment = _prepare_probe(pretrained, dataset, config, reporter)
        experiment = dataclasses.replace(experiment, evaluation=config.evaluation)
        model = pretrained.config.method
        probed = Work(model, {"probe": 2 * COMPILE_SECONDS, "diagnose": DIAGNOSE_SECONDS})
        epochs = config.head.head_epochs
        head = Work(f"{model} + head", {"compile": COMPILE_SECONDS, "train": COMPILE_SECONDS, "probe": 1.0}, epochs)
        begin_work(experiment, [probed, head, *end_of_run(figures=1)], {})
        return lambda run, cache: _probe(open_experiment(experiment, run, cache), pretrained, config, run)

    job = Job(pretrained.identify_analysis(config), prepare)
    return run_job(job, out, console, checkpoint, start_time)


def _probe(experiment: Experiment, pretrained: PretrainedModel, config: ProbeRunConfig, run: Run) -> dict[str, Any]:
    name = pretrained.config.method
    head_name = f"{name} + head"
    classifier = Classifier(pretrained.model, SoftmaxHead(experiment.problem.n_classes))
    head_method = Method(
        role="autoencoder",
        init=lambda key, inputs: classifier.init(key),
        encode=classifier.encode,
        log_probs=classifier.log_probs,
    )
    methods = {name: METHODS[name](experiment.problem), head_name: head_method}
    variables = experiment.plan.shard(pretrained.variables)

    def score_probe() -> MethodResult:
        not_trained = {"compile": 0.0, "pretrain": 0.0}
        return score_method(experiment, name, methods[name], variables, None, not_trained)

    def train_and_score_head() -> MethodResult:
        watch = Stopwatch()
        trained = _train_head(experiment, classifier, variables, config.head)
        seconds = {"compile": watch.compile_seconds, "pretrain": trained.history.seconds}
        head_variables = trained.progress.state.variables
        return score_method(experiment, head_name, head_method, head_variables, trained.history, seconds)

    by_probe = load_or_score(experiment, "probe", methods[name], name, score_probe)
    by_head = load_or_score(experiment, "head", head_method, head_name, train_and_score_head)
    assert by_head.history is not None
    run.append_metrics(metric_rows(by_head.name, by_head.history))
    results = build_results(experiment, [by_probe, by_head], [], run.seconds)
    results["prediction"] = _predict_first_example(experiment, head_method, by_head)
    write_comparison(experiment, [by_probe, by_head], methods, results, run)
    return results


def _train_head(
    experiment: Experiment, classifier: Classifier, encoder: Variables, config: HeadConfig
) -> TrainingResult:
    """Trains a new head on every seed's encoder, which is neither in training mode nor differentiated."""
    spec = TrainingSpec(
        make_cross_entropy_objective(classifier, frozen_encoder=True),
        lambda _: freeze(optax.adam(config.head_learning_rate), {"encoder"}),
        experiment.split.labelled_train,
        experiment.split.labelled_valid,
        epochs=config.head_epochs,
        batch_size=config.head_batch_size,
        key_use="head noise",
    )
    return train(experiment, "head", with_new_head(experiment, classifier, encoder), spec)


def _prepare_probe(
    pretrained: PretrainedModel, dataset: Dataset, config: ProbeRunConfig, reporter: ProgressReporter
) -> Experiment:
    """Returns the pretraining run's data and split with this probe's settings."""
    trained_on = pretrained.config
    data = dataclasses.replace(trained_on.data, data_dir=config.data_dir or trained_on.data.data_dir)
    labels = ("label_fraction", "labels_per_class", "class_imbalance", "label_noise")
    split = dataclasses.replace(trained_on.split, **{name: getattr(config, name) for name in labels})
    settings = dataclasses.replace(trained_on, data=data, split=split, probe=config.probe, head=config.head)
    return prepare_experiment(settings, dataset, reporter)


def _predict_first_example(experiment: Experiment, method: Method, result: MethodResult) -> dict[str, Any]:
    """Returns the first seed's prediction of the first test example."""
    assert method.log_probs is not None
    first = experiment.split.test[:, :1]
    row = int(first[0, 0])
    variables = experiment.plan.shard(result.variables)
    log_probs = apply_to_test_rows(experiment, method.log_probs, variables, first)[0, 0]
    names = experiment.dataset.class_names
    likeliest = int(log_probs.argmax())
    return {
        "row": row,
        "predicted": names[likeliest],
        "probability": float(np.exp(log_probs[likeliest])),
        "label": names[int(experiment.dataset.labels[row])],
    }
