"""The main job: every method on the same splits, with the same probe and the same budget."""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import CheckpointConfig, CompareConfig, to_dict
from aejax.data.registry import load_dataset
from aejax.experiments.checkpointing import WORKING_DIRS
from aejax.experiments.checks import require_knn_validation_rows
from aejax.experiments.experiment import Experiment, prepare_experiment, problem_spec_for
from aejax.experiments.method_result import MethodResult, fit_and_score, report_cached
from aejax.experiments.multihost import primary_first
from aejax.experiments.plots import plot_comparison
from aejax.experiments.progress import open_reporter
from aejax.experiments.resolve import check_methods, expand_methods, resolve_config
from aejax.experiments.results import build_results, metric_rows, serialize_scores
from aejax.experiments.run_dir import load_finished, open_run_dir
from aejax.experiments.training import total_epochs
from aejax.methods import METHODS, Method, comparison_pairs
from aejax.report.comparison_table import render_comparison_markdown
from aejax.storage.atomic_io import write_atomically


def fit_and_score_all(experiment: Experiment, methods: dict[str, Method]) -> Iterator[MethodResult]:
    """Every method's outcome. Methods that have the same features are trained once, under the first one's name.

    A method that gives its features to others comes before them, wherever it stands in the table.
    """
    lenders: dict[str, MethodResult] = {}
    for name in sorted(methods, key=lambda name: methods[name].features_of in methods):
        features_of = methods[name].features_of or name
        outcome = experiment.result_cache.load_result(name)
        if outcome is None:
            outcome = fit_and_score(experiment, name, methods[name], lenders.get(features_of))
            experiment.result_cache.save_result(name, outcome)
        else:
            outcome = outcome._replace(role=methods[name].role)
            report_cached(experiment, outcome)
        lenders.setdefault(features_of, outcome)
        yield outcome


def compare(
    config: CompareConfig, out: Path, console: Console, checkpoint: CheckpointConfig = CheckpointConfig()
) -> dict[str, Any]:
    """Run a comparison into a folder and return its results.

    A finished run of the same config is just read; one that was interrupted goes on between and inside methods.

    Args:
        config: what to compare.
        out: the run folder.
        console: where progress goes.
        keeping: what becomes of an earlier run, and how often to save.

    Raises:
        InputError: what is asked for cannot be done; nothing has been trained.
        Stopped: a signal came; the same call goes on.
    """
    began = time.perf_counter()
    config.data.require_in_memory("compare.py")
    check_methods(config.methods)
    dataset = primary_first(lambda: load_dataset(config.data))
    config = dataclasses.replace(resolve_config(config, dataset), methods=expand_methods(config.methods, dataset))
    if (known := load_finished(out, to_dict(config), checkpoint, console)) is not None:
        return known
    setting = problem_spec_for(config, dataset)
    methods = {name: METHODS[name](setting) for name in config.methods}
    trainings = {method.features_of or name: method for name, method in methods.items()}
    epochs = sum(total_epochs(config, method) for method in trainings.values())
    with open_reporter(console, total_epochs=epochs) as reporter:
        experiment = prepare_experiment(config, dataset, reporter)
        require_knn_validation_rows(experiment, methods)
        with open_run_dir(out, to_dict(config), checkpoint, console, began) as (run, keeper):
            experiment = dataclasses.replace(experiment, result_cache=keeper)
            scored = []
            for outcome in fit_and_score_all(experiment, methods):
                if outcome.history is not None and not outcome.shared_training:
                    run.append_metrics(metric_rows(outcome.name, outcome.history))
                scored.append(outcome)
            scored.sort(key=lambda outcome: config.methods.index(outcome.name))
            outcomes = [(outcome, methods[outcome.name]) for outcome in scored]
            pairs = comparison_pairs(methods)
            found = build_results(experiment, scored, pairs, run.seconds, margin=config.evaluation.margin)
            write_atomically(run.folder / "scores.npz", serialize_scores(scored))
            plot_comparison(experiment, outcomes, found, run.folder)
            write_atomically(run.folder / "table.md", render_comparison_markdown(found).encode())
            keeper.flush()
            run.finish(found, remove=WORKING_DIRS)
    return found
