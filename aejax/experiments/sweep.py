"""One kind of autoencoder at every combination of hyperparameter values: reconstruction against accuracy."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import CheckpointConfig, SweepConfig
from aejax.config.shard import parse_shard
from aejax.config.sweep_axes import max_runs_per_program, parse_axes
from aejax.experiments.checkpointing import ResultCache
from aejax.experiments.experiment import Experiment, prepare_experiment, problem_spec_for
from aejax.experiments.identity import identify_run, open_experiment
from aejax.experiments.job import FillRun, Job, run_job
from aejax.experiments.loading import load_labelled_examples
from aejax.experiments.method_result import MethodResult, fit_and_score, load_or_score
from aejax.experiments.progress import ProgressReporter
from aejax.experiments.resolve import resolve_config
from aejax.experiments.results import method_entry, metric_rows, write_scores
from aejax.experiments.schedule import optimizer_for
from aejax.experiments.shards import adopt_results, make_shard_job, shard_results
from aejax.experiments.sweeping.baselines import SweepDesign, make_baselines
from aejax.experiments.sweeping.grid import PointGroup, choose_kind, group_points, make_grid
from aejax.experiments.sweeping.results import ResultEntry, build_sweep_results, point_entry
from aejax.experiments.sweeping.vectorized import experiment_for_group, method_for_group, score_points, with_labels_of
from aejax.experiments.work import FIGURES, STATISTICS, Work, begin_work, end_of_run, method_work
from aejax.methods.method import Method
from aejax.report.drawing import describe_design
from aejax.report.figure_files import FigureFiles
from aejax.report.html_page import PAGE_FILE, write_page
from aejax.report.sweep_table import render_sweep_markdown
from aejax.report.tradeoff_plot import plot_tradeoff
from aejax.storage.atomic_io import write_atomically
from aejax.storage.results_file import write_results
from aejax.storage.run_state import RESULTS_FILE
from aejax.storage.runs import Run
from aejax.train.plan import make_plan


def sweep(
    config: SweepConfig,
    out: Path,
    console: Console,
    checkpoint: CheckpointConfig = CheckpointConfig(),
    merged: Sequence[Path] = (),
) -> dict[str, Any]:
    """Runs a sweep, or its shard, into a folder and returns its results; an interrupted run continues.

    Arguments and errors are those of `run_job`; `merged` are folders of shards whose results are taken.
    """
    start_time = time.perf_counter()
    config.data.require_in_memory("sweep.py")
    axes = parse_axes(config.axis)
    dataset = load_labelled_examples(config.data)
    points = make_grid(config, axes, dataset)
    groups = group_points(points, axes)
    kind = choose_kind(config, axes, dataset)
    resolved = dataclasses.replace(resolve_config(config, dataset), method=kind)
    methods = [method_for_group(kind, group, problem_spec_for(group.points[0].config, dataset)) for group in groups]
    design = SweepDesign(axes, points, groups, methods, make_baselines(kind, axes, groups, dataset))
    parts = [*(point.name for point in points), *design.baselines.methods]
    own = parts if config.shard is None else parse_shard(config.shard).select(parts)
    plan = dataclasses.replace(make_plan(config.plan, max_runs_per_program(config)), seeds=config.seeds)

    def prepare(reporter: ProgressReporter) -> FillRun:
        experiment = prepare_experiment(resolved, dataset, reporter, plan)
        works = [method_work(experiment, name, one) for name, one in design.baselines.methods.items() if name in own]
        for group, method in zip(groups, methods, strict=True):
            of_group = experiment_for_group(experiment, group)
            optimizer_for(of_group, method)  # raises if a schedule does not fit
            works += group_works(of_group, group.restrict(own), method)
        of_points = {group.name: method for group, method in zip(groups, methods, strict=True)}
        reporter.describe("design", f"{len(points)} points, {len(groups)} compilations, {config.seeds} seeds each")
        begin_work(experiment, [*works, *end_of_run(figures=1)], of_points)
        experiment = dataclasses.replace(experiment, evaluation=config.evaluation)

        def fill(run: Run, cache: ResultCache) -> dict[str, Any]:
            opened = open_experiment(experiment, run, cache)
            if config.shard is not None:
                return _fill_shard(opened, design, config.shard, own)
            adopt_results(run, merged)
            return _sweep(opened, design, run)

        return fill

    job = Job(identify_run(resolved, dataset), prepare)
    return run_job(job if config.shard is None else make_shard_job(job), out, console, checkpoint, start_time)


def _fill_shard(experiment: Experiment, design: SweepDesign, shard: str, own: Sequence[str]) -> dict[str, Any]:
    """Trains the points and the baselines that are the shard's own."""
    for number, name in enumerate(design.baselines.methods):
        if name in own:
            score_baseline(experiment, design, f"reference-{number}", name)
    for number, (group, method) in enumerate(zip(design.groups, design.methods, strict=True)):
        part = group.restrict(own)
        if part.points:
            for _ in score_points(experiment, f"group-{number}", part, method):
                pass
    return shard_results(shard, own)


