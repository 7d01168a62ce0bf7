"""The main experiment: every method on the same splits, with the same probe and the same budget of epochs."""

import dataclasses
import functools
import itertools
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.console import Console

from aejax.config import CheckpointConfig, CompareConfig
from aejax.config.experiment import parse_shard
from aejax.data.dataset import Dataset
from aejax.data.suspicions import add_warnings
from aejax.evaluate.comparisons import VERSUS_FAMILY
from aejax.evaluate.power import describe_resolution
from aejax.evaluate.verdict_metrics import VERDICT_METRICS
from aejax.experiments.checkpointing import RESULT_CACHE_DIR
from aejax.experiments.experiment import Experiment, load_labelled_examples, prepare_experiment, problem_spec_for
from aejax.experiments.feature_evaluation import require_selection
from aejax.experiments.job import FillRun, Job, identify_run, load_kept_result, open_experiment, run_job
from aejax.experiments.method_result import MethodResult, fit_and_score, load_or_score
from aejax.experiments.own_rows import find_own_training_rows, load_own_rows, require_columns
from aejax.experiments.plots import plot_comparison
from aejax.experiments.progress import ProgressReporter
from aejax.experiments.resolve import check_methods, check_versus, expand_methods, resolve_config
from aejax.experiments.results import build_results, metric_rows, write_scores
from aejax.experiments.schedule import total_epochs
from aejax.experiments.shards import adopt_results, make_shard_job, shard_results
from aejax.experiments.tuning import require_tunable, tune_and_score
from aejax.experiments.work import (
    FIGURES,
    STATISTICS,
    begin_work,
    comparison_works,
    describe_methods,
    end_of_run,
    require_training_memory,
)
from aejax.methods.external import Representation
from aejax.methods.method import Method
from aejax.methods.registry import comparison_pairs, make_method, versus_pairs
from aejax.methods.tuning_space import has_settings
from aejax.report.comparison_table import render_comparison_markdown
from aejax.report.run_page import FigureFiles
from aejax.report.style import describe_design
from aejax.storage.atomic_io import write_atomically
from aejax.storage.results_file import write_results
from aejax.storage.run_folder import RESULTS_FILE
from aejax.storage.run_identity import RunIdentity
from aejax.storage.runs import Run


class EarlierRun(NamedTuple):
    """A comparison with results that another one of the same splits need not compute again."""

    folder: Path
    sha256: str  # of its split, or of its split without labels where the other one has other labels
    unchanged: frozenset[str]  # methods with the same results in both
    trained: frozenset[str]  # methods with the same features in both

    def load(self, name: str) -> MethodResult | None:
        """Returns a method's result, if its features are the same and the run kept it."""
        return load_kept_result(self.folder, name) if name in self.trained else None


class ComparisonDesign(NamedTuple):
    """What a comparison trains."""

    config: CompareConfig  # resolved
    dataset: Dataset
    methods: dict[str, Method]
    keep_results: bool = False  # of every method with its weights, in the run's folder
    earlier: EarlierRun | None = None
    figures: bool = True
    representations: Mapping[str, Representation] = MappingProxyType({})  # of the user's, by name
    merged: Sequence[Path] = ()  # folders of shards with the results of all methods

    @property
    def identity(self) -> RunIdentity:
        """The identity of its run."""
        return identify_run(self.config, self.dataset, self.config.methods, self.representations)

    @property
    def trained(self) -> dict[str, Method]:
        """The methods that are trained; methods with the same features are trained once, under the first one's name."""
        return {method.features_of or name: method for name, method in self.methods.items()}

    def count_epochs(self, known: Container[str] = ()) -> int:
        """Returns the epochs of all trainings but those of the methods in `known`."""
        return sum(total_epochs(self.config, method) for name, method in self.trained.items() if name not in known)

    @property
    def comparisons(self) -> list[tuple[str, str, str]]:
        """Method, baseline and family of every comparison: a method's with its controls, then one of all `--versus`."""
        controlled = [(method, control, method) for method, control in comparison_pairs(self.methods)]
        versus = versus_pairs(self.methods, self.config.versus)
        return [*controlled, *((method, baseline, VERSUS_FAMILY) for method, baseline in versus)]


