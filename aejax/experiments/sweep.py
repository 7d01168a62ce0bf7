"""One kind of autoencoder at every combination of hyperparameter values: reconstruction against accuracy."""

import dataclasses
import math
import time
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from aejax.config import CheckpointConfig, ExperimentConfig, SweepConfig
from aejax.config.experiment import parse_shard
from aejax.config.sweep_axes import max_runs_per_program, parse_axes
from aejax.evaluate.intervals import summarize_seeds
from aejax.experiments.checkpointing import ResultCache
from aejax.experiments.experiment import Experiment, load_labelled_examples, prepare_experiment, problem_spec_for
from aejax.experiments.job import FillRun, Job, identify_run, open_experiment, run_job
from aejax.experiments.method_result import MethodResult, fit_and_score, load_or_score
from aejax.experiments.progress import ProgressReporter
from aejax.experiments.resolve import resolve_config
from aejax.experiments.results import comparison_entries, method_entry, metric_rows, results_header, write_scores
from aejax.experiments.schedule import optimizer_for
from aejax.experiments.shards import adopt_results, make_shard_job, shard_results
from aejax.experiments.sweeping.baselines import SweepDesign, make_baselines
from aejax.experiments.sweeping.grid import GridPoint, PointGroup, choose_kind, derived_fields, group_points, make_grid
from aejax.experiments.sweeping.vectorized import experiment_for_group, method_for_group, score_points, with_labels_of
from aejax.experiments.work import FIGURES, STATISTICS, Work, begin_work, end_of_run, method_work
from aejax.methods.method import Method
from aejax.report.run_page import FigureFiles
from aejax.report.style import describe_design
from aejax.report.sweep_table import render_sweep_markdown
from aejax.report.tradeoff_plot import plot_tradeoff
from aejax.storage.atomic_io import write_atomically
from aejax.storage.results_file import write_results
from aejax.storage.run_folder import RESULTS_FILE
from aejax.storage.runs import Run
from aejax.train.plan import make_plan

ResultEntry = dict[str, Any]

SELECTION_METRICS = ("valid_nll", "valid_reconstruction_mse")  # the first available one selects the best point


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
    with_methods = list(zip(groups, methods, strict=True))
    design = SweepDesign(axes, points, with_methods, make_baselines(kind, axes, groups, dataset))
    parts = [*(point.name for point in points), *design.baselines.methods]
    own = parts if config.shard is None else parse_shard(config.shard).select(parts)
    plan = dataclasses.replace(make_plan(config.plan, max_runs_per_program(config)), seeds=config.seeds)

    def prepare(reporter: ProgressReporter) -> FillRun:
        experiment = prepare_experiment(resolved, dataset, reporter, plan)
        baselines = design.baselines.methods.items()
        works = [method_work(experiment, name, method) for name, (method, _) in baselines if name in own]
        for group, method in with_methods:
            of_group = experiment_for_group(experiment, group)
            optimizer_for(of_group, method)  # raises if a schedule does not fit
            works += group_works(of_group, group.restrict(own), method)
        of_points = {group.name: method for group, method in with_methods}
        reporter.describe("design", f"{len(points)} points, {len(groups)} compilations, {config.seeds} seeds each")
        begin_work(experiment, [*works, *end_of_run(figures=1)], of_points)
        experiment = dataclasses.replace(experiment, evaluation=config.evaluation)

        def fill(run: Run, cache: ResultCache) -> dict[str, Any]:
            opened = open_experiment(experiment, run, cache)
            if config.shard is not None:
                for _ in score_parts(opened, design, own):
                    pass
                return shard_results(config.shard, own)
            adopt_results(run, merged)
            return _sweep(opened, design, run)

        return fill

    job = Job(identify_run(resolved, dataset, [kind]), prepare)
    return run_job(job if config.shard is None else make_shard_job(job), out, console, checkpoint, start_time)


def score_parts(
    experiment: Experiment, design: SweepDesign, names: Container[str]
) -> Iterator[tuple[GridPoint | None, MethodResult]]:
    """Yields the results of the baselines and then of the points that are in `names`; a baseline has no point."""
    for number, (name, (method, config)) in enumerate(design.baselines.methods.items()):
        if name in names:
            yield None, score_baseline(experiment, f"reference-{number}", name, method, config)
    for number, (group, method) in enumerate(design.groups):
        yield from score_points(experiment, f"group-{number}", group, method, names)


def group_works(experiment: Experiment, group: PointGroup, method: Method) -> list[Work]:
    """Returns the work of training a group, and of classifying by each of its points."""
    if len(group.points) < 2:
        return [method_work(experiment, point.name, method) for point in group.points]
    training = method_work(experiment, group.name, method, stages=("compile", "train"), settings=len(group.trainings))
    stages = ("probe", "diagnose")
    points = [method_work(experiment, point.name, method, stages=stages) for point in group.points]
    return [training._replace(is_counted=False), *points]


