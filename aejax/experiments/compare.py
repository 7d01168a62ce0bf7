"""The main experiment: every method on the same splits, with the same probe and the same budget of epochs."""

import dataclasses
import functools
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from aejax.config import CheckpointConfig, CompareConfig
from aejax.data.dataset import Dataset
from aejax.evaluate.comparisons import VERSUS_FAMILY
from aejax.experiments.checks import require_knn_validation_rows
from aejax.experiments.experiment import Experiment, prepare_experiment, problem_spec_for
from aejax.experiments.identity import identify_run, open_experiment
from aejax.experiments.job import FillRun, Job, run_job
from aejax.experiments.loading import load_labelled_examples
from aejax.experiments.method_result import MethodResult, fit_and_score, load_or_score
from aejax.experiments.plots import plot_comparison
from aejax.experiments.progress import ProgressReporter
from aejax.experiments.resolve import check_methods, check_versus, expand_methods, resolve_config
from aejax.experiments.results import build_results, metric_rows, write_scores
from aejax.experiments.schedule import total_epochs
from aejax.methods.method import Method
from aejax.methods.registry import METHODS, comparison_pairs, versus_pairs
from aejax.report.comparison_table import render_comparison_markdown
from aejax.report.html_page import render_comparison_page
from aejax.storage.atomic_io import write_atomically
from aejax.storage.runs import Run


class ComparisonDesign(NamedTuple):
    """What a comparison trains."""

    config: CompareConfig  # resolved
    dataset: Dataset
    methods: dict[str, Method]

    @property
    def trained(self) -> dict[str, Method]:
        """The methods that are trained; methods with the same features are trained once, under the first one's name."""
        return {method.features_of or name: method for name, method in self.methods.items()}


def compare(
    config: CompareConfig, out: Path, console: Console, checkpoint: CheckpointConfig = CheckpointConfig()
) -> dict[str, Any]:
    """Runs a comparison into a folder and returns its results; an interrupted run continues within its method.

    Arguments and errors are those of `run_job`.
    """
    start_time = time.perf_counter()
    return run_comparison(load_comparison(config), out, console, checkpoint, start_time)


def load_comparison(config: CompareConfig) -> ComparisonDesign:
    """Loads the data of a comparison. Raises `InputError` if they or the settings cannot be used."""
    config.data.require_in_memory("compare.py")
    check_methods(config.methods)
    return design_comparison(config, load_labelled_examples(config.data))


def design_comparison(config: CompareConfig, dataset: Dataset) -> ComparisonDesign:
    """Returns the design of a comparison on a dataset. Raises `InputError` if the settings contradict each other."""
    config = dataclasses.replace(resolve_config(config, dataset), methods=expand_methods(config.methods, dataset))
    check_versus(config.versus, config.methods)
    problem = problem_spec_for(config, dataset)
    return ComparisonDesign(config, dataset, {name: METHODS[name](problem) for name in config.methods})


def run_comparison(
    design: ComparisonDesign, out: Path, console: Console, checkpoint: CheckpointConfig, start_time: float
) -> dict[str, Any]:
    """Runs a comparison whose data are loaded; arguments and errors are those of `run_job`."""
    config, dataset, methods = design

    def prepare(reporter: ProgressReporter) -> FillRun:
        experiment = prepare_experiment(config, dataset, reporter)
        require_knn_validation_rows(experiment, methods)
        experiment = dataclasses.replace(experiment, evaluation=config.evaluation)
        return lambda run, cache: _compare(open_experiment(experiment, run, cache), design, run)

    epochs = sum(total_epochs(config, method) for method in design.trained.values())
    return run_job(Job(identify_run(config, dataset), epochs, prepare), out, console, checkpoint, start_time)


def _compare(experiment: Experiment, design: ComparisonDesign, run: Run) -> dict[str, Any]:
    methods, scored = design.methods, {}
    for result in fit_and_score_all(experiment, methods):
        if result.history is not None and not result.shared_training:
            run.append_metrics(metric_rows(result.name, result.history))
        scored[result.name] = result
    method_results = [scored[name] for name in methods]
    controlled, versus = comparison_pairs(methods), versus_pairs(methods, design.config.versus)
    families = [*(method for method, _ in controlled), *(VERSUS_FAMILY for _ in versus)]
    results = build_results(experiment, method_results, [*controlled, *versus], run.seconds, families)
    write_comparison(experiment, method_results, methods, results, run.folder)
    return results


def write_comparison(
    experiment: Experiment,
    method_results: list[MethodResult],
    methods: Mapping[str, Method],
    results: dict[str, Any],
    folder: Path,
) -> None:
    """Writes the scores, the figures, `table.md` and `report.html` of a comparison."""
    write_scores(folder, method_results, experiment.design)
    plot_comparison(experiment, [(result, methods[result.name]) for result in method_results], results, folder)
    write_atomically(folder / "table.md", render_comparison_markdown(results).encode())
    write_atomically(folder / "report.html", render_comparison_page(results, folder).encode())


def fit_and_score_all(experiment: Experiment, methods: Mapping[str, Method]) -> Iterator[MethodResult]:
    """Yields the result of every method. Methods with the same features are trained once, under the first one's name.

    A method whose features another one uses comes before it, wherever it is in `methods`.
    """
    first_results: dict[str, MethodResult] = {}
    for name in sorted(methods, key=lambda name: methods[name].features_of in methods):
        method = methods[name]
        trained_as = method.features_of or name
        score = functools.partial(fit_and_score, experiment, name, method, first_results.get(trained_as))
        result = load_or_score(experiment, name, method, name, score)
        first_results.setdefault(trained_as, result)
        yield result