def compare(
    config: CompareConfig,
    out: Path,
    console: Console,
    checkpoint: CheckpointConfig = CheckpointConfig(),
    merged: Sequence[Path] = (),
) -> dict[str, Any]:
    """Runs a comparison, or its shard, into a folder and returns its results; an interrupted run continues.

    Arguments and errors are those of `run_job`; `merged` are folders of shards whose results are taken.
    """
    start_time = time.perf_counter()
    return run_comparison(load_comparison(config)._replace(merged=merged), out, console, checkpoint, start_time)


def load_comparison(config: CompareConfig) -> ComparisonDesign:
    """Loads the data of a comparison. Raises `InputError` if they or the settings cannot be used."""
    config.data.require_in_memory("compare.py")
    own_rows = load_own_rows(config)
    check_methods(config.methods, own=own_rows)
    config = dataclasses.replace(config, methods=tuple(dict.fromkeys([*config.methods, *own_rows])))
    return design_comparison(config, load_labelled_examples(config.data), own_rows)


def design_comparison(
    config: CompareConfig, dataset: Dataset, representations: Mapping[str, Representation] = MappingProxyType({})
) -> ComparisonDesign:
    """Returns the design of a comparison on a dataset. The methods of the config include the user's representations.

    Raises:
        InputError: there is no such method, or the settings contradict each other.
    """
    check_methods(config.methods, own=representations)
    require_columns(representations, dataset)
    config = dataclasses.replace(resolve_config(config, dataset), methods=expand_methods(config.methods, dataset))
    check_versus(config.versus, config.methods, representations)
    require_tunable(config)
    dataset = add_warnings(dataset, find_own_training_rows(config, dataset, representations))
    problem = problem_spec_for(config, dataset)
    methods = {
        name: representations[name].as_method() if name in representations else make_method(name, problem)
        for name in config.methods
    }
    if config.shard is not None:  # methods with the same features are in the same shard
        trained = dict.fromkeys(method.features_of or name for name, method in methods.items())
        own = parse_shard(config.shard).select(trained)
        methods = {name: method for name, method in methods.items() if (method.features_of or name) in own}
    return ComparisonDesign(config, dataset, methods, representations=representations)


def run_comparison(
    design: ComparisonDesign, out: Path, console: Console, checkpoint: CheckpointConfig, start_time: float
) -> dict[str, Any]:
    """Runs a comparison whose data are loaded; arguments and errors are those of `run_job`."""
    shard = design.config.shard

    def prepare(reporter: ProgressReporter) -> FillRun:
        experiment, fill = prepare_comparison(design, reporter), _compare if shard is None else _fill_shard
        return lambda run, cache: fill(open_experiment(experiment, run, cache), design, run)

    job = Job(design.identity, prepare)
    if design.keep_results:
        job = job._replace(remove=tuple(name for name in job.remove if name != RESULT_CACHE_DIR))
    return run_job(job if shard is None else make_shard_job(job), out, console, checkpoint, start_time)


def prepare_comparison(design: ComparisonDesign, reporter: ProgressReporter) -> Experiment:
    """Returns the experiment of a comparison, before anything is trained. Raises as `prepare_experiment`."""
    experiment = prepare_experiment(design.config, design.dataset, reporter)
    require_selection(experiment, design.methods)
    describe_methods(experiment, design.methods)
    require_training_memory(experiment, design.trained)
    evaluation, sizes = design.config.evaluation, Counter(family for *_, family in design.comparisons).values()
    if sizes and design.config.shard is None:
        metric = VERDICT_METRICS[evaluation.metric]
        reporter.describe("design", *describe_resolution(experiment.design, sizes, metric, evaluation.margin))
    known = design.earlier.trained if design.earlier else ()
    works = comparison_works(experiment, design.methods, design.config.tune, known)
    begin_work(experiment, itertools.chain(works, end_of_run(figures=int(design.figures))), design.methods)
    return dataclasses.replace(experiment, evaluation=evaluation)


