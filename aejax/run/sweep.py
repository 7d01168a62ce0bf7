"""One kind of autoencoder at every combination of some settings: the frontier of reconstruction and accuracy."""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import KeepingConfig, SweepConfig, to_dict
from aejax.config.axes import parse_axes, rows_at_once
from aejax.data.sources import load
from aejax.methods import Method
from aejax.report.frontier import frontier
from aejax.report.style import save
from aejax.report.sweep_table import markdown_sweep
from aejax.run.assemble import method_entry, metric_rows, scores_npz
from aejax.run.experiment import Experiment, prepare, setting_of
from aejax.run.folder import filling, finished
from aejax.run.keeping import WORKING
from aejax.run.processes import in_turn
from aejax.run.progress import reporting
from aejax.run.resolve import resolve
from aejax.run.scoring import Outcome, fit_and_score, report_found
from aejax.run.sweeping.assemble import Entry, point_entry, sweep_results
from aejax.run.sweeping.points import Group, choose_kind, groups_of, points_of
from aejax.run.sweeping.references import references_of
from aejax.run.sweeping.together import at_group, method_at, outcomes_of
from aejax.run.training import optimizer_for, total_epochs
from aejax.store.files import write_atomically
from aejax.store.runs import Run
from aejax.train.plan import make_plan


def sweep(config: SweepConfig, out: Path, console: Console, keeping: KeepingConfig = KeepingConfig()) -> dict[str, Any]:
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
    dataset = in_turn(lambda: load(config.data))
    points = points_of(config, axes, dataset)
    groups = groups_of(points, axes)
    kind = choose_kind(config, axes, dataset)
    resolved = dataclasses.replace(resolve(config, dataset), method=kind)
    if (known := finished(out, to_dict(resolved), keeping, console)) is not None:
        return known
    methods = [method_at(kind, group, setting_of(group.points[0].config, dataset)) for group in groups]
    trainings = list(zip(groups, methods, strict=True))
    references = references_of(kind, axes, groups, dataset)
    plan = dataclasses.replace(make_plan(config.plan, rows_at_once(config)), seeds=config.seeds)
    epochs = sum(total_epochs(group.points[0].config, method) for group, method in trainings)
    with reporting(console, total_epochs=epochs) as reporter:
        experiment = prepare(resolved, dataset, reporter, plan)
        for group, method in trainings:
            optimizer_for(at_group(experiment, group), method)  # refuses a schedule that does not fit any group
        with filling(out, to_dict(resolved), keeping, console, began) as (run, keeper):
            experiment = dataclasses.replace(experiment, keeper=keeper)
            held = [refer(experiment, *named) for named in enumerate(references.methods.items())]
            swept = [
                scored
                for number, (group, method) in enumerate(trainings)
                for scored in score_group(experiment, f"group-{number}", group, method, run)
            ]
            place = {point.name: index for index, point in enumerate(points)}
            swept.sort(key=lambda scored: place[scored[0]["name"]])  # as the axes were given, however they were trained
            found = sweep_results(experiment, axes, groups, swept, held, references.of_point)
            found["environment"]["seconds"] = run.seconds
            write_atomically(run.folder / "scores.npz", scores_npz([outcome for _, outcome in [*held, *swept]]))
            save(frontier(found), run.folder / "frontier.png")
            write_atomically(run.folder / "table.md", markdown_sweep(found).encode())
            keeper.settle()
            run.finish(found, drop=WORKING)
    return found


def refer(experiment: Experiment, number: int, named: tuple[str, Method]) -> tuple[Entry, Outcome]:
    """One of the methods that points are held against: its entry, and what statistics need."""
    name, method = named
    outcome = experiment.keeper.found(f"reference-{number}")
    if outcome is None:
        outcome = fit_and_score(experiment, name, method)._replace(variables={})
        experiment.keeper.keep(f"reference-{number}", outcome)
    else:
        report_found(experiment, outcome)
    return method_entry(outcome), without_weights(outcome)


def score_group(
    experiment: Experiment, name: str, group: Group, method: Method, run: Run
) -> Iterator[tuple[Entry, Outcome]]:
    """The same of every point of a group, its epochs written to the run; `name` is the group's within it."""
    for point, outcome in outcomes_of(experiment, name, group, method):
        assert outcome.course is not None
        run.append_metrics(metric_rows(point.name, outcome.course))
        yield point_entry(point, outcome), without_weights(outcome)


def without_weights(outcome: Outcome) -> Outcome:
    """What statistics need: a sweep would fill the memory with the weights of all of its points."""
    return outcome._replace(variables={}, course=None)
