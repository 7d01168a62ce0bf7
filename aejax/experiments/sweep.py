"""One kind of autoencoder at every combination of some settings: the frontier of reconstruction and accuracy."""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import CheckpointConfig, SweepConfig, to_dict
from aejax.config.sweep_axes import max_runs_per_program, parse_axes
from aejax.data.registry import load_dataset
from aejax.experiments.checkpointing import WORKING_DIRS
from aejax.experiments.experiment import Experiment, prepare_experiment, problem_spec_for
from aejax.experiments.method_result import MethodResult, fit_and_score, report_cached
from aejax.experiments.multihost import primary_first
from aejax.experiments.progress import open_reporter
from aejax.experiments.resolve import resolve_config
from aejax.experiments.results import method_entry, metric_rows, serialize_scores
from aejax.experiments.run_dir import load_finished, open_run_dir
from aejax.experiments.sweeping.baselines import make_baselines
from aejax.experiments.sweeping.grid import PointGroup, choose_kind, group_points, make_grid
from aejax.experiments.sweeping.results import ResultEntry, build_sweep_results, point_entry
from aejax.experiments.sweeping.vectorized import experiment_for_group, method_for_group, score_points
from aejax.experiments.training import optimizer_for, total_epochs
from aejax.methods import Method
from aejax.report.style import save_figure
from aejax.report.sweep_table import render_sweep_markdown
from aejax.report.tradeoff_plot import plot_tradeoff
from aejax.storage.atomic_io import write_atomically
from aejax.storage.runs import Run
from aejax.train.plan import make_plan


def sweep(
    config: SweepConfig, out: Path, console: Console, checkpoint: CheckpointConfig = CheckpointConfig()
) -> dict[str, Any]:
    """Run a sweep into a folder and return its results.

    A finished run of the same config is just read; one that was interrupted goes on between and inside trainings.

    Args:
        config: what to sweep, and over what.
        out: the run folder.
        console: where progress goes.
        keeping: what becomes of an earlier run, and how often to save.

    Raises:
        InputError: what is asked for cannot be done; nothing has been trained.
        Stopped: a signal came; the same call goes on.
    """
    began = time.perf_counter()
    config.data.require_in_memory("sweep.py")
    axes = parse_axes(config.axis)
    dataset = primary_first(lambda: load_dataset(config.data))
    points = make_grid(config, axes, dataset)
    groups = group_points(points, axes)
    kind = choose_kind(config, axes, dataset)
    resolved = dataclasses.replace(resolve_config(config, dataset), method=kind)
    if (known := load_finished(out, to_dict(resolved), checkpoint, console)) is not None:
        return known
    methods = [method_for_group(kind, group, problem_spec_for(group.points[0].config, dataset)) for group in groups]
    trainings = list(zip(groups, methods, strict=True))
    references = make_baselines(kind, axes, groups, dataset)
    plan = dataclasses.replace(make_plan(config.plan, max_runs_per_program(config)), seeds=config.seeds)
    epochs = sum(total_epochs(group.points[0].config, method) for group, method in trainings)
    with open_reporter(console, total_epochs=epochs) as reporter:
        experiment = prepare_experiment(resolved, dataset, reporter, plan)
        for group, method in trainings:
            optimizer_for(
                experiment_for_group(experiment, group), method
            )  # refuses a schedule that does not fit any group
        with open_run_dir(out, to_dict(resolved), checkpoint, console, began) as (run, keeper):
            experiment = dataclasses.replace(experiment, result_cache=keeper)
            held = [score_baseline(experiment, *named) for named in enumerate(references.methods.items())]
            swept = [
                scored
                for number, (group, method) in enumerate(trainings)
                for scored in score_group(experiment, f"group-{number}", group, method, run)
            ]
            place = {point.name: index for index, point in enumerate(points)}
            swept.sort(key=lambda scored: place[scored[0]["name"]])  # as the axes were given, however they were trained
            found = build_sweep_results(experiment, axes, groups, swept, held, references.by_point)
            found["environment"]["seconds"] = run.seconds
            write_atomically(run.folder / "scores.npz", serialize_scores([outcome for _, outcome in [*held, *swept]]))
            save_figure(plot_tradeoff(found), run.folder / "frontier.png")
            write_atomically(run.folder / "table.md", render_sweep_markdown(found).encode())
            keeper.flush()
            run.finish(found, remove=WORKING_DIRS)
    return found


def score_baseline(experiment: Experiment, number: int, named: tuple[str, Method]) -> tuple[ResultEntry, MethodResult]:
    """One of the methods that points are held against: its entry, and what statistics need."""
    name, method = named
    outcome = experiment.result_cache.load_result(f"reference-{number}")
    if outcome is None:
        outcome = fit_and_score(experiment, name, method)._replace(variables={})
        experiment.result_cache.save_result(f"reference-{number}", outcome)
    else:
        outcome = outcome._replace(role=method.role)
        report_cached(experiment, outcome)
    return method_entry(outcome), drop_weights(outcome)


def score_group(
    experiment: Experiment, name: str, group: PointGroup, method: Method, run: Run
) -> Iterator[tuple[ResultEntry, MethodResult]]:
    """The same of every point of a group, its epochs written to the run; `name` is the group's within it."""
    for point, outcome in score_points(experiment, name, group, method):
        assert outcome.history is not None
        run.append_metrics(metric_rows(point.name, outcome.history))
        yield point_entry(point, outcome), drop_weights(outcome)


def drop_weights(result: MethodResult) -> MethodResult:
    """What statistics need: a sweep would fill the memory with the weights of all of its points."""
    return result._replace(variables={}, history=None)