def score_comparison(
    experiment: Experiment,
    design: ComparisonDesign,
    seconds: Callable[[], float],
    record: Callable[[MethodResult], None] = lambda result: None,
) -> tuple[list[MethodResult], dict[str, Any]]:
    """Trains and scores every method of a comparison; returns their results and the content of `results.json`.

    `seconds` returns the seconds since the run began; `record` is called with each result as soon as it is there.
    """
    scored = {}
    for result in fit_and_score_all(experiment, design):
        record(result)
        # Figures show the weights of the first seed alone. Those of all would fill the memory.
        first_seed = jax.tree.map(lambda leaf: np.array(leaf[:1]), result.variables)
        scored[result.name] = result._replace(variables=first_seed)
        del result  # otherwise its weights stay in memory until the next method has been trained
    method_results = [scored[name] for name in design.methods]
    experiment.reporter.start_method(STATISTICS)
    pairs = [(method, baseline) for method, baseline, _ in design.comparisons]
    families = [family for *_, family in design.comparisons]
    return method_results, build_results(experiment, method_results, pairs, seconds(), families)


def _fill_shard(experiment: Experiment, design: ComparisonDesign, run: Run) -> dict[str, Any]:
    assert design.config.shard is not None
    names = [result.name for result in fit_and_score_all(experiment, design)]
    return shard_results(design.config.shard, names)


def _compare(experiment: Experiment, design: ComparisonDesign, run: Run) -> dict[str, Any]:
    adopt_results(run, design.merged)

    def record(result: MethodResult) -> None:
        if result.history is not None and not result.shared_training:
            run.append_metrics(metric_rows(result.name, result.history))

    method_results, results = score_comparison(experiment, design, lambda: run.seconds, record)
    write_comparison(experiment, method_results, design.methods, results, run, figures=design.figures)
    return results


def write_comparison(
    experiment: Experiment,
    method_results: list[MethodResult],
    methods: Mapping[str, Method],
    results: dict[str, Any],
    run: Run,
    *,
    figures: bool = True,
) -> None:
    """Writes the scores, results and `table.md`, then the figures and `report.html`, which shows them.

    What cannot be drawn becomes one of the results' `warnings`.
    """
    folder, files = run.folder, FigureFiles(run.folder, run.figure_format, describe_design(results))
    write_scores(folder, method_results, experiment.design)
    write_results(folder / RESULTS_FILE, results)
    write_atomically(folder / "table.md", render_comparison_markdown(results).encode())
    if figures:
        experiment.reporter.start_method(FIGURES)
        plot_comparison(experiment, [(result, methods[result.name]) for result in method_results], results, files)
        files.write_page(results)


def fit_and_score_all(experiment: Experiment, design: ComparisonDesign) -> Iterator[MethodResult]:
    """Yields the result of every method. Methods with the same features are trained once, under the first one's name.

    A method whose features another one uses comes before it, wherever it is in `methods`. What an earlier run has
    trained or scored is taken from there.
    """
    methods, earlier, split = design.methods, design.earlier, experiment.split
    if earlier is not None and earlier.sha256 not in (split.sha256, split.unlabelled_sha256):
        earlier = None  # another version drew it
    first_results: dict[str, MethodResult] = {}
    reused = {method.features_of for method in methods.values()}

    def score(name: str) -> MethodResult:
        method, kept = methods[name], None if earlier is None else earlier.load(name)
        if kept is not None and earlier is not None and name in earlier.unchanged:
            return kept._replace(shared_training=True)
        tune = design.config.tune
        if kept is None and tune is not None and has_settings(name, method):
            return tune_and_score(experiment, name, method, tune)
        return fit_and_score(experiment, name, method, first_results.get(method.features_of or name, kept))

    for name in sorted(methods, key=lambda name: methods[name].features_of in methods):
        method = methods[name]
        trained_as = method.features_of or name
        result = load_or_score(experiment, name, method, name, functools.partial(score, name))
        if trained_as in reused:
            first_results.setdefault(trained_as, result)
        yield result
        del result
