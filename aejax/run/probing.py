"""Classify with a pretrained encoder: the convex probe, and the tutorials' softmax head on the frozen encoder."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optax
from rich.console import Console

from aejax.config import HeadConfig, KeepingConfig, ProbingConfig, to_dict
from aejax.errors import require
from aejax.methods import METHODS, Method
from aejax.models.autoencoder import Autoencoder
from aejax.models.parts import Variables
from aejax.report.table import markdown_table
from aejax.run.assemble import metric_rows, results, scores_npz
from aejax.run.encoding import at_rows
from aejax.run.experiment import Experiment, prepare
from aejax.run.folder import filling, finished
from aejax.run.heads import classifier_on, train_head
from aejax.run.keeping import WORKING
from aejax.run.pictures import draw_comparison
from aejax.run.pretrain import Pretrained, open_pretrained
from aejax.run.progress import Reporter, reporting
from aejax.run.scoring import Outcome, report_found, score_method, summary_line
from aejax.run.trained_on import load_trained_on
from aejax.store.files import write_atomically
from aejax.train.optimizers import freeze


def probe_run(
    folder: Path, config: ProbingConfig, out: Path, console: Console, keeping: KeepingConfig = KeepingConfig()
) -> dict[str, Any]:
    """Classify with the encoder of a pretraining run, for every seed, in both ways; write the results into `out`.

    Raises:
        InputError: the run cannot be opened, or the data are not those it was trained on.
    """
    began = time.perf_counter()
    pretrained = open_pretrained(folder)
    settings = {"run": pretrained.results["config"], **to_dict(config)}
    if (known := finished(out, settings, keeping, console)) is not None:
        return known
    name = pretrained.config.method
    with reporting(console, total_epochs=config.head.head_epochs) as reporter:
        experiment = _same_data(pretrained, config, reporter)
        with filling(out, settings, keeping, console, began) as (run, keeper):
            experiment = dataclasses.replace(experiment, keeper=keeper)
            variables = experiment.plan.put_seeded(pretrained.variables)
            method = METHODS[name](experiment.setting)
            by_probe = _found_or(
                experiment, "probe", name, lambda: score_method(experiment, name, method, variables, None, 0.0)
            )
            head_name, head_method = f"{name} + head", _head_method(experiment, pretrained.model)
            by_head = _found_or(
                experiment,
                "head",
                head_name,
                lambda: _train_head(experiment, head_name, head_method, config.head, pretrained.model, variables),
            )
            assert by_head.course is not None
            run.append_metrics(metric_rows(by_head.name, by_head.course))
            found = results(experiment, [by_probe, by_head], [], run.seconds)
            found["prediction"] = _predict_one(experiment, head_method, by_head)
            write_atomically(run.folder / "scores.npz", scores_npz([by_probe, by_head]))
            draw_comparison(experiment, [(by_probe, method), (by_head, head_method)], found, run.folder)
            write_atomically(run.folder / "table.md", markdown_table(found).encode())
            keeper.settle()
            run.finish(found, drop=WORKING)
    return found


def _found_or(experiment: Experiment, kept_as: str, name: str, score: Callable[[], Outcome]) -> Outcome:
    """What an earlier attempt at this run has found, or else what `score` finds now."""
    outcome = experiment.keeper.found(kept_as)
    if outcome is not None:
        report_found(experiment, outcome)
        return outcome
    experiment.reporter.begin(name)
    outcome = score()
    experiment.keeper.keep(kept_as, outcome)
    experiment.reporter.end(summary_line(outcome))
    return outcome


def _same_data(pretrained: Pretrained, config: ProbingConfig, reporter: Reporter) -> Experiment:
    """The pretraining run's data and split, verified, with this probe's settings."""
    dataset, _ = load_trained_on(pretrained, config.data_dir)
    trained_on = pretrained.config
    data = dataclasses.replace(trained_on.data, data_dir=config.data_dir or trained_on.data.data_dir)
    require(dataset.classes >= 2, f"{dataset.name}: has no labels to classify by; add them, as labels.npy for instance")
    split = dataclasses.replace(
        trained_on.split, label_fraction=config.label_fraction, labels_per_class=config.labels_per_class
    )
    settings = dataclasses.replace(trained_on, data=data, split=split, probe=config.probe, head=config.head)
    return prepare(settings, dataset, reporter)


def _head_method(experiment: Experiment, autoencoder: Autoencoder) -> Method:
    """An encoder with a softmax layer on it, as a method."""
    model = classifier_on(experiment, autoencoder)
    return Method(start=lambda key, inputs: model.init(key), encode=model.encode, log_probs=model.log_probs)


def _train_head(
    experiment: Experiment,
    name: str,
    method: Method,
    config: HeadConfig,
    autoencoder: Autoencoder,
    encoder: Variables,
) -> Outcome:
    """A softmax layer trained by gradient steps on the whole model, the encoder frozen."""
    trained = train_head(
        experiment,
        "head",
        classifier_on(experiment, autoencoder),
        encoder,
        freeze(optax.adam(config.head_learning_rate), {"encoder"}),
        frozen_encoder=True,
        epochs=config.head_epochs,
        batch_size=config.head_batch_size,
    )
    variables, course = trained.fit.state.variables, trained.course
    return score_method(experiment, name, method, variables, course, course.seconds)


def _predict_one(experiment: Experiment, method: Method, outcome: Outcome) -> dict[str, Any]:
    """What the first seed's head says of the first test example."""
    assert method.log_probs is not None
    row = int(experiment.split.test[0])
    variables = experiment.plan.put_seeded(outcome.variables)
    log_probs = at_rows(experiment, method.log_probs, variables, np.array([row]))[0, 0]
    names = experiment.dataset.class_names
    likeliest = int(log_probs.argmax())
    return {
        "row": row,
        "predicted": names[likeliest],
        "probability": float(np.exp(log_probs[likeliest])),
        "label": names[int(experiment.dataset.labels[row])],
    }