def _sweep(experiment: Experiment, design: SweepDesign, run: Run) -> dict[str, Any]:
    order = [point.name for point in design.points]
    baselines, points = [], []
    for point, result in score_parts(experiment, design, {*design.baselines.methods, *order}):
        without_weights = result._replace(variables={}, history=None)  # which would fill the memory in a long sweep
        if point is None:
            baselines.append((method_entry(experiment, result), without_weights))
            continue
        assert result.history is not None
        run.append_metrics(metric_rows(point.name, result.history))
        points.append((point_entry(experiment, point, result), without_weights))
    points.sort(key=lambda scored: order.index(scored[0]["name"]))  # they were trained by group
    experiment.reporter.start_method(STATISTICS)
    results = build_sweep_results(experiment, design, points, baselines, run.seconds)
    write_scores(run.folder, [result for _, result in [*baselines, *points]], experiment.design)
    write_results(run.folder / RESULTS_FILE, results)
    write_atomically(run.folder / "table.md", render_sweep_markdown(results).encode())
    files = FigureFiles(run.folder, run.figure_format, describe_design(results))
    experiment.reporter.start_method(FIGURES)
    files.write("frontier.png", lambda: plot_tradeoff(results))
    files.write_page(results)
    return results


def score_baseline(
    experiment: Experiment, key: str, name: str, method: Method, config: ExperimentConfig
) -> MethodResult:
    """Returns the result of a baseline, with the labels of a config."""

    def score() -> MethodResult:
        has_labels = config.split == experiment.config.split
        own = experiment if has_labels else with_labels_of(experiment, config)
        return fit_and_score(own, name, method)._replace(variables={})

    return load_or_score(experiment, key, method, name, score)


def point_entry(experiment: Experiment, point: GridPoint, result: MethodResult) -> ResultEntry:
    """Returns an entry of `points`: that of a method, with the setting and the validation metrics."""
    assert result.history is not None
    nll = None if result.classifier_report.probe is None else np.asarray(result.classifier_report.probe.valid_nll)
    mse = result.history.metrics.get("valid_mse")
    return {
        **method_entry(experiment, result),
        "setting": point.values,
        "epochs": result.history.epochs,
        "valid_nll": None if nll is None or np.isnan(nll).any() else summarize_seeds(nll),
        "valid_reconstruction_mse": None if mse is None else summarize_seeds(mse[:, -1]),
    }


def select_best_point(entries: Sequence[ResultEntry]) -> dict[str, str] | None:
    """Returns the name of the point with the lowest mean validation metric, and the metric.

    The metric is the probe's validation loss, if its penalty was chosen on it, else the reconstruction error of
    validation rows. The test set is not used.
    """
    for metric in SELECTION_METRICS:
        means = [math.nan if entry[metric] is None else float(entry[metric]["mean"]) for entry in entries]
        if not all(map(math.isnan, means)):
            return {"name": entries[int(np.nanargmin(means))]["name"], "by": metric}
    return None


def build_sweep_results(
    experiment: Experiment,
    design: SweepDesign,
    points: Sequence[tuple[ResultEntry, MethodResult]],
    baselines: Sequence[tuple[ResultEntry, MethodResult]],
    seconds: float,
) -> ResultEntry:
    """Returns the contents of a sweep's `results.json`, from the entry and the result of each point and baseline."""
    derived = derived_fields(design.points)
    against = design.baselines.by_point
    entries = [{**entry, "follows": derived[entry["name"]], "against": against[entry["name"]]} for entry, _ in points]
    same_labels = not any(axis.is_label_budget for axis in design.axes)
    best = select_best_point(entries) if same_labels else None
    seeds = len(points[0][1].scores.correct)
    pairs = [(entry["name"], name) for entry in entries for name in entry["against"].values()]
    if best is not None:
        pairs += [(entry["name"], best["name"]) for entry in entries if entry["name"] != best["name"]]
    rows = max(len(group.trainings) for group, _ in design.groups) * seeds
    widest = dataclasses.replace(experiment.plan, seeds=rows).describe().replace("seeds", f"runs of {seeds} seeds")
    header = results_header(experiment, seconds, "sweep")
    return {
        **header,
        "environment": {**header["environment"], "plan": widest},
        "axes": [{"field": axis.field, "config": axis.section, "values": list(axis.values)} for axis in design.axes],
        "groups": [
            {"points": [point.name for point in group.points], "carried": list(group.traced)}
            for group, _ in design.groups
        ],
        "points": entries,
        "references": [entry for entry, _ in baselines],
        "chosen": best,
        **comparison_entries(experiment, [result for _, result in [*points, *baselines]], pairs),
    }