def group_works(experiment: Experiment, group: PointGroup, method: Method) -> list[Work]:
    """Returns the work of training a group, and of classifying by each of its points."""
    if len(group.points) < 2:
        return [method_work(experiment, point.name, method) for point in group.points]
    training = method_work(experiment, group.name, method, stages=("compile", "train"), settings=len(group.trainings))
    stages = ("probe", "diagnose")
    points = [method_work(experiment, point.name, method, stages=stages) for point in group.points]
    return [training._replace(is_counted=False), *points]


def _sweep(experiment: Experiment, design: SweepDesign, run: Run) -> dict[str, Any]:
    scored_baselines = [
        score_baseline(experiment, design, f"reference-{number}", name)
        for number, name in enumerate(design.baselines.methods)
    ]
    points = [
        scored
        for number, (group, method) in enumerate(zip(design.groups, design.methods, strict=True))
        for scored in score_group(experiment, f"group-{number}", group, method, run)
    ]
    order = [point.name for point in design.points]
    points.sort(key=lambda scored: order.index(scored[0]["name"]))  # they were trained by group
    experiment.reporter.start_method(STATISTICS)
    results = build_sweep_results(experiment, design, points, scored_baselines, run.seconds)
    write_scores(run.folder, [result for _, result in [*scored_baselines, *points]], experiment.design)
    write_results(run.folder / RESULTS_FILE, results)
    write_atomically(run.folder / "table.md", render_sweep_markdown(results).encode())
    files = FigureFiles(run.folder, run.figure_format, describe_design(results))
    experiment.reporter.start_method(FIGURES)
    files.write("frontier.png", lambda: plot_tradeoff(results))
    files.add_warnings(results)
    files.attempt(PAGE_FILE, lambda: write_page(results, run.folder))
    files.add_warnings(results)
    return results


def score_baseline(
    experiment: Experiment, design: SweepDesign, key: str, name: str
) -> tuple[ResultEntry, MethodResult]:
    """Returns a baseline's entry, and what the comparisons need of its result."""
    method, config = design.baselines.methods[name], design.baselines.configs.get(name)

    def score() -> MethodResult:
        own = experiment if config is None else with_labels_of(experiment, config)
        return fit_and_score(own, name, method)._replace(variables={})

    result = load_or_score(experiment, key, method, name, score)
    return method_entry(experiment, result), drop_weights(result)


def score_group(
    experiment: Experiment, name: str, group: PointGroup, method: Method, run: Run
) -> Iterator[tuple[ResultEntry, MethodResult]]:
    """Yields the same for every point of a group, and writes its epochs; `name` is the group's within the run."""
    for point, result in score_points(experiment, name, group, method):
        assert result.history is not None
        run.append_metrics(metric_rows(point.name, result.history))
        yield point_entry(experiment, point, result), drop_weights(result)


def drop_weights(result: MethodResult) -> MethodResult:
    """Returns a result without weights and history, which would fill the memory in a long sweep."""
    return result._replace(variables={}, history=None)
